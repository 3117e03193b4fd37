"""How well every channel tells every class from the rest: a ranking that needs no cut-off, with its uncertainty."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from jaxtyping import Float, Int

from featuremaps.errors import SurveyError, check_choice, check_least
from featuremaps.plotting.figure_types import Figure
from featuremaps.results.shown import Shown
from featuremaps.survey.analysis.class_labels import counted, labelling, number_of
from featuremaps.survey.analysis.question import question
from featuremaps.survey.figures.separation import ClassPanel, separation_figure
from featuremaps.survey.measures.auc import Areas, Separating, areas_of
from featuremaps.survey.measures.proportions import Interval
from featuremaps.survey.storage.pooled import Pooling
from featuremaps.survey.storage.reader import StoredSurvey
from featuremaps.survey.storage.stored_rows import LabelSets

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS = 128


@dataclass(frozen=True, eq=False)
class Separation(Shown):
    """How well each channel separates each class from all other labelled pictures.

    `areas[c, k]` is the share of pairs (a picture of class c, one of another) in which channel k is stronger in the
    former: 1 is perfect, ½ is chance, below it the channel is weaker for the class. `low` and `high` are the ends of
    its confidence interval, `p_values` those of "it is ½", corrected for the number of channels. `pictures` counts
    each class's; a class without any has NaN, and one with fewer than five, or all but so few, no interval (NaN).
    `rows` says what is counted as pictures here: these, or regions of them.
    """

    areas: Float[np.ndarray, "class channel"]
    low: Float[np.ndarray, "class channel"]
    high: Float[np.ndarray, "class channel"]
    p_values: Float[np.ndarray, "class channel"]
    pictures: Int[np.ndarray, " class"]
    classes: tuple[str, ...]
    layer: str
    by: Pooling
    level: float
    rows: str = "pictures"

    def best(self, label: str | int, n: int = 10) -> tuple[Separating, ...]:
        """The `n` channels that separate a class best, by area; equal ones in order of channel.

        Raises `SurveyError` for a class that does not exist or has no pictures.
        """
        check_least("n", n, "how many of a class's best channels are given")
        row = number_of(label, self.classes)
        if not self.pictures[row]:
            raise SurveyError(f"class {self.classes[row]!r} has no pictures, so no channel can be said to separate it.")
        order = np.argsort(-self.areas[row], kind="stable")[:n].tolist()
        return tuple(self._separating(row, channel) for channel in order)

    def channels(self, n: int = 25, significance: float = 0.05) -> dict[str, tuple[int, ...]]:
        """For each class the channels among its `n` best that separate it beyond doubt, as `sums` takes them.

        Beyond doubt: stronger for the class, with a corrected p-value of at most `significance`.
        """
        every = ((name, self.best(row, n) if self.pictures[row] else ()) for row, name in enumerate(self.classes))
        return {
            name: tuple(each.channel for each in best if each.area > 0.5 and each.p_value <= significance)
            for name, best in every
        }

    def figure(self, *, most: int = 12, n: int = 8) -> Figure:
        """For each of the first `most` classes its `n` best channels, with their intervals."""
        having = [row for row, count in enumerate(self.pictures) if count]
        return separation_figure(
            [ClassPanel(self.classes[row], int(self.pictures[row]), self.best(row, n)) for row in having[:most]],
            n=n,
            layer=self.layer,
            channels=self.areas.shape[1],
            classes=len(having),
            level=self.level,
            counted=self.rows,
        )

    def table(self, n: int = 25) -> "pa.Table":
        """A row for each of the `n` best channels of every class that has pictures."""
        import pyarrow as pa

        rows = []
        for number in np.flatnonzero(self.pictures).tolist():
            for best in self.best(number, n):
                row = {"class": self.classes[number], "unit": best.unit, "channel": best.channel, "area": best.area}
                rows.append(row | best.interval._asdict() | {"p_value": best.p_value})
        return pa.Table.from_pylist(rows)

    def __repr__(self) -> str:
        classes, channels = self.areas.shape
        lines = [
            f"<Separation of {classes} classes by {channels} channels of {self.layer} ({self.by}), AUROC (interval)"
        ]
        for row, name in enumerate(self.classes[:20]):
            if not self.pictures[row]:
                lines.append(f"  {name}: no pictures")
                continue
            shown = (f"{o.channel} {o.area:.3f} ({o.interval.words()})" for o in self.best(row, 3))
            lines.append(f"  {name}, {self.pictures[row]:,} {self.rows}: {', '.join(shown)}")
        lines += [f"  … {classes} classes in all"] if classes > 20 else []
        return "\n".join(lines) + ">"

    def _separating(self, row: int, channel: int) -> Separating:
        interval = Interval(float(self.low[row, channel]), float(self.high[row, channel]))
        area, p_value = float(self.areas[row, channel]), float(self.p_values[row, channel])
        return Separating(channel, f"{self.layer}:{channel}", area, interval, p_value)


@question
def separation(
    survey: StoredSurvey, layer: str | None = None, *, by: Pooling = "mean", level: float = 0.95
) -> Separation:
    """How well each channel's mean (or largest) activation separates each class from all other labelled pictures.

    Areas with DeLong's intervals, and Mann-Whitney p-values (see `areas.py`), corrected for the number of channels by
    Holm (1979) for each class: channels of one network depend on each other in unknown ways, and Holm's needs nothing
    known about that, so that each channel named stands on its own. Columns are read in parts. Raises `SurveyError`
    where fewer than two classes have pictures.
    """
    check_choice("by", by, get_args(Pooling))
    layer = survey.layer_of(layer).name
    labels, names = labelling(survey)
    pictures = counted(labels, len(names))
    if not isinstance(labels, LabelSets) and (pictures > 0).sum() < 2:
        only = names[int(pictures.argmax())]
        raise SurveyError(
            f"only {only!r} has pictures, so there is nothing to separate it from. specialists(…) lists its frequent "
            "channels; survey pictures of other classes too to learn which are its own."
        )
    areas = channel_areas(survey, layer, by, labels, len(names))
    low, high = areas.intervals(level)
    return Separation(areas.values, low, high, holm(areas.p_values), pictures, names, layer, by, level, survey.rows)


def holm(p_values: Float[np.ndarray, "row test"]) -> Float[np.ndarray, "row test"]:
    """p-values of many tests per row, corrected so that a row's chance of any false finding stays (Holm 1979)."""
    count = p_values.shape[1]
    order = np.argsort(p_values, 1, kind="stable")
    ordered = np.take_along_axis(p_values, order, 1) * np.arange(count, 0, -1)
    corrected = np.empty_like(p_values)
    np.put_along_axis(corrected, order, np.minimum(np.maximum.accumulate(ordered, 1), 1.0), 1)
    return corrected


def channel_areas(
    survey: StoredSurvey, layer: str, by: Pooling, labels: Int[np.ndarray, " picture"] | LabelSets, classes: int
) -> Areas:
    """Areas of all channels; pictures without a label, or labelled −1, do not count.

    Some columns are read at a time, and shared out to as many threads as torch has.
    """
    labelled = labels.known if isinstance(labels, LabelSets) else labels >= 0
    threads = min(torch.get_num_threads(), os.cpu_count() or 1)

    def of_part(vectors: Float[np.ndarray, "picture channel"]) -> Areas:
        if not isinstance(labels, LabelSets):
            return areas_of(vectors, labels[labelled], classes)
        return _of_each([areas_of(vectors, own, 2) for own in labels.members[labelled].T.astype(np.int64)])

    parts: list[Areas] = []
    channels = survey.layers[layer].channels
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, channels, COLUMNS):
            vectors = survey.vectors(layer, by, range(start, min(start + COLUMNS, channels)))[labelled]
            parts += pool.map(of_part, np.array_split(vectors, min(threads, vectors.shape[1]), 1))
    values, variances, p_values = (
        np.concatenate([getattr(part, name) for part in parts], 1) for name in ("values", "variances", "p_values")
    )
    return Areas(values, variances, p_values, parts[0].own, parts[0].rest)


def _of_each(parts: Sequence[Areas]) -> Areas:
    """The areas of every class beside all other pictures, each from a pass of its own."""
    return Areas(*(np.stack([getattr(part, field.name)[1] for part in parts]) for field in fields(Areas)))
