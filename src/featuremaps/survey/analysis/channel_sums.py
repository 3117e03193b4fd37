"""Whether a class's channels are its own: their summed activation in every picture, of the class and of all others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np
from jaxtyping import Float, Int

from featuremaps.errors import OptionError, SurveyError, check_choice, did_you_mean
from featuremaps.plotting.figure_types import Figure
from featuremaps.results.shown import Shown
from featuremaps.survey.analysis.class_labels import labels_of
from featuremaps.survey.analysis.question import question
from featuremaps.survey.analysis.separation import separation
from featuremaps.survey.analysis.specialists import Specialists, specialists
from featuremaps.survey.charts.sums import GROUPS, sums_charts
from featuremaps.survey.charts.theme import Chart
from featuremaps.survey.figures.channel_sums import ClassPictures, distributions_figure, index_figure
from featuremaps.survey.measures.auc import Area, auc
from featuremaps.survey.measures.roc import Threshold, choose_threshold
from featuremaps.survey.measures.scored_pictures import SummedGroup
from featuremaps.survey.storage.pooled import Pooling
from featuremaps.survey.storage.reader import StoredSurvey

COLUMNS = 256


@dataclass(frozen=True, eq=False)
class Sums(Shown):
    """Per picture and group of channels the sum of their (mean or largest) activations.

    `values[i, g]` is that of picture i and group g, whose channels are `channels[g]`. A group called like a class is
    measured by how well its sum tells that class from the rest: `areas[g]` and `thresholds[g]` (Youden's), None for a
    group that has no channels or no such class with pictures. `labels[i]` is −1 for a picture without a label. `rows`
    says what is counted as pictures here: these, or regions of them.
    """

    values: Float[np.ndarray, "picture group"]
    groups: tuple[str, ...]
    channels: tuple[tuple[int, ...], ...]
    labels: Int[np.ndarray, " picture"]
    classes: tuple[str, ...]
    layer: str
    by: Pooling
    areas: tuple[Area | None, ...]
    thresholds: tuple[Threshold | None, ...]
    rows: str = "pictures"

    def figure(self, *, most: int = 9) -> Figure:
        """Picture index, grouped by true class, against the sum: a colour per class, a panel per group."""
        return index_figure(
            self._summed_groups, self._pictures_by_class, layer=self.layer, by=self.by, most=most, counted=self.rows
        )

    def distributions(self, *, most: int = 9) -> Figure:
        """The sums of each class's pictures as distributions, a panel per group."""
        return distributions_figure(
            self._summed_groups, self._pictures_by_class, layer=self.layer, by=self.by, most=most
        )

    def charts(self, names: Sequence[str], most: int = GROUPS) -> dict[str, Chart]:
        """Both as charts to hover over, for the first `most` groups that have channels; `names` are the pictures'."""
        return sums_charts(
            self._summed_groups, labels=self.labels, classes=self.classes, names=names, most=most, counted=self.rows
        )

    @property
    def _summed_groups(self) -> tuple[SummedGroup, ...]:
        """Each group by itself."""
        return tuple(
            SummedGroup(name, self.channels[g], self.values[:, g], self.own(g), self.areas[g], self.thresholds[g])
            for g, name in enumerate(self.groups)
        )

    @property
    def _pictures_by_class(self) -> tuple[ClassPictures, ...]:
        """The rows of every class that has pictures, and then of those without a label."""
        names = dict(enumerate(self.classes)) | {-1: "no label"}
        rows = {label: np.flatnonzero(self.labels == label) for label in names}
        return tuple(ClassPictures(label, names[label], where) for label, where in rows.items() if len(where))

    def standardised(self) -> Float[np.ndarray, "picture group"]:
        """Each group's sums less their mean over all pictures, in standard deviations; 0 where they do not vary.

        This makes groups of different sizes comparable: how loud a group is for its own habits.
        """
        values = self.values.astype(np.float64)
        spread = values.std(0)
        return (values - values.mean(0)) / np.where(spread > 0, spread, 1.0)

    def own(self, group: int) -> int | None:
        """The number of the class that a group is called after."""
        name = self.groups[group]
        return self.classes.index(name) if name in self.classes else None

    def __getitem__(self, groups: str | Sequence[str]) -> "Sums":
        """Only these groups, in this order."""
        wanted = [groups] if isinstance(groups, str) else list(groups)
        for name in wanted:
            if name not in self.groups:
                raise KeyError(f"no channels of {name!r} were summed.{did_you_mean(name, self.groups)}")
        kept = [self.groups.index(name) for name in wanted]
        return replace(
            self,
            values=self.values[:, kept],
            groups=tuple(wanted),
            channels=tuple(self.channels[g] for g in kept),
            areas=tuple(self.areas[g] for g in kept),
            thresholds=tuple(self.thresholds[g] for g in kept),
        )

    def __len__(self) -> int:
        return len(self.groups)

    def __repr__(self) -> str:
        kind = "means" if self.by == "mean" else "largest activations"
        lines = [f"<Sums of {kind} in {self.layer} over {len(self.values):,} {self.rows}"]
        for name, channels, area, threshold in zip(
            self.groups[:20], self.channels, self.areas, self.thresholds, strict=False
        ):
            count = f"{len(channels)} channel{'s' if len(channels) != 1 else ''}"
            says = f"AUROC {area}, threshold {threshold.value:.4g}" if area and threshold else "not measured"
            lines.append(f"  {name}, {count}: {says}")
        lines += [f"  … {len(self)} groups in all"] if len(self) > 20 else []
        return "\n".join(lines) + ">"


@question
def sums(
    survey: StoredSurvey,
    channels_by_class: Mapping[str, Sequence[int]] | Specialists | None = None,
    layer: str | None = None,
    *,
    by: Pooling = "mean",
) -> Sums:
    """For every picture the summed activation of each class's channels, or of any named group of channels.

    If none are given, the (at most 25) channels that separate a class beyond chance, or the best one alone, as a
    detector takes them; where only one class has pictures, its specialists. `sums(survey.specialists())` is the
    article's procedure. Only the columns named are read, some at a time. A group without channels sums to 0. Raises
    `OptionError` for a channel that does not exist, `SurveyError` where no group is given.
    """
    check_choice("by", by, get_args(Pooling))
    if channels_by_class is None:
        channels_by_class = _own_channels(survey, layer, by)
    elif isinstance(channels_by_class, Specialists):
        channels_by_class = channels_by_class.channels
    layer = survey.layer_of(layer).name
    if not channels_by_class:
        raise SurveyError("no channels to sum: give a name and its channels, {'cat': [3, 17]}, for each group.")
    groups = {name: tuple(dict.fromkeys(map(int, channels))) for name, channels in channels_by_class.items()}
    _check_channels(groups, layer, survey.layers[layer].channels)
    union = sorted({channel for channels in groups.values() for channel in channels})
    values = np.zeros((len(survey.pictures.labels), len(groups)))
    for start in range(0, len(union), COLUMNS):
        part = union[start : start + COLUMNS]
        member = np.array([[channel in group for group in map(set, groups.values())] for channel in part], np.float64)
        values += survey.vectors(layer, by, part).astype(np.float64) @ member
    if survey.pictures.sets is not None:
        labels_of(survey)  # which says how to ask
    labels, classes = survey.pictures.labels, survey.classes or ()
    measured = [_measured(values[:, g], labels, classes, name if groups[name] else "") for g, name in enumerate(groups)]
    return Sums(
        values.astype(np.float32),
        tuple(groups),
        tuple(groups.values()),
        labels,
        classes,
        layer,
        by,
        tuple(area for area, _ in measured),
        tuple(threshold for _, threshold in measured),
        survey.rows,
    )


def _own_channels(survey: StoredSurvey, layer: str | None, by: Pooling) -> dict[str, tuple[int, ...]]:
    """For each class the channels that separate it beyond chance, or the best one alone where none does.

    Where only one class has pictures, its specialists.
    """
    labels, _ = labels_of(survey)
    if len(np.unique(labels[labels >= 0])) < 2:
        return specialists(survey, layer, by=by).channels
    separating = separation(survey, layer, by=by)
    return {
        name: channels or ((separating.best(name, 1)[0].channel,) if count else ())
        for (name, channels), count in zip(separating.channels().items(), separating.pictures, strict=True)
    }


def _check_channels(groups: Mapping[str, tuple[int, ...]], layer: str, count: int) -> None:
    for name, channels in groups.items():
        for channel in channels:
            if not 0 <= channel < count:
                raise OptionError(f"{layer} has channels 0 to {count - 1}, there is no {channel} (given for {name!r}).")


def _measured(
    values: Float[np.ndarray, " picture"], labels: Int[np.ndarray, " picture"], classes: tuple[str, ...], name: str
) -> tuple[Area | None, Threshold | None]:
    """How well a group's sums tell the class it is called after from the rest, and the threshold that does it best."""
    labelled = labels >= 0
    positives = labels[labelled] == (classes.index(name) if name in classes else -2)
    if not positives.any() or positives.all():
        return None, None
    scores = values[labelled].astype(np.float32)
    return auc(scores, positives), choose_threshold(scores, positives)
