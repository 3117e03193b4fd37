"""Whether weights of the measures bring the order nearer to the true one: chosen on some worlds, held to others.

A weighting knows the trial alone: the mean ranks by each measure, and how far its pictures agree on them.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np

from benchmarks.evidence_truth.orders import Tried

MEASURES = (
    "deletion", "insertion", "ab_pc", "comprehensiveness", "sufficiency", "single_deletion", "infidelity",
)  # fmt: skip
"""Those of faithfulness, but for average drop and increase, which are no better than chance, and the costly ones."""
Weights = Mapping[str, float]
Weighting = Callable[[Tried], Weights]
SIMPLE = (*MEASURES, "effective_places", "gini", "entropy", "complexity")
"""With those of complexity, which know nothing of the model: a bet that what decides is small."""
CHANCE_LAST = 0.95
"""A measure tells explanations from chance where so many of them are ahead of a random map."""
MOST, FEW = 4, 3
"""Sets of up to so many measures are tried; of those with complexity, of which there are more, up to the second."""


def reliability(world: Tried, measure: str) -> float:
    """How far the pictures agree on the order, 0 to 1: 1 − 1 / F of Friedman's test (Kendall's W)."""
    ranks = world.ranks[measure]
    count, places = world.pictures, len(ranks)
    agreement = min(0.999, 12 * np.square(ranks - ranks.mean()).sum() / (places**3 - places))
    return float(max(0, 1 - (1 - agreement) / ((count - 1) * agreement)))


def measured(world: Tried, measures: Sequence[str] = MEASURES) -> list[str]:
    """Those of the measures that a world was tried by."""
    return [name for name in measures if name in world.ranks]


def _alike(measures: Sequence[str]) -> Weighting:
    return lambda world: dict.fromkeys(measured(world, measures), 1.0)


def _by_reliability(measures: Sequence[str], power: int = 1) -> Weighting:
    return lambda world: {name: reliability(world, name) ** power for name in measured(world, measures)}


def _most_reliable(count: int) -> Weighting:
    def weights(world: Tried) -> Weights:
        return dict.fromkeys(sorted(measured(world), key=lambda name: -reliability(world, name))[:count], 1.0)

    return weights


def _above_chance(world: Tried) -> Weights:
    kept = [name for name in measured(world) if np.mean(world.ranks[name] < world.chance[name]) >= CHANCE_LAST]
    return dict.fromkeys(kept or measured(world), 1.0)


def _margins(world: Tried) -> Weights:
    """How far a random map is behind the middle one of the explanations."""
    return {name: max(0.01, world.chance[name] - float(np.median(world.ranks[name]))) for name in measured(world)}


def weightings(usual: Sequence[str]) -> Mapping[str, Weighting]:
    """The weightings tried, by what they are called."""
    return {
        "**the usual measures alike**": _alike(usual),
        "the usual, by reliability": _by_reliability(usual),
        "all alike": _alike(MEASURES),
        "all, by reliability": _by_reliability(MEASURES),
        "all, by the fourth power of it": _by_reliability(MEASURES, 4),
        "the most reliable one": _most_reliable(1),
        "the three most reliable ones": _most_reliable(3),
        "those by which 95 % are ahead of a random map": _above_chance,
        "all, by how far a random map is behind": _margins,
    }


def best_set(kinds: Sequence[Sequence[Tried]], measures: Sequence[str] = MEASURES, most: int = MOST) -> tuple[str, ...]:
    """Of all sets of up to so many of the measures the one nearest to the truth of these kinds of worlds."""
    sets = [names for count in range(1, most + 1) for names in combinations(measures, count)]
    near = {names: float(np.mean([np.mean([world.tau(names) for world in kind]) for kind in kinds])) for names in sets}
    return max(near, key=lambda names: near[names])


def lines(
    worlds: Sequence[Tried], fresh: Sequence[Tried], others: Sequence[Sequence[Tried]], usual: Sequence[str]
) -> list[str]:
    """The section of the page: every second world is chosen on, the others and the fresh ones report.

    `others` are kinds of worlds that are chosen on as well by the last row.
    """
    chosen, held_out = worlds[::2], worlds[1::2]
    best, simple = best_set([chosen]), best_set([chosen, *others], SIMPLE, FEW)
    tried = {
        **weightings(usual),
        f"the best of all sets of up to four: {', '.join(best)}": _alike(best),
        f"the best of up to three with complexity, chosen on other kinds too: {', '.join(simple)}": _alike(simple),
    }
    text = [
        "## Could weights do better?",
        "",
        "Mean Kendall τ of the order with the true one in photographs, and in how many worlds a truly best explanation "
        "is among the first 3: on every second world, by which one would choose, and on the others, which were kept "
        "out of the choice; only the usual measures were chosen on both. The fresh worlds, of 20 pictures, were tried "
        "by five of the measures. All weights come from the trial alone. Reliability is how far the pictures agree on "
        "the order, from Friedman's test.",
        "",
        f"| | chosen on, {len(chosen)} | kept out, {len(held_out)} | fresh, {len(fresh)} |",
        "|---|---|---|---|",
    ]
    for name, weighting in tried.items():
        cells = []
        for group in (chosen, held_out, fresh):
            if "complexity" in name and group is fresh:
                cells.append("–")
                continue
            weighted = [weighting(world) for world in group]
            tau = np.mean([world.tau(weights) for world, weights in zip(group, weighted, strict=True)])
            first = sum(world.best_among_first(weights) for world, weights in zip(group, weighted, strict=True))
            cells.append(f"{tau:.2f}; {first}".replace("-", "−"))
        text.append(f"| {name} | {' | '.join(cells)} |")
    means = {name: np.mean([reliability(world, name) for world in worlds]) for name in MEASURES}
    ordered = sorted(means, key=lambda name: -means[name])
    return [
        *text,
        "",
        f"Reliability with 8 pictures, mean over the ten worlds: {', '.join(f'{n} {means[n]:.2f}' for n in ordered)}.",
        "",
    ]
