"""Whether numbers fall into two groups: the best threshold of each column, and how far apart the groups are."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class TwoModes(NamedTuple):
    """Each column cut in two where the groups are tightest.

    `separation` is Ashman's D (Ashman, Bird & Zepf 1994, eq. 4): the distance of the groups' means in units of their
    spread; one bell curve cut in two gives about 2.65, a flat one 3.5. `threshold` lies between the groups.
    """

    separation: Float[np.ndarray, " column"]
    threshold: Float[np.ndarray, " column"]


def split(values: Float[np.ndarray, "picture column"], least: int) -> TwoModes:
    """The cut with the least variance within the groups (Otsu 1979), each of `least` pictures or more.

    Columns that do not vary, or are too few for two groups, have no separation.
    """
    count, columns = values.shape
    if count < 2 * least:
        return TwoModes(np.zeros(columns), np.full(columns, np.inf))
    ordered = np.sort(values.astype(np.float64), 0)
    ordered -= ordered.mean(0)
    below = np.arange(1, count)[:, None]
    sums, squares = ordered.cumsum(0), (ordered**2).cumsum(0)
    low, high = sums[:-1] / below, (sums[-1] - sums[:-1]) / (count - below)
    spread_low = np.maximum(squares[:-1] / below - low**2, 0)
    spread_high = np.maximum((squares[-1] - squares[:-1]) / (count - below) - high**2, 0)
    within = spread_low * below + spread_high * (count - below)
    within[: least - 1] = within[count - least :] = np.inf
    cut, each = within.argmin(0), np.arange(columns)
    spread = np.sqrt((spread_low + spread_high)[cut, each] / 2)
    apart = (high - low)[cut, each]
    scale = np.abs(values).max(0)
    varies = apart > 1e-6 * scale
    separation = np.where(varies, apart / np.maximum(spread, 1e-3 * apart + 1e-30), 0.0)
    between = (ordered[cut, each] + ordered[cut + 1, each]) / 2 + values.mean(0)
    return TwoModes(separation, np.where(varies, between, np.inf))
