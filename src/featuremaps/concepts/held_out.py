"""How well a direction tells pictures with a concept from pictures without it, in pictures it was not made of."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Bool, Float

from featuremaps.concepts.directions import Fit, How
from featuremaps.survey.measures.folds import dealt
from featuremaps.survey.measures.proportions import Interval, Rate

FOLDS = 5


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Of the pictures with a concept, and of those without, how many lie on their own side of the direction.

    `scores` (picture,) say where each picture lies along a direction that was made without it: −1 where the others
    without the concept lie on average, 1 where those with it lie, 0 half-way.
    """

    positive: Rate
    negative: Rate
    scores: Float[np.ndarray, " picture"]

    @property
    def accuracy(self) -> float:
        """The share that is told right, both kinds counting alike: by chance ½."""
        return (self.positive.value + self.negative.value) / 2

    @property
    def interval(self) -> Interval:
        """The accuracy's 95% interval, from those of both shares (Zou & Donner 2008, eq. 3)."""
        ends = [(each.value, *each.interval()) for each in (self.positive, self.negative)]
        below = math.sqrt(sum((value - low) ** 2 for value, low, _ in ends)) / 2
        above = math.sqrt(sum((high - value) ** 2 for value, _, high in ends)) / 2
        return Interval(max(0.0, self.accuracy - below), min(1.0, self.accuracy + above))

    @property
    def beyond_chance(self) -> bool:
        """Whether the whole interval lies above ½."""
        return self.interval.low > 0.5

    def words(self) -> str:
        """`"97% (89 to 99%)"`."""
        return f"{self.accuracy:.0%} ({100 * self.interval.low:.0f} to {self.interval.high:.0%})"


def held_out(
    features: Float[np.ndarray, "picture channel"], has: Bool[np.ndarray, " picture"], seed: int
) -> Mapping[How, HeldOut]:
    """Each way's accuracy in five folds: directions and the threshold half-way are made of the other four."""
    folds = dealt(has.astype(int), FOLDS, np.random.default_rng(seed))
    scores = {how: np.zeros(len(has)) for how in get_args(How)}
    for fold in range(FOLDS):
        rest, here = folds != fold, folds == fold
        fit, known = Fit(features[rest]), has[rest]
        middle = (features[rest][known].mean(0) + features[rest][~known].mean(0)) / 2
        (apart,) = fit.differences(known[:, None])
        for how, of_way in scores.items():
            (vector,) = fit.vectors(known[:, None], how)
            distance = float(vector @ apart) / 2
            of_way[here] = (features[here] - middle) @ vector / (distance if distance > 0 else 1.0)
    return {how: _held_out(of_way, has) for how, of_way in scores.items()}


def _held_out(scores: Float[np.ndarray, " picture"], has: Bool[np.ndarray, " picture"]) -> HeldOut:
    right = np.where(has, scores > 0, scores < 0)
    positive, negative = (Rate(int(right[side].sum()), int(side.sum())) for side in (has, ~has))
    return HeldOut(positive, negative, scores)
