"""Whether probabilities mean what they say: of the pictures called 80% certain, are 80% right?"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from featuremaps.errors import SurveyError, check_least
from featuremaps.survey.measures.proportions import Interval, wilson


@dataclass(frozen=True, eq=False)
class Reliability:
    """Probabilities in bins of equal width, beside what came true.

    Bin b reaches from `edges[b]` to `edges[b + 1]` (the lower end belongs to it, of the last bin the upper one too) and
    holds `counts[b]` pictures, `came_true[b]` of them positive, with `probabilities[b]` on average (NaN where empty).
    """

    edges: Float[np.ndarray, " edge"]
    counts: Int[np.ndarray, " bin"]
    came_true: Int[np.ndarray, " bin"]
    probabilities: Float[np.ndarray, " bin"]
    brier: float

    @property
    def shares(self) -> Float[np.ndarray, " bin"]:
        """Of each bin's pictures, the share that came true; NaN where it is empty."""
        with np.errstate(invalid="ignore"):
            return self.came_true / self.counts

    @property
    def expected_error(self) -> float:
        """ECE: |share that came true − mean probability|, averaged over the pictures (Naeini et al. 2015)."""
        filled = self.counts > 0
        gaps = np.abs(self.shares - self.probabilities)[filled]
        return float((gaps * self.counts[filled]).sum() / self.counts.sum())

    def intervals(self, level: float = 0.95) -> list[Interval]:
        """Wilson's interval of each bin's share."""
        return [wilson(int(k), int(n), level) for k, n in zip(self.came_true, self.counts, strict=True)]


def reliability(
    probabilities: Float[np.ndarray, " picture"], positives: Bool[np.ndarray, " picture"], bins: int = 10
) -> Reliability:
    """How probabilities compare with what came true, and their Brier score: the mean of (probability − truth)².

    Raises `SurveyError` where there are no pictures or a value is no probability.
    """
    check_least("bins", bins, "how many parts 0 to 1 is cut into")
    if not len(probabilities):
        raise SurveyError("there are no pictures, so whether the probabilities are right cannot be told.")
    if not bool(((probabilities >= 0) & (probabilities <= 1)).all()):
        raise SurveyError(
            f"probabilities go from 0 to 1, and these from {probabilities.min()} to {probabilities.max()}. Scores "
            "become probabilities by a softmax or a fitted logistic curve."
        )
    values = probabilities.astype(np.float64)
    counts, edges = np.histogram(values, bins, (0, 1))
    came_true, _ = np.histogram(values[positives], bins, (0, 1))
    sums, _ = np.histogram(values, bins, (0, 1), weights=values)
    with np.errstate(invalid="ignore"):
        means = sums / counts
    return Reliability(edges, counts, came_true, means, float(((values - positives) ** 2).mean()))
