"""The area under the ROC curve (AUC) of scores, for every class against the rest at once, from one ranking.

The AUC is the share of pairs (a picture of the class, one of the rest) in which the former scores higher, ties counting
half: the Mann-Whitney statistic. Its variance is DeLong's, which needs no assumption about how scores are distributed
but needs many: with few, its intervals contain the true area in 75 rather than 95 of 100 samples (see `intervals`).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from featuremaps.errors import SurveyError
from featuremaps.survey.measures.proportions import Interval, normal_quantile

FEWEST = 5
"""How many pictures either side needs before an interval can be given."""
PRIOR = 5
"""How many pictures the assumed variance counts as much as."""


@dataclass(frozen=True, eq=False)
class Areas:
    """The AUC of each class against the rest, in columns of scores.

    `values` are the areas, `variances` DeLong's, `p_values` those of the two-sided Mann-Whitney test that the area is
    ½. NaN where a class has no pictures, or all of them. `own` and `rest` are how many pictures stand on either side.
    """

    values: Float[np.ndarray, "class channel"]
    variances: Float[np.ndarray, "class channel"]
    p_values: Float[np.ndarray, "class channel"]
    own: Int[np.ndarray, " class"]
    rest: Int[np.ndarray, " class"]

    def intervals(self, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends of the confidence intervals, (class, channel) each; NaN with under `FEWEST` pictures.

        On the logit scale, logit(area) ± z · deviation / (area · (1 − area)). With few pictures on the smaller side
        DeLong's variance is mostly too small, so that it is averaged there with the one that exponential scores would
        have; that counts as much as `PRIOR` pictures. Where DeLong's says nothing (nothing overlaps, or all scores are
        the same) Wilson's interval is taken, for that share out of as many pairs as can be made without using a
        picture twice: those are independent. No interval reaches beyond that one, since the variance of an area is
        never larger (Birnbaum & Klose 1957); on the logit scale it would, where next to nothing overlaps.
        """
        from scipy.special import expit, logit

        z = normal_quantile(level)
        pairs = np.minimum(self.own, self.rest)[:, None].astype(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            extra = z * z / pairs
            middle = (self.values + extra / 2) / (1 + extra)
            wide = z * np.sqrt(self.values * (1 - self.values) / pairs + extra / pairs / 4) / (1 + extra)
            assumed = _exponential_variance((self.values * pairs + 0.5) / (pairs + 1), self.own, self.rest)
            variance = (pairs * self.variances + PRIOR * assumed) / (pairs + PRIOR)
            reach = z * np.sqrt(variance) / (self.values * (1 - self.values))
            known = self.variances > 0
            low, high = (middle - wide).clip(0, 1), (middle + wide).clip(0, 1)
            low = np.where(known, np.maximum(expit(logit(self.values) - reach), low), low)
            high = np.where(known, np.minimum(expit(logit(self.values) + reach), high), high)
        low[pairs[:, 0] < FEWEST] = high[pairs[:, 0] < FEWEST] = math.nan
        return low, high


@dataclass(frozen=True)
class Area:
    """One area under a ROC curve, its interval (NaN with under `FEWEST` pictures), and the p-value of "it is ½"."""

    value: float
    interval: Interval
    p_value: float

    def __str__(self) -> str:
        few = math.isnan(self.interval.low)
        says = (
            f"no interval: fewer than {FEWEST} pictures on a side" if few else f"95% interval {self.interval.words()}"
        )
        return f"{self.value:.3f} ({says})"


@dataclass(frozen=True)
class Separating:
    """One channel and one class: the area under the ROC curve, its interval, and the p-value corrected by Holm."""

    channel: int
    unit: str
    area: float
    interval: Interval
    p_value: float


def auc(scores: Float[np.ndarray, " picture"], positives: Bool[np.ndarray, " picture"], level: float = 0.95) -> Area:
    """The area under the ROC curve of scores, with DeLong's interval (see `Areas.intervals`).

    Raises `SurveyError` where there is no positive or no negative, or a score is not a finite number.
    """
    check_scores(scores, positives)
    areas = areas_of(scores[:, None], positives.astype(np.int64), 2)
    low, high = areas.intervals(level)
    return Area(float(areas.values[1, 0]), Interval(float(low[1, 0]), float(high[1, 0])), float(areas.p_values[1, 0]))


def areas_of(values: Float[np.ndarray, "picture channel"], labels: Int[np.ndarray, " picture"], classes: int) -> Areas:
    """The AUC of every channel for every class against all other classes; every picture has a label from 0.

    DeLong, DeLong & Clarke-Pearson 1988, in the form with mid-ranks of Sun & Xu 2014, generalised here to all classes
    from one sort: time and memory do not grow with the number of classes. Raises `SurveyError` for NaN.
    """
    if np.isnan(values).any():
        channel = int(np.isnan(values).any(0).argmax())
        raise SurveyError(f"channel {channel} of those given has values that are not numbers; they cannot be ranked.")
    own = np.bincount(labels, minlength=classes)
    # Few bits are sorted by counting, many by comparing, which is several times slower.
    numbers = labels.astype(np.uint16 if classes <= 2**16 else np.int64)
    columns = [_column(np.ascontiguousarray(values[:, channel]), numbers, own) for channel in range(values.shape[1])]
    table = np.stack(columns, 2) if columns else np.empty((3, classes, 0))
    return Areas(table[0], table[1], table[2], own, len(labels) - own)


def check_scores(scores: Float[np.ndarray, " picture"], positives: Bool[np.ndarray, " picture"]) -> None:
    """Raises `SurveyError` unless there are positives and negatives and every score is a finite number."""
    count = int(positives.sum())
    if count == 0 or count == len(positives):
        side = "positive" if count == 0 else "negative"
        raise SurveyError(
            f"none of the {len(positives)} pictures is {side}, so nothing can be told apart. Both kinds are needed."
        )
    missing = int((~np.isfinite(scores)).sum())
    if missing:
        raise SurveyError(
            f"{missing} of {len(scores)} scores are not numbers (NaN) or infinite; they cannot be ranked."
        )


def _column(values: np.ndarray, labels: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Area, variance and p-value of one channel, (3, class).

    A run is all pictures of one class with one value. Each picture of the class beats `wins` others; each other loses
    to all of the class but those below it, and between two runs of the class all others have the same number below.
    """
    count, rest = len(values), len(values) - own
    order = _ordered(values)
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))  # where a new value begins
    ties = np.diff(starts, append=count)
    by_class = np.argsort(labels[order], kind="stable")
    group = np.repeat(np.arange(len(starts)), ties)[by_class]
    label = np.repeat(np.arange(len(own)), own)
    first = np.flatnonzero(np.append(True, (group[1:] != group[:-1]) | (label[1:] != label[:-1])))
    size = np.diff(first, append=count)
    label, group = label[first], group[first]
    own_below = first - (np.cumsum(own) - own)[label]
    others_below = starts[group] - own_below
    others_tied = ties[group] - size
    next_below = np.append(others_below[1:], 0)
    last = np.append(label[1:] != label[:-1], True)
    next_below[last] = rest[label[last]]
    between = next_below - others_below - others_tied
    wins = others_below + others_tied / 2

    def total(of_runs: np.ndarray) -> np.ndarray:
        return np.bincount(label, of_runs, minlength=len(own))

    squares = others_tied * (own_below + size / 2) ** 2 + between * (own_below + size).astype(float) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        area = total(size * wins) / (own * rest)
        of_own = (total(size * wins**2) / rest**2.0 - own * area**2) / (own - 1)
        of_rest = (total(squares) / own**2.0 - rest * (1 - area) ** 2) / (rest - 1)
        variance = np.maximum(of_own, 0) / own + np.maximum(of_rest, 0) / rest
    flat = (area == 0) | (area == 1) | (len(ties) == 1)
    variance[flat] = 0.0
    variance[(own < 2) | (rest < 2)] = math.nan
    return np.stack([area, variance, _p_values(area, own, rest, ties)])


def _exponential_variance(area: np.ndarray, own: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """The variance of areas (class, channel) if scores were exponential: Hanley & McNeil 1982, eq. 1 and 2.

    Of the two ways round, the one that varies more: which side's scores are the exponential ones is not known.
    """
    m, n = own[:, None].astype(float), rest[:, None].astype(float)
    shared = np.maximum(area / (2 - area), 2 * area**2 / (1 + area)) - area**2
    return (area * (1 - area) + (m + n - 2) * shared) / (m * n)


def _ordered(values: np.ndarray) -> np.ndarray:
    """The order of rising values; those that float16 holds exactly, as surveys store them, by their 16 bits."""
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not bool((half == values).all()):
        return np.argsort(values, kind="stable")
    bits = half.view(np.uint16)
    return np.argsort(np.where(bits >> 15, ~bits, bits | 0x8000), kind="stable")


def _p_values(area: np.ndarray, own: np.ndarray, rest: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """The two-sided Mann-Whitney test by its normal approximation, corrected for ties; 1 where all are tied."""
    from scipy.special import ndtr

    count = float(ties.sum())
    tied = float((ties.astype(float) ** 3 - ties).sum())
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt((count + 1 - tied / (count * (count - 1))) / (12.0 * own * rest))
        z = np.where(spread > 0, np.abs(area - 0.5) / spread, 0.0)
    z[np.isnan(area)] = math.nan
    return 2 * ndtr(-z)
