"""How every explanation did by every measure, how sure that is, and which of them deserves belief here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float

from featuremaps.errors import OptionError, did_you_mean
from featuremaps.evidence.agreement import Values, interval, kendall, ranked, resampled, widened
from featuremaps.evidence.curves import Order
from featuremaps.evidence.estimate import Estimate
from featuremaps.evidence.explainer import Key
from featuremaps.evidence.fills import Fill
from featuremaps.evidence.references import REFERENCE
from featuremaps.evidence.registry import MEASURES

SURE = 0.975
"""In so many of the resampled sets of pictures one must be ahead to be better beyond chance."""
FEWEST = 3
"""With fewer pictures nothing is better beyond chance: two agree by chance too often."""
ENDS = {
    "mean probability": (0.0, 1.0),
    "probability": (-1.0, 1.0),
    "rank correlation": (-1.0, 1.0),
    "SSIM": (-1.0, 1.0),
    "share": (0.0, 1.0),
    "share of peaks": (0.0, 1.0),
    "share of pictures": (0.0, 1.0),
    "score²": (0.0, np.inf),
    "ratio": (0.0, np.inf),
}
"""Between which numbers a measure's values lie, by its unit: no interval reaches beyond."""


@dataclass(frozen=True, eq=False, repr=False)
class Standings:
    """Explanations, keyed (method, layer), and references, keyed (name, "reference"), by measures over pictures.

    `values` is (row, measure, picture), NaN where undefined, and `undefined` has the reasons. `weights` says how much
    each measure counts in the consensus. `curves` are mean probabilities while places are taken out, by row, order and
    fill, NaN where no measure asked. `passes` pictures went through the model, all told, where a `budget` was given for
    that; `left_out` ones were not tried. `doubts` are the warnings that all maps carry.
    """

    rows: tuple[Key, ...]
    measures: tuple[str, ...]
    values: Values
    undefined: Mapping[tuple[Key, str], str]
    pictures: tuple[str, ...]
    weights: Mapping[str, float]
    curves: Mapping[tuple[Key, Order, Fill], Float[np.ndarray, " point"]] = field(default_factory=dict)
    passes: int = 0
    left_out: int = 0
    budget: int | None = None
    seed: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def explanations(self) -> tuple[Key, ...]:
        """The rows that methods made."""
        return tuple(row for row in self.rows if row[1] != REFERENCE)

    @property
    def references(self) -> tuple[Key, ...]:
        """The rows that stand for chance, for the picture alone, and for the best that can be had."""
        return tuple(row for row in self.rows if row[1] == REFERENCE)

    @property
    def counted(self) -> tuple[str, ...]:
        """The measures that count in the consensus."""
        return tuple(name for name in self.measures if self.weights.get(name))

    def estimate(self, row: Key, measure: str) -> Estimate:
        """What a measure says of a row: the mean over the pictures, and the interval it lies in."""
        at = self._row(row), self._column(measure)
        known = np.isfinite(self.values[at])
        if not known.any():
            return Estimate(np.nan, np.nan, np.nan, 0, self.undefined.get((row, measure), "no picture has a number"))
        least, most = _ends(self.values[at][known], MEASURES[measure].unit)
        low, high = np.clip(interval(self._sampled[(slice(None), *at)]), least, most)
        return Estimate(float(self.means[at]), float(low), float(high), int(known.sum()))

    def beats(self, row: Key, other: Key, measure: str) -> bool:
        """Whether a row is better than another beyond chance, by the same pictures of both."""
        column = self._column(measure)
        first, second = (self._sampled[:, self._row(each), column] for each in (row, other))
        ahead = first > second if MEASURES[measure].better == "higher" else first < second
        return bool(ahead.mean() >= SURE) and len(self.pictures) >= FEWEST

    def better_than(self, row: Key, reference: str) -> bool:
        """Whether a row beats a reference, beyond chance, by one of the counted measures or more.

        True too where no counted measure has numbers for both, so that nothing says otherwise.
        """
        other = (reference, REFERENCE)
        known = [name for name in self.counted if self.estimate(other, name).of and self.estimate(row, name).of]
        return not known or any(self.beats(row, other, name) for name in known)

    def failed(self, row: Key) -> tuple[str, ...]:
        """The sanity checks that a row does not pass."""
        passed = {name: MEASURES[name].passed(self.estimate(row, name).mean) for name in self.measures}
        return tuple(name for name, holds in passed.items() if holds is False and self.estimate(row, name).of)

    @cached_property
    def order(self) -> tuple[Key, ...]:
        """The explanations, best first by their mean rank over the pictures and the counted measures.

        What fails a sanity check comes last, and after it what no counted measure has a number for.
        """
        ranks = dict(zip(self.explanations, self._consensus(self.mean_ranks), strict=True))
        return tuple(sorted(ranks, key=lambda row: (not self.measured(row), bool(self.failed(row)), ranks[row])))

    @property
    def eligible(self) -> tuple[Key, ...]:
        """The explanations that may be believed, best first: measured, and no sanity check failed."""
        return tuple(row for row in self.order if self.measured(row) and not self.failed(row))

    def measured(self, row: Key) -> bool:
        """Whether one of the counted measures has a number for this row."""
        return any(self.estimate(row, name).of for name in self.counted)

    def rank(self, row: Key) -> Estimate:
        """An explanation's mean rank over the pictures and the counted measures, with its interval; 1 is the best."""
        self._row(row)
        if row not in self.explanations:
            raise OptionError(f"{row[0]!r} is a reference, and explanations alone have a rank.")
        place = self.explanations.index(row)
        low, high = np.clip(interval(self._consensus(self._sampled_ranks)), 1, len(self.explanations))
        mean = float(self._consensus(self.mean_ranks)[place])
        return Estimate(mean, float(low[place]), float(high[place]), len(self.pictures))

    @property
    def best(self) -> Key:
        """The method and layer that deserve most belief here: first by rank of those that pass the sanity checks.

        Raises `OptionError` where no explanation was measured.
        """
        if not self.explanations or not self.measured(self.order[0]):
            reason = next(iter(self.undefined.values()), "no measure counts")
            raise OptionError(f"no explanation of this trial was measured, so that none is best: {reason}")
        return self.order[0]

    def choose(self, method: object = "best", layer: object = "best") -> tuple[str, str]:
        """The best explanation by this method, or of this layer, where they are not "best" as well.

        Raises `OptionError` where the trial has no such explanation.
        """
        if method == "best" and layer in ("best", "last"):
            return self.best
        ranked = [self.best, *self.order]
        suitable = [row for row in ranked if method in ("best", row[0]) and layer in ("best", row[1])]
        if not suitable:
            asked = " of ".join(str(each) for each in (method, layer) if each != "best")
            raise OptionError(f"this trial has no {asked}; it tried {', '.join(map(' of '.join, self.order))}.")
        return suitable[0]

    @property
    def as_good(self) -> tuple[Key, ...]:
        """The eligible explanations that the best one is not better than beyond chance, by their mean ranks."""
        ranks = self._consensus(self._sampled_ranks)
        first = ranks[:, self.explanations.index(self.best)]
        ahead = {row: (first < ranks[:, place]).mean() for place, row in enumerate(self.explanations)}
        told = len(self.pictures) >= FEWEST
        others = [row for row in self.eligible if row != self.best]
        return tuple(row for row in others if not (ahead[row] >= SURE and told))

    def agreement(self, first: str, second: str) -> Estimate:
        """Kendall's τ between the orders in which two measures put the explanations, with its interval."""
        columns = [self._column(name) for name in (first, second)]
        tau = kendall(*(self.mean_ranks[None, :, column] for column in columns))[0]
        sampled = kendall(*(self._sampled_ranks[..., column] for column in columns))
        if not np.isfinite(tau):
            return Estimate(np.nan, np.nan, np.nan, 0, "one of them puts all explanations level")
        low, high = interval(sampled)
        return Estimate(float(tau), float(low), float(high), len(self.pictures))

    def _row(self, row: Key) -> int:
        """Where a row stands; `OptionError` for one that there is not."""
        if row not in self.rows:
            known = [" of ".join(each) for each in self.rows]
            raise OptionError(
                f"this trial has no row {row!r}; rows are (method, layer), of {', '.join(known)}."
                f"{did_you_mean(' of '.join(map(str, row)), known)}"
            )
        return self.rows.index(row)

    def _column(self, measure: str) -> int:
        """Where a measure stands; `OptionError` for one that was not made."""
        if measure not in self.measures:
            near = did_you_mean(str(measure), self.measures)
            raise OptionError(f"this trial has no measure {measure!r}; it has {', '.join(self.measures)}.{near}")
        return self.measures.index(measure)

    @cached_property
    def means(self) -> Float[np.ndarray, "row measure"]:
        """The mean of every row and measure over the pictures that have a number; NaN where none has."""
        known = np.isfinite(self.values)
        with np.errstate(invalid="ignore"):
            return np.where(known, self.values, 0.0).sum(2) / known.sum(2)

    @cached_property
    def _sampled(self) -> Float[np.ndarray, "round row measure"]:
        return widened(resampled(self.values, self.seed), self.values)

    @cached_property
    def mean_ranks(self) -> Float[np.ndarray, "explanation measure"]:
        """The mean rank over the pictures of every explanation by every measure; 1 is the best.

        Explanations are ranked picture by picture: in a mean of numbers the few pictures where they are large decide.
        """
        return self._ranks.mean(2)

    @cached_property
    def _ranks(self) -> Float[np.ndarray, "explanation measure picture"]:
        values = self.values[[self.rows.index(row) for row in self.explanations]]
        higher = [MEASURES[name].better == "higher" for name in self.measures]
        return np.stack([ranked(values[:, column].T, better).T for column, better in enumerate(higher)], 1)

    @cached_property
    def _sampled_ranks(self) -> Float[np.ndarray, "round explanation measure"]:
        return widened(resampled(self._ranks, self.seed), self._ranks)

    def _consensus(
        self, ranks: Float[np.ndarray, "*rest explanation measure"]
    ) -> Float[np.ndarray, "*rest explanation"]:
        """The mean over the counted measures, by their weights."""
        weights = np.array([self.weights.get(name, 0) for name in self.measures], float)
        return ranks @ weights / weights.sum()


def _ends(values: Float[np.ndarray, " picture"], unit: str) -> tuple[float, float]:
    """Between which numbers values of this unit lie, if these do."""
    least, most = ENDS.get(unit, (-np.inf, np.inf))
    return (least, most) if least <= values.min() and values.max() <= most else (-np.inf, np.inf)
