"""Scores of pictures: of a detector, where their truth is known, and sums of groups of channels."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from featuremaps.survey.measures.auc import Area, auc
from featuremaps.survey.measures.calibration import Reliability, reliability
from featuremaps.survey.measures.proportions import Counts, counts_at
from featuremaps.survey.measures.roc import PrecisionRecall, Roc, Threshold, choose_threshold, precision_recall, roc


@dataclass(frozen=True, eq=False, repr=False)
class ScoredPictures:
    """Pictures of `data` with a class, `label`, and without, and a detector's score of each.

    `threshold` is the one the detector brought along; `probabilities` are None where it was never calibrated.
    """

    label: str
    data: str
    names: tuple[str, ...]
    positives: Bool[np.ndarray, " picture"]
    scores: Float[np.ndarray, " picture"]
    threshold: float
    probabilities: Float[np.ndarray, " picture"] | None = None

    @cached_property
    def area(self) -> Area:
        """The area under the ROC curve: how well the score tells the class apart, whatever the threshold."""
        return auc(self.scores, self.positives)

    @cached_property
    def roc(self) -> Roc:
        """Recall against false alarms, for every threshold."""
        return roc(self.scores, self.positives)

    @cached_property
    def precision_recall(self) -> PrecisionRecall:
        """Precision against recall, for every threshold."""
        return precision_recall(self.scores, self.positives)

    @cached_property
    def confusion(self) -> Counts:
        """What the threshold it brought along gets right and wrong here."""
        return counts_at(self.scores, self.positives, self.threshold)

    @cached_property
    def best(self) -> Threshold:
        """The threshold that would have been best here (Youden), which only somebody who knows the truth can take."""
        return choose_threshold(self.scores, self.positives)

    @cached_property
    def calibration(self) -> Reliability | None:
        """Whether the probabilities mean what they say here; None where there are none."""
        return None if self.probabilities is None else reliability(self.probabilities, self.positives)


@dataclass(frozen=True, eq=False)
class SummedGroup:
    """The sum of `channels` in every picture.

    `label` is the number of the class that the group is called after, None where there is no such class; `area` and
    `threshold` tell how well the sum separates it, None where that was not measured.
    """

    name: str
    channels: tuple[int, ...]
    sums: Float[np.ndarray, " picture"]
    label: int | None
    area: Area | None
    threshold: Threshold | None
