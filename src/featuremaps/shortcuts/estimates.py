"""Differences of means with their intervals: by Welch, within labels, and by pairs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from featuremaps.survey.measures.proportions import Interval


@dataclass(frozen=True)
class Difference:
    """A difference of two means, and the interval it lies in at a level that is corrected for what else was tried."""

    value: float
    interval: Interval
    pictures: tuple[int, int]

    @property
    def sure(self) -> bool:
        """Whether its sign is beyond chance."""
        return self.interval.low > 0 or self.interval.high < 0

    def words(self) -> str:
        """In hundredths: `"+0.72 (0.61 to 0.83)"`."""
        return f"{self.value:+.2f} ({self.interval.words(2)})".replace("-", "−")


def welch(first: Float[np.ndarray, " a"], second: Float[np.ndarray, " b"], level: float = 0.95) -> Difference | None:
    """The mean of `first` less that of `second` (Welch 1947); None with fewer than two of either."""
    counts = len(first), len(second)
    if min(counts) < 2:
        return None
    parts = [_of_mean(each) for each in (first, second)]
    return _around(float(first.mean() - second.mean()), parts, [each - 1 for each in counts], level, counts)


def stratified(
    values: Float[np.ndarray, " picture"],
    present: Bool[np.ndarray, " picture"],
    labels: Int[np.ndarray, " picture"],
    level: float = 0.95,
) -> Difference | None:
    """The mean with an attribute less that without, label by label; None where no label has two with it and without.

    Labels are weighed as Mantel and Haenszel (1959) do, with · without / all, and their variances added as Welch's are.
    """
    value, total, parts, freedom = 0.0, 0.0, [], []
    for label in np.unique(labels):
        sides = [values[(labels == label) & side] for side in (present, ~present)]
        counts = [len(side) for side in sides]
        if min(counts) < 2:
            continue
        weight = counts[0] * counts[1] / sum(counts)
        value += weight * float(sides[0].mean() - sides[1].mean())
        total += weight
        parts += [weight**2 * _of_mean(side) for side in sides]
        freedom += [count - 1 for count in counts]
    if not parts:
        return None
    parts = [part / total**2 for part in parts]
    return _around(value / total, parts, freedom, level, (int(present.sum()), int((~present).sum())))


def _of_mean(values: Float[np.ndarray, " a"]) -> float:
    """The variance of their mean, 1/n³ at least: values that are all alike leave open what one more would have been."""
    return max(float(np.var(values, ddof=1)), (1 / len(values)) ** 2) / len(values)


def paired(after: Float[np.ndarray, " a"], before: Float[np.ndarray, " a"], level: float = 0.95) -> Difference | None:
    """The mean change of the same pictures; None with fewer than two."""
    changes = after.astype(np.float64) - before
    if len(changes) < 2:
        return None
    return _around(float(changes.mean()), [_of_mean(changes)], [len(changes) - 1], level, (len(changes), len(changes)))


def _around(
    value: float, parts: Sequence[float], freedom: Sequence[int], level: float, counts: tuple[int, int]
) -> Difference:
    """With the interval of Student's curve; degrees of freedom from the variances' parts (Satterthwaite 1946)."""
    from scipy.special import stdtrit

    variance = sum(parts)
    together = variance**2 / max(sum(part**2 / each for part, each in zip(parts, freedom, strict=True)), 1e-300)
    reach = float(stdtrit(max(together, 1), (1 + level) / 2)) * math.sqrt(variance)
    return Difference(value, Interval(max(value - reach, -1.0), min(value + reach, 1.0)), counts)
