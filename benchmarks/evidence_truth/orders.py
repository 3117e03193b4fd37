"""How near an order of explanations is to the true one: of each measure, and of the consensus of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FIRST = 3
Measures = Sequence[str] | Mapping[str, float]
"""Measures that count alike, or by weights."""


@dataclass(frozen=True)
class Tried:
    """One world: the mean ranks of the explanations by every measure, those of a random map, and the truth.

    `as_good` are the explanations that the pictures do not show, beyond chance, to be worse than the best.
    """

    rows: tuple[str, ...]
    ranks: Mapping[str, np.ndarray]
    chance: Mapping[str, float]
    truth: np.ndarray
    as_good: tuple[str, ...]
    pictures: int = 1

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Tried":
        """From a result of `run.py`."""
        rows, chance = tuple(result["truth"]), result["rows"].index("random chance")
        places = [result["rows"].index(row) for row in rows]
        ranks = {name: np.array(values)[places] for name, values in result["ranks"].items()}
        by_chance = {name: values[chance] for name, values in result["ranks"].items()}
        truth = np.array(list(result["truth"].values())).round(3)  # equal maps are equal but for rounding
        return cls(rows, ranks, by_chance, truth, tuple(result["as good"]), result["pictures"])

    @classmethod
    def together(cls, worlds: Sequence["Tried"]) -> "Tried":
        """Several worlds of as many pictures each as one."""
        ranks, chance = (
            {name: np.mean([getattr(world, field)[name] for world in worlds], 0) for name in worlds[0].ranks}
            for field in ("ranks", "chance")
        )
        truth = np.mean([world.truth for world in worlds], 0).round(3)
        best = tuple(np.array(worlds[0].rows)[truth == truth.max()])
        return cls(worlds[0].rows, ranks, chance, truth, best, sum(world.pictures for world in worlds))

    def consensus(self, measures: Measures) -> np.ndarray:
        """The mean rank of every explanation by these measures."""
        weights = [measures[name] for name in measures] if isinstance(measures, Mapping) else None
        mean: np.ndarray = np.average([self.ranks[name] for name in measures], 0, weights)
        return mean.round(4)

    def tau(self, measures: Measures) -> float:
        """Kendall's τ of the order by these measures and the true one, over the pairs that the truth tells apart."""
        apart, order = (np.sign(values[:, None] - values) for values in (self.truth, -self.consensus(measures)))
        return float((apart * order).sum() / np.abs(apart).sum())

    def first(self, measures: Measures) -> tuple[str, ...]:
        """The first three by these measures."""
        return tuple(self.rows[place] for place in np.argsort(self.consensus(measures), kind="stable")[:FIRST])

    def best_among_first(self, measures: Measures) -> bool:
        """Whether a truly best explanation is among the first three."""
        return any(self.truth[self.rows.index(row)] == self.truth.max() for row in self.first(measures))

    def first_as_good(self, measures: Measures) -> bool:
        """Whether the first is truly best, or cannot be told from the best."""
        return self.first(measures)[0] in self.as_good

    def random_wins(self, measures: Sequence[str]) -> bool:
        """Whether the random map would come first, or share the first place."""
        return bool(np.mean([self.chance[name] for name in measures]) <= self.consensus(measures).min())


def mean_and_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """The mean over worlds, and between which limits 95 % of the means of resampled worlds lie."""
    numbers, random = np.array(values, float), np.random.default_rng(seed)
    means = numbers[random.integers(len(numbers), size=(2000, len(numbers)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(numbers.mean()), float(low), float(high)
