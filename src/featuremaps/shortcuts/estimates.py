"""Differences of means with their intervals, by Welch and by pairs."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

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
    # Numbers that are all alike leave open what one more would have been: a variance is 1/n² at least
    parts = [max(float(np.var(each, ddof=1)), (1 / len(each)) ** 2) / len(each) for each in (first, second)]
    error = math.sqrt(sum(parts))
    freedom = sum(parts) ** 2 / sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    return _around(float(first.mean() - second.mean()), error, freedom, level, counts)


def paired(after: Float[np.ndarray, " a"], before: Float[np.ndarray, " a"], level: float = 0.95) -> Difference | None:
    """The mean change of the same pictures; None with fewer than two."""
    changes = after.astype(np.float64) - before
    if len(changes) < 2:
        return None
    error = float(changes.std(ddof=1)) / math.sqrt(len(changes))
    return _around(float(changes.mean()), error, len(changes) - 1, level, (len(changes), len(changes)))


def _around(value: float, error: float, freedom: int | float, level: float, counts: tuple[int, int]) -> Difference:
    from scipy.special import stdtrit

    reach = float(stdtrit(max(freedom, 1), (1 + level) / 2)) * error
    return Difference(value, Interval(max(value - reach, -1.0), min(value + reach, 1.0)), counts)
