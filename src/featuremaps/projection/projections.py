"""Units back in pixel space: the part of a picture that drives a unit most, beside what a backward rule makes of it.

The figure of Zeiler & Fergus (2014, figure 2): projections in one block, the patches they come from in another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.layers.layout import folded
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.class_colours import on_square, plain_figure
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import file_name, unique_names
from featuremaps.plotting.files import write_files
from featuremaps.plotting.panels import three_digits
from featuremaps.plotting.rendering import tiled
from featuremaps.results.shown import Shown
from featuremaps.rules import ReluRule
from featuremaps.rules.relu import TITLES

TILE = 96


class PixelBox(NamedTuple):
    """A part of a picture, in pixels; right and bottom are not part of it."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, eq=False)
class Projection:
    """One unit in one picture.

    `value` is its activation at its strongest `place` (row, column), `box` what it sees from there, in pixels of the
    model's input (samples of a signal; all of a volume), and `signal` (colour, *space) what came back to all of it.
    """

    unit: str
    seen: Seen
    value: float
    place: tuple[int, int]
    box: PixelBox
    signal: Float[Tensor, "colour *space"]

    @property
    def crop(self) -> Float[Tensor, "colour *crop"]:
        """The signal within the receptive field."""
        return self._cut(self.signal)

    @property
    def part(self) -> Seen:
        """What the model saw within the receptive field."""
        return Seen.of(self.seen.picture, self._cut(self.seen.input), self.seen.preprocessing)

    def _cut(self, values: Tensor) -> Tensor:
        left, top, right, bottom = self.box
        if values.ndim == 2:
            return values[:, left:right]
        return values[:, top:bottom, left:right] if values.ndim == 3 else values

    @property
    def whole(self) -> bool:
        """Whether the unit sees the whole input from its place."""
        return self.box == (0, 0, *reversed(folded(self.seen.space)))

    @property
    def original_box(self) -> PixelBox | None:
        """The receptive field in pixels of the original picture, clipped at its border; None where it is not known."""
        image = self.seen.picture.image
        return None if image is None else original_box(self.box, image.size, self.seen.preprocessing)

    @property
    def patch(self) -> Image.Image:
        """The picture within the receptive field: the original where the place is known, else what the model saw."""
        box, image = self.original_box, self.seen.picture.image
        return self.part.image if box is None or image is None else image.crop(box)

    @property
    def warning(self) -> str | None:
        """Why the projection says nothing, if so."""
        if self.value <= 0:
            return f"the unit is silent in this picture: its highest value is {self.value:.3g}."
        if not bool(self.signal.any()):
            return "nothing of the unit's activation came back to the picture this way."
        return None


@dataclass(frozen=True, eq=False)
class Projections(Shown):
    """Units × pictures: `units[u][k]` is unit u in the picture where it is k-th strongest, sent back by `rule`.

    `doubts` are said of units whose places in the picture are not known.
    """

    units: tuple[tuple[Projection, ...], ...]
    rule: ReluRule
    doubts: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should not be believed: silent units, signals that did not arrive, and patches that are guessed."""
        every = [projection for row in self.units for projection in row]
        silent = (f"{each.unit} in {each.seen.picture.name}: {each.warning}" for each in every if each.warning)
        return (*silent, *self.doubts)

    def figure(self) -> Figure:
        """For each unit its projections in one block and the picture patches, in the same order, in another."""
        return _figure([self._row(row) for row in self.units], self._title())

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write each projection and each patch (PNG) and the raw signal in the receptive field (`.npy`)."""
        contents: list[tuple[str, Image.Image | Tensor]] = []
        for row in self.units:
            names = unique_names([projection.seen.picture.name for projection in row])
            for rank, (projection, name) in enumerate(zip(row, names, strict=True), 1):
                stem = file_name(projection.unit, self.rule, f"{rank:02d}", name)
                contents += [(stem, projection.part.grey(projection.crop)), (f"{stem}__picture", projection.patch)]
                contents.append((stem, projection.crop))
        return write_files(folder, contents)

    def __len__(self) -> int:
        return len(self.units)

    def __getitem__(self, unit: str | int) -> tuple[Projection, ...]:
        """The projections of one unit, by name or number."""
        if isinstance(unit, int):
            return self.units[unit]
        names = [row[0].unit for row in self.units]
        if unit not in names:
            raise KeyError(f"no projections of {unit!r}; there are {', '.join(names)}.")
        return self.units[names.index(unit)]

    def _row(self, row: Sequence[Projection]) -> tuple[str, Image.Image, Image.Image]:
        ends = row if len(row) == 1 else (row[0], row[-1])
        values = " … ".join(three_digits(projection.value) for projection in ends)
        return (
            f"{row[0].unit} ({values})",
            tiled([on_square(projection.part.grey(projection.crop), TILE) for projection in row], gap=4),
            tiled([on_square(projection.patch, TILE) for projection in row], gap=4),
        )

    def _title(self) -> str:
        count = max(len(row) for row in self.units)
        pictures = f"The {count} strongest pictures" if count > 1 else "The strongest picture"
        way = TITLES[self.rule]
        return f"{pictures} of each unit, sent back by {way}\ncut to the receptive field, each scaled on its own"

    def __repr__(self) -> str:
        units = ", ".join(row[0].unit for row in self.units)
        return f"<Projections of {units} by {self.rule}, {len(self.units[0])} pictures each>"


def original_box(box: PixelBox, size: tuple[int, int], preprocessing: Preprocessing) -> PixelBox | None:
    """A part of the model's input as a part of the original picture of `size` (width, height), clipped at its border.

    None where the place of the input in the original is not known.
    """
    placement = preprocessing.placement(size)
    if placement is None:
        return None
    across = sorted(placement.offset_x + placement.scale_x * x for x in (box.left, box.right))
    down = sorted(placement.offset_y + placement.scale_y * y for y in (box.top, box.bottom))
    left, right = (min(max(0, round(x)), size[0]) for x in across)
    top, bottom = (min(max(0, round(y)), size[1]) for y in down)
    return PixelBox(left, top, max(right, left + 1), max(bottom, top + 1))


def _figure(rows: Sequence[tuple[str, Image.Image, Image.Image]], title: str) -> Figure:
    tallest = max(signals.height / signals.width for _, signals, _ in rows)
    figure = plain_figure(7.4, 3.4 * tallest * len(rows) + 0.9)
    figure.suptitle(title, fontsize=9)
    for places, (name, *blocks) in zip(figure.subplots(len(rows), 2, squeeze=False), rows, strict=True):
        for axes, block, heading in zip(places, blocks, ("projections", "picture patches"), strict=True):
            axes.imshow(block)
            axes.set_axis_off()
            axes.set_title(f"{name} — {heading}", fontsize=8, loc="left")
    return figure
