"""How well a score tells positives from negatives at every threshold, and which threshold to take.

Everywhere in this folder a picture is called positive if its score >= the threshold.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from featuremaps.errors import OptionError
from featuremaps.survey.measures.auc import check_scores
from featuremaps.survey.measures.proportions import Counts, counts_at


@dataclass(frozen=True, eq=False)
class Roc:
    """The ROC curve. Point i calls positive what scores >= `thresholds[i]`; these fall from +∞, where nothing is."""

    thresholds: Float[np.ndarray, " point"]
    false_alarm_rates: Float[np.ndarray, " point"]
    recalls: Float[np.ndarray, " point"]


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """The precision-recall curve. Point i calls positive what scores >= `thresholds[i]`, a score, falling.

    `prevalence` is the share of positives: the precision of calling everything positive.
    """

    thresholds: Float[np.ndarray, " point"]
    precisions: Float[np.ndarray, " point"]
    recalls: Float[np.ndarray, " point"]
    prevalence: float

    @property
    def average_precision(self) -> float:
        """The precision at each step of recall, weighted with the step: Σ (Rᵢ − Rᵢ₋₁) Pᵢ, without interpolation."""
        return float((np.diff(self.recalls, prepend=0.0) * self.precisions).sum())


@dataclass(frozen=True)
class Threshold:
    """A threshold chosen on some pictures, by which `rule`, and its `counts` on the pictures it was chosen on."""

    value: float
    rule: str
    counts: Counts


def roc(scores: Float[np.ndarray, " picture"], positives: Bool[np.ndarray, " picture"]) -> Roc:
    """The ROC curve, a point for every score that occurs; raises `SurveyError` without positives or negatives."""
    from sklearn.metrics import roc_curve

    check_scores(scores, positives)
    false_alarm_rates, recalls, thresholds = roc_curve(positives, scores, drop_intermediate=False)
    return Roc(thresholds.astype(np.float64), false_alarm_rates, recalls)


def precision_recall(scores: Float[np.ndarray, " picture"], positives: Bool[np.ndarray, " picture"]) -> PrecisionRecall:
    """The precision-recall curve, a point for every score; raises `SurveyError` without positives or negatives."""
    from sklearn.metrics import precision_recall_curve

    check_scores(scores, positives)
    curve = precision_recall_curve(positives, scores, drop_intermediate=False)
    precisions, recalls, thresholds = (values[: len(curve[2])][::-1] for values in curve)  # from the highest score on
    return PrecisionRecall(thresholds.astype(np.float64), precisions, recalls, float(positives.mean()))


def choose_threshold(
    scores: Float[np.ndarray, " picture"],
    positives: Bool[np.ndarray, " picture"],
    *,
    false_alarm_rate: float | None = None,
    recall: float | None = None,
) -> Threshold:
    """The threshold that does best on these pictures.

    Without a limit the one with the largest recall − false-alarm rate (Youden 1950). With `false_alarm_rate`, the
    highest recall among those with at most that rate; with `recall`, the lowest false-alarm rate among those that reach
    it. Of equals the highest. It is finite, a number that the scores' own type holds, so that no comparison rounds it,
    and stands midway between the lowest score called positive and the highest that is not, as far as there is one
    between them. Raises `SurveyError` without positives or negatives.
    """
    curve = roc(scores, positives)
    best, rule = _best(curve.recalls, curve.false_alarm_rates, false_alarm_rate, recall)
    value = _midway(curve.thresholds[1:].astype(scores.dtype), best)
    return Threshold(value, rule, counts_at(scores, positives, value))


def _best(
    recalls: np.ndarray, alarm_rates: np.ndarray, false_alarm_rate: float | None, recall: float | None
) -> tuple[int, str]:
    """Which point is best, and the rule in words; of equals the first, whose threshold is the highest."""
    if false_alarm_rate is not None and recall is not None:
        raise OptionError("give false_alarm_rate or recall, not both: the other one follows from the scores.")
    for name, limit in (("false_alarm_rate", false_alarm_rate), ("recall", recall)):
        if limit is not None and not 0 <= limit <= 1:
            raise OptionError(f"{name} is a share, from 0 to 1; got {limit}.")
    if false_alarm_rate is not None:
        allowed = np.where(alarm_rates <= false_alarm_rate, recalls, -1.0)
        return int(allowed.argmax()), f"highest recall with a false-alarm rate of at most {false_alarm_rate:g}"
    if recall is not None:
        allowed = np.where(recalls >= recall, alarm_rates, 2.0)
        return int(allowed.argmin()), f"lowest false-alarm rate with a recall of at least {recall:g}"
    return int((recalls - alarm_rates).argmax()), "largest recall − false-alarm rate (Youden)"


def _midway(values: np.ndarray, point: int) -> float:
    """A finite threshold, of the scores' type, that calls positive the first `point` of these falling scores."""
    if point == 0:
        return float(np.nextafter(values[0], values.dtype.type(np.inf)))
    accepted = values[point - 1]
    if point == len(values):
        return float(accepted)
    middle = values.dtype.type((float(values[point]) + float(accepted)) / 2)
    return float(middle if values[point] < middle <= accepted else accepted)
