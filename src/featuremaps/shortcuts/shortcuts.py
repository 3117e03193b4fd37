"""All that a search for shortcuts found, or that it found none, and what it would have found."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, overload

from PIL import Image

from featuremaps.plotting.files import png_of
from featuremaps.results.shown import Shown
from featuremaps.shortcuts.figure import WIDE, ExamplePicture, ShownShortcut, empty_figure, shortcut_figure
from featuremaps.shortcuts.power import Power
from featuremaps.shortcuts.shortcut import Shortcut
from featuremaps.shortcuts.words import brief, claim, evidence, nothing, sentence

if TYPE_CHECKING:
    import pyarrow as pa
    from matplotlib.figure import Figure

TOLD = 3
"""So many findings are printed with all that is known of them, the others in short."""


@dataclass(frozen=True, eq=False)
class Shortcuts(Sequence[Shortcut], Shown):
    """The proven shortcuts, the largest effect first; `scope.find_shortcuts` gives them.

    A sequence: `found[0]` is the first, and it is empty where none was proven.

    Attributes:
        proven: The findings that are beyond chance and that changing the layer bears out.
        unproven: What raises a class's probability in the pictures, and no change of the layer bore out: no all-clear.
        classes: The classes that were looked at.
        pictures: How many pictures of each of the classes.
        layer: The layer in which findings were changed.
        tried: How many attributes were tried.
        power: Which shares and effects would have been found, class by class.
        open: Opens a picture of the survey by its row.
        label_of: Names the label of a picture by its row.
        notes: What should be known beside it, in sentences.
    """

    proven: tuple[Shortcut, ...]
    unproven: tuple[Shortcut, ...]
    classes: tuple[str, ...]
    pictures: tuple[int, ...]
    layer: str
    tried: int
    power: tuple[Power, ...]
    open: Callable[[int], Image.Image] = field(repr=False)
    label_of: Callable[[int], str] = field(repr=False)
    notes: tuple[str, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Shortcut: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Shortcut, ...]: ...
    def __getitem__(self, index: int | slice) -> Shortcut | tuple[Shortcut, ...]:
        if isinstance(index, int) and not -len(self) <= index < len(self):
            count = f"{len(self)} shortcut{'' if len(self) == 1 else 's'} proven, counted from 0"
            raise IndexError(f"there is no found[{index}]: {count}. print(found) says what was looked at.")
        return self.proven[index]

    def __len__(self) -> int:
        return len(self.proven)

    @property
    def sentence(self) -> str:
        """The first finding, or that there is none and what would have been found."""
        if self.proven:
            return sentence(self.proven[0])
        return nothing(self.classes, self.pictures, self.tried, self.power, len(self.unproven))

    def figure(self, number: int = 0) -> "Figure":
        """The pictures of a finding: its strongest, those of the class that lack it, and others that have it.

        Args:
            number: Which finding, counted from 0.

        Returns:
            The figure; its frames are green where the model calls the picture right. Without any finding it says so.

        Raises:
            IndexError: There are not as many findings.
        """
        if not self.proven:
            return empty_figure(self.sentence)
        found = self.proven[number]
        kinds = (
            (f"{found.label}\nwith it", found.examples.strongest),
            (f"{found.label}\nwithout", found.examples.missing),
            ("others\nwith it", found.examples.counter),
        )
        shown = [(words, [self._shown(found, row) for row in rows[:WIDE]]) for words, rows in kinds]
        return shortcut_figure(ShownShortcut(shown, claim(found), evidence(found)))

    def table(self) -> "pa.Table":
        """A row for each finding, the unproven ones last."""
        import pyarrow as pa

        return pa.Table.from_pylist([row_of(each) for each in (*self.proven, *self.unproven)])

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write each finding's figure (PNG) and all numbers (CSV).

        Args:
            folder: Where they are written; it is made where it is not there.

        Returns:
            The files; without any finding one figure that says so.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for number in range(max(1, len(self.proven))):
            written.append(folder / f"shortcut-{number + 1}.png" if self.proven else folder / "shortcuts.png")
            written[-1].write_bytes(png_of(self.figure(number)))
        if self.proven or self.unproven:
            from pyarrow.csv import write_csv

            written.append(folder / "shortcuts.csv")
            write_csv(self.table(), written[-1])
        return written

    def _shown(self, found: Shortcut, row: int) -> ExamplePicture:
        return ExamplePicture(self.open(row), self.label_of(row), found.called[row])

    def __repr__(self) -> str:
        if not self.proven:
            lines = [f"<Shortcuts: none. {self.sentence}"]
        else:
            lines = [f"<Shortcuts: {len(self)} in {sum(self.pictures):,} pictures of {len(self.classes)} classes"]
            said = [sentence(each) for each in self.proven[:TOLD]] + [brief(each) for each in self.proven[TOLD:]]
            lines += [f"  {number}. {each}" for number, each in enumerate(said, 1)]
        lines += [f"  not proven: {brief(each)}" for each in self.unproven[:TOLD]]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + ">"


def row_of(found: Shortcut) -> dict[str, object]:
    """A finding's numbers, by name."""
    row: dict[str, object] = {
        "class": found.label,
        "told by": found.attribute.name,
        "proven": found.proven,
        "undecided": found.undecided,
    }
    row |= {"separation": found.attribute.separation, "p_value": found.p_value}
    row |= found.prevalence.row("prevalence") | found.elsewhere.row("elsewhere")
    row |= {
        "effect": found.effect.value,
        "effect_low": found.effect.interval.low,
        "effect_high": found.effect.interval.high,
    }
    there = found.in_other_pictures
    row["other_effect"] = None if there is None or there.effect is None else there.effect.value
    row["other_confirms"] = None if there is None else there.confirms
    for name in ("right_with", "right_without", "called_with", "called_without"):
        row |= getattr(found, name).row(name)
    for name, proof in (("taken_out", found.taken_out), ("put_in", found.put_in)):
        values = (None, None, None) if proof is None else (proof.before, proof.after, proof.control)
        row |= dict(zip((f"{name}_before", f"{name}_after", f"{name}_control"), values, strict=True))
    return row
