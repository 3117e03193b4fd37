"""How near an order of explanations is to the true one: of each measure, and of the consensus of several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from featuremaps.evidence.agreement import kendall, ranked
from featuremaps.evidence.registry import MEASURES

FIRST = 3
ALIKE = 1e-3
"""Explanations whose truth differs by less are equally good."""
CHANCE = "random reference"


@dataclass(frozen=True)
class Tried:
    """What was tried of one world: the explanations, the means of every measure with that of a random map last, and the
    truth about the explanations."""

    rows: tuple[str, ...]
    means: Mapping[str, np.ndarray]
    truth: np.ndarray

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> "Tried":
        """From a result of `run.py`."""
        places = [result["rows"].index(row) for row in (*result["truth"], CHANCE)]
        means = {name: np.array(values, float)[places] for name, values in result["means"].items()}
        truth = np.array(list(result["truth"].values()))
        return cls(tuple(result["truth"]), means, np.round(truth / ALIKE) * ALIKE)

    def ranks(self, measures: Sequence[str]) -> np.ndarray:
        """The mean rank by these measures of every explanation, and of the random map, 1 for the best."""
        each = [ranked(self._level(name), MEASURES[name].better == "higher") for name in measures]
        mean: np.ndarray = np.mean(each, 0)
        return mean

    def _level(self, name: str) -> np.ndarray:
        """The means of a measure to a millionth of their range: maps that differ by rounding are level."""
        means = self.means[name]
        unit = 1e-6 * (np.nanmax(means) - np.nanmin(means)) if np.isfinite(means).any() else 0.0
        return np.round(means / unit) * unit if unit else means

    def defined(self, name: str) -> bool:
        """Whether the measure says something of explanations here."""
        return name in self.means and bool(np.isfinite(self.means[name][:-1]).any())

    def tau(self, measures: Sequence[str]) -> float:
        """Kendall's τ between the order by these measures and the true one; 0 where it puts all level."""
        tau = float(kendall(-self.ranks(measures)[:-1], self.truth))
        return tau if np.isfinite(tau) else 0.0

    def best_among_first(self, measures: Sequence[str]) -> bool:
        """Whether a truly best explanation is among the first three (in the order of the trial, which is stable)."""
        first = np.argsort(self.ranks(measures)[:-1], kind="stable")[:FIRST]
        return bool(self.truth[first].max() == self.truth.max())

    def random_wins(self, measures: Sequence[str]) -> bool:
        """Whether the random map would come first, or share the first place."""
        ranks = self.ranks(measures)
        return bool(ranks[-1] <= ranks[:-1].min())


def mean_and_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float, float]:
    """The mean over worlds, and between which limits 95 % of the means of resampled worlds lie."""
    numbers, random = np.array(values, float), np.random.default_rng(seed)
    means = numbers[random.integers(len(numbers), size=(2000, len(numbers)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(numbers.mean()), float(low), float(high)
