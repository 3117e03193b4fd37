"""What the sections of a survey all need of it, looked up once: a layer, its separation, the channels of each class."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from featuremaps.report.survey_pictures import SurveyPicture, pictured
from featuremaps.survey.analysis.channel_sums import Sums, sums
from featuremaps.survey.analysis.class_labels import labels_of
from featuremaps.survey.analysis.separation import Separation
from featuremaps.survey.analysis.top_pictures import Which
from featuremaps.survey.measures.auc import Separating
from featuremaps.survey.storage.region_tables import NAME_OF_REST
from featuremaps.survey.survey import Survey

MOST_CLASSES = 6
MOST_CHANNELS = 25
MOST_SUMMED = 100
SIGNIFICANCE = 0.05


@dataclass(frozen=True, eq=False)
class AskedSurvey:
    """A survey that a report asks its questions of.

    `targets` are surveys of the same model in other domains; `name` is what this one is called beside them.
    """

    survey: Survey
    layer: str
    targets: Mapping[str, Survey]
    name: str

    @cached_property
    def separation(self) -> Separation:
        """How well every channel separates every class."""
        return self.survey.separation(self.layer)

    @cached_property
    def present(self) -> tuple[str, ...]:
        """The classes that have pictures."""
        numbers, classes = labels_of(self.survey)
        return tuple(classes[number] for number in np.unique(numbers[numbers >= 0]).tolist())

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes shown: those with pictures, of many those that some channel separates best, in their order."""
        _, classes = labels_of(self.survey)
        present = np.array([classes.index(label) for label in self.present])
        if len(present) > MOST_CLASSES:
            best = self.separation.areas[present].max(1)
            present = np.sort(present[np.argsort(-best, kind="stable")[:MOST_CLASSES]])
        return tuple(classes[number] for number in present.tolist())

    def proven(self, label: str) -> tuple[int, ...]:
        """The channels that separate a class beyond chance, best first."""
        return tuple(best.channel for best in self.separation.best(label, MOST_CHANNELS) if is_proven(best))

    def channels(self, label: str) -> tuple[int, ...]:
        """The same, or the best channel alone where none is beyond chance."""
        return self.proven(label) or (self.separation.best(label, 1)[0].channel,)

    @cached_property
    def sums(self) -> Sums:
        """The summed activation of every shown class's channels."""
        return self.all_sums[self.labels]

    @cached_property
    def all_sums(self) -> Sums:
        """The summed activation of every class's channels; of very many classes only of those shown."""
        of = self.present if len(self.present) <= MOST_SUMMED else self.labels
        return sums(self.survey, {label: self.channels(label) for label in of}, self.layer)

    def of_classes(self, shown: int) -> str:
        """A sentence that not all classes are shown, or nothing."""
        if shown == len(self.present):
            return ""
        return f" Shown are {shown} of {len(self.present)} classes, of those that some channel separates best."

    @property
    def of_pictures(self) -> str:
        """A sentence on what the pictures show of a channel, where its maps are known."""
        if self.survey.studied is None:
            return ""
        if self.survey.regions is not None:
            return " A picture is lit where the channel fires; the box, or what holds the region, stands above."
        return " A picture is lit where the channel fires; where it sees only a part of it, that stands above."

    @property
    def of_regions(self) -> str:
        """What the regions are, and what to mind about them; nothing where pictures are counted."""
        manifest = self.survey.manifest
        if manifest.each == "picture":
            return ""
        which = (
            f"each box that the model finds with a score of {manifest.threshold:g} or more, and in every picture what "
            f"lies in none (“{NAME_OF_REST}”)"
            if manifest.each == "box"
            else "the places of a picture to which the model gives one class"
        )
        return (
            f" A region is {which}; what counts of a channel is its map there. The classes are the model's own "
            "answers, not the truth. Regions of one picture depend on each other, so that intervals are too narrow "
            "where it has many."
        )

    def pictures(
        self, unit: str, n: int, which: Which = "strongest", label: str | None = None
    ) -> tuple[SurveyPicture, ...]:
        """Pictures of a unit, with its map over each where the model is there."""
        maps = self.survey.studied is not None
        return tuple(map(pictured, self.survey.top_pictures(unit, n, which, label=label, maps=maps)))


def is_proven(channel: Separating) -> bool:
    """Whether a channel is stronger for its class beyond chance, with all channels counted."""
    return channel.area > 0.5 and channel.p_value <= SIGNIFICANCE
