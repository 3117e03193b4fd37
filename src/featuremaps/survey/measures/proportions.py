"""Shares of pictures with their uncertainty, and what a threshold or a classifier got right and wrong."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from featuremaps.errors import SurveyError


class Interval(NamedTuple):
    """A confidence interval; both ends are NaN where none can be given."""

    low: float
    high: float

    def words(self, digits: int = 3) -> str:
        """`"0.512 to 0.700"`, or that there is none."""
        return "no interval" if math.isnan(self.low) else f"{self.low:.{digits}f} to {self.high:.{digits}f}"


def normal_quantile(level: float) -> float:
    """How many standard deviations a two-sided interval of this confidence reaches; 1.96 for 0.95."""
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise SurveyError(f"level is the confidence of an interval, between 0 and 1 (0.95, say); got {level}.")
    return float(ndtri((1 + level) / 2))


def wilson(successes: int | float, trials: int, level: float = 0.95) -> Interval:
    """The score interval of a share (Wilson 1927, eq. for p₀ ± z): sensible for few trials and for shares of 0 and 1.

    Without any trial nothing is known: (0, 1). `successes` need not be whole.
    """
    if trials < 0 or not 0 <= successes <= trials:
        raise SurveyError(
            f"{successes} successes out of {trials} trials is no share: it must be from 0 to all of them."
        )
    z = normal_quantile(level)
    if trials == 0:
        return Interval(0.0, 1.0)
    share, extra = successes / trials, z * z / trials
    middle = (share + extra / 2) / (1 + extra)
    reach = z * math.sqrt(share * (1 - share) / trials + extra / trials / 4) / (1 + extra)
    low = 0.0 if successes == 0 else max(0.0, middle - reach)
    high = 1.0 if successes == trials else min(1.0, middle + reach)
    return Interval(low, high)


@dataclass(frozen=True)
class Rate:
    """A share of pictures: `count` out of `of`."""

    count: int
    of: int

    @property
    def value(self) -> float:
        """The share; NaN where there were no pictures."""
        return self.count / self.of if self.of else math.nan

    def interval(self, level: float = 0.95) -> Interval:
        """Its Wilson interval."""
        return wilson(self.count, self.of, level)

    def brief(self) -> str:
        """The share with its 95% interval: `"100.0% (67.6 to 100.0%)"`."""
        low, high = self.interval()
        return f"{self.value:.1%} ({100 * low:.1f} to {high:.1%})" if self.of else "no pictures"

    def row(self, name: str) -> dict[str, float]:
        """Cells of a table: the share as `name`, the ends of its interval as `name_low` and `name_high`."""
        low, high = self.interval()
        return {name: self.value, f"{name}_low": low, f"{name}_high": high}

    def __str__(self) -> str:
        if not self.of:
            return "no pictures"
        low, high = self.interval()
        return f"{self.value:.1%} ({self.count} of {self.of}; 95% interval {low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Counts:
    """What calling pictures positive got right and wrong."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @property
    def recall(self) -> Rate:
        """Of the positives, those called positive: the true-positive rate, sensitivity."""
        return Rate(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def false_alarm_rate(self) -> Rate:
        """Of the negatives, those called positive: the false-positive rate, 1 − specificity."""
        return Rate(self.false_positives, self.false_positives + self.true_negatives)

    @property
    def precision(self) -> Rate:
        """Of those called positive, the true ones."""
        return Rate(self.true_positives, self.true_positives + self.false_positives)

    @property
    def accuracy(self) -> Rate:
        """Of all, those called right."""
        right = self.true_positives + self.true_negatives
        return Rate(right, right + self.false_positives + self.false_negatives)

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the shares of positives and of negatives that are called right."""
        return (self.recall.value + 1 - self.false_alarm_rate.value) / 2


def counts_at(
    scores: Float[np.ndarray, " picture"], positives: Bool[np.ndarray, " picture"], threshold: float
) -> Counts:
    """What a threshold gets right and wrong; positive is a score >= threshold, compared in the scores' own type."""
    return counts_of(scores >= scores.dtype.type(threshold), positives)


def counts_of(called: Bool[np.ndarray, " picture"], positives: Bool[np.ndarray, " picture"]) -> Counts:
    """What calling these pictures positive gets right and wrong."""
    return Counts(
        true_positives=int((called & positives).sum()),
        false_positives=int((called & ~positives).sum()),
        false_negatives=int((~called & positives).sum()),
        true_negatives=int((~called & ~positives).sum()),
    )


def confusion_matrix(
    truth: Int[np.ndarray, " picture"], predicted: Int[np.ndarray, " picture"], classes: int
) -> Int[np.ndarray, "true predicted"]:
    """How many pictures of each class (row) were called which (column); both are numbers from 0 to `classes` − 1."""
    for name, values in (("truth", truth), ("predicted", predicted)):
        if len(values) and not 0 <= int(values.min()) <= int(values.max()) < classes:
            raise SurveyError(
                f"{name} has the classes {values.min()} to {values.max()}, and there are {classes}: 0 to {classes - 1}."
                " Leave out pictures without a label (−1) first."
            )
    cells = truth.astype(np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)
