"""What would have been found: effects and shares, planted in the pictures' own numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from featuremaps.shortcuts.strata import above_chance

SHARES = (0.02, 0.05, 0.1, 0.25)
DROPS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.8)
ROUNDS, ENOUGH = 40, 0.8


@dataclass(frozen=True)
class Power:
    """The smallest drop of a class's probability that is found in 8 of 10 times where a `share` of it lacks something.

    So many of these pictures get the opposite answer. None where even the largest is not found. It holds for what the
    channels show: what no channel tells apart is not found.
    """

    name: str
    share: float
    drop: float | None


def power(
    log_odds: Float[np.ndarray, "picture class"],
    labels: Int[np.ndarray, " picture"],
    classes: Sequence[str],
    tests: int,
    level: float,
    least: int,
    generator: np.random.Generator,
) -> tuple[Power, ...]:
    """For each class and each share the smallest drop that would have been found, by the same test."""
    found = []
    for number, name in enumerate(classes):
        own = log_odds[labels == number, number].astype(np.float64)
        for share in SHARES:
            few = round(share * len(own))
            drop = None
            if few >= least:
                drop = next((each for each in DROPS if _found(own, few, each, tests, level, generator)), None)
            found.append(Power(name, share, drop))
    return tuple(found)


def _found(
    own: Float[np.ndarray, " picture"], few: int, drop: float, tests: int, level: float, generator: np.random.Generator
) -> bool:
    """Whether it is beyond chance in most rounds that so many of so few pictures get the opposite answer."""
    hits = 0
    for _ in range(ROUNDS):
        present = np.ones((len(own), 1), bool)
        lacking = generator.choice(len(own), few, replace=False)
        present[lacking] = False
        planted = own.copy()
        turned = lacking[generator.random(few) < drop]
        planted[turned] = -planted[turned]
        score, likely = above_chance(planted[:, None], present, np.zeros(len(own), int))
        hits += bool(likely[0, 0] * tests <= level and score[0, 0] > 0)
    return hits >= ENOUGH * ROUNDS
