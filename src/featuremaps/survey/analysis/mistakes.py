"""The pictures that the model calls wrongly, and whether the channels of the true or of the named class were louder."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import overload

import numpy as np
from PIL import Image

from featuremaps.errors import SurveyError, check_least
from featuremaps.outputs.outputs import in_percent
from featuremaps.plotting.class_colours import on_square
from featuremaps.plotting.contact_sheet import one_line
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import file_name
from featuremaps.plotting.panels import Line, Panel, columns_for, in_rows, panels_figure
from featuremaps.results.shown import Shown
from featuremaps.survey.analysis.channel_sums import Sums
from featuremaps.survey.analysis.confusion import answers
from featuremaps.survey.analysis.question import question
from featuremaps.survey.storage.reader import StoredSurvey


@dataclass(frozen=True, eq=False)
class Mistake:
    """One picture that the model calls wrongly.

    `predicted` is what the model says, `probability` how probable it finds that. `loudness` gives, for the true class,
    the predicted one and the loudest of all, how far the sum of that class's channels lies above its mean over all
    pictures, in standard deviations; classes whose channels were not given are not among them.
    """

    row: int
    name: str
    truth: str
    predicted: str
    probability: float
    loudness: Mapping[str, float] = field(default_factory=dict)

    @property
    def louder(self) -> str | None:
        """Which of the true and the predicted class had the louder channels; None where that is not known."""
        if self.truth not in self.loudness or self.predicted not in self.loudness:
            return None
        return max((self.predicted, self.truth), key=self.loudness.__getitem__)

    @property
    def loudest(self) -> str | None:
        """Of all classes whose channels were given, the one whose channels were loudest."""
        return max(self.loudness, key=self.loudness.__getitem__) if self.loudness else None


@dataclass(frozen=True, eq=False)
class Mistakes(Sequence[Mistake], Shown):
    """The model's mistakes, the most certain first, of `of` labelled pictures. `open` opens a row's picture."""

    every: tuple[Mistake, ...]
    of: int
    open: Callable[[int], Image.Image] = field(repr=False)
    notes: tuple[str, ...] = ()

    def between(self, truth: str | None = None, predicted: str | None = None) -> "Mistakes":
        """Only those of this true and this predicted class."""
        kept = [
            mistake
            for mistake in self.every
            if truth in (None, mistake.truth) and predicted in (None, mistake.predicted)
        ]
        return replace(self, every=tuple(kept))

    def louder(self) -> dict[str, int]:
        """How often the louder channels were those of the true class, of the predicted one, or not known."""
        counts = Counter(
            "not known" if wrong.louder is None else "true class" if wrong.louder == wrong.truth else "predicted class"
            for wrong in self.every
        )
        return {kind: counts[kind] for kind in ("true class", "predicted class", "not known")}

    def figure(self, *, most: int = 12) -> Figure:
        """The first `most` pictures: what they are, what the model says, and whose channels were louder."""
        if not self.every:
            raise SurveyError(f"there are no mistakes to show among {self.of} pictures.")
        check_least("most", most, "how many mistakes are shown")
        shown = self.every[:most]
        panels = [Panel(on_square(self.open(mistake.row)), _title(mistake)) for mistake in shown]
        rest = f", first {len(shown)} shown" if len(shown) < len(self) else ""
        title = f"{len(self):,} of {self.of:,} pictures called wrongly{rest}"
        sigma = "σ: the sum of a class's channels above its mean over all pictures, in standard deviations"
        caption = sigma if any(mistake.loudness for mistake in shown) else ""
        return panels_figure(in_rows(panels, columns_for(len(panels))), None, title=title, caption=caption)

    def save(self, folder: str | Path = ".", *, most: int = 100) -> list[Path]:
        """Write the first `most` pictures (PNG), named after what they are and what they were called."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for rank, mistake in enumerate(self.every[:most], 1):
            stem = file_name(f"{rank:03d}", mistake.truth, f"called {mistake.predicted}", Path(mistake.name).stem)
            written.append(folder / f"{stem}.png")
            self.open(mistake.row).save(written[-1])
        return written

    @overload
    def __getitem__(self, index: int) -> Mistake: ...
    @overload
    def __getitem__(self, index: slice) -> "Mistakes": ...
    def __getitem__(self, index: int | slice) -> "Mistake | Mistakes":
        return replace(self, every=self.every[index]) if isinstance(index, slice) else self.every[index]

    def __len__(self) -> int:
        return len(self.every)

    def __repr__(self) -> str:
        lines = [f"<Mistakes: {len(self):,} of {self.of:,} pictures"]
        if any(mistake.louder for mistake in self.every):
            lines[0] += ", louder channels: " + ", ".join(f"{who} {n}" for who, n in self.louder().items() if n)
        lines += [
            f"  {wrong.name}: {wrong.truth} called {wrong.predicted} ({wrong.probability:.0%})" for wrong in self[:5]
        ]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)]) + ">"


@question
def mistakes(survey: StoredSurvey, sums: Sums | None = None, *, names: Mapping[str, str] | None = None) -> Mistakes:
    """The pictures that the model calls wrongly, the most certain first.

    With `sums` of each class's channels, also which class's were louder. Groups are standardised each over all pictures
    of the survey, so that large and small ones compare. Names are matched as in `confusion`.
    """
    known = answers(survey, names=names)
    standard = None if sums is None else sums.standardised()
    if sums is not None and standard is not None and len(standard) != len(survey.pictures.names):
        raise SurveyError(
            f"the sums are of {len(standard)} pictures and the survey has {len(survey.pictures.names)}; take the sums "
            "of the same survey."
        )
    wrong = np.flatnonzero(known.truth != known.predicted)
    wrong = wrong[np.argsort(-known.probabilities[wrong], kind="stable")]
    every = []
    for place in wrong.tolist():
        row, truth, predicted = int(known.rows[place]), known.classes[known.truth[place]], known.said[place]
        loudness = {} if sums is None or standard is None else _loudness(standard[row], sums, truth, predicted)
        probability = float(known.probabilities[place])
        every.append(Mistake(row, survey.pictures.names[row], truth, predicted, probability, loudness))
    return Mistakes(tuple(every), len(known.rows), survey.picture, known.notes)


def _loudness(standard: np.ndarray, sums: Sums, truth: str, predicted: str) -> dict[str, float]:
    """How loud the channels of the true, the predicted and the loudest class were in one picture."""
    loud = {name: float(standard[g]) for g, name in enumerate(sums.groups) if sums.channels[g]}
    if not loud:
        return {}
    loudest = max(loud, key=loud.__getitem__)
    return {name: loud[name] for name in dict.fromkeys((truth, predicted, loudest)) if name in loud}


def _title(mistake: Mistake) -> tuple[Line, ...]:
    """What it is, what it is called, and whose channels were louder by how much."""
    lines = [
        Line(one_line(mistake.truth)),
        Line(f"called {one_line(mistake.predicted)}", in_percent(mistake.probability)),
    ]
    if mistake.louder is not None:
        quieter = mistake.truth if mistake.louder == mistake.predicted else mistake.predicted
        loud, quiet = (f"{mistake.loudness[label]:+.1f}σ".replace("-", "−") for label in (mistake.louder, quieter))
        lines.append(Line(f"louder: {one_line(mistake.louder)},", f"{loud} over {quiet}"))
    return tuple(lines)
