"""Two groups are cut apart where every cut that could be made was tried."""

import numpy as np
from jaxtyping import Float

from featuremaps.shortcuts.two_modes import split


def slow(values: Float[np.ndarray, " picture"], least: int) -> tuple[float, float]:
    """Ashman's D of the cut with the least variance inside, and the threshold, by trying them all."""
    ordered, best = np.sort(values), (np.inf, 0.0, 0.0)
    for cut in range(least, len(values) - least + 1):
        low, high = ordered[:cut], ordered[cut:]
        within = low.var() * len(low) + high.var() * len(high)
        if within < best[0]:
            apart = (high.mean() - low.mean()) / np.sqrt((low.var() + high.var()) / 2)
            best = (within, apart, (low[-1] + high[0]) / 2)
    return best[1:]


def test_every_column_is_cut_where_trying_all_cuts_cuts_it() -> None:
    random = np.random.default_rng(0)
    values = np.stack(
        [random.normal(size=50), np.r_[random.normal(size=43), random.normal(9, 1, 7)], random.random(50)], 1
    )
    for least in (2, 8):
        found = split(values, least)
        for column in range(3):
            apart, threshold = slow(values[:, column], least)
            np.testing.assert_allclose(found.separation[column], apart)
            np.testing.assert_allclose(found.threshold[column], threshold)


def test_one_bell_is_2_65_and_two_are_as_far_apart_as_they_lie() -> None:
    random = np.random.default_rng(1)
    bell, two = random.normal(size=100_000), np.r_[random.normal(size=50_000), random.normal(10, 1, 50_000)]
    separation = split(np.stack([bell, two], 1), 4).separation
    np.testing.assert_allclose(separation, [2 * 0.798 / np.sqrt(1 - 2 / np.pi), 10], rtol=0.02)


def test_what_does_not_vary_or_is_too_few_has_no_groups() -> None:
    constant = split(np.full((20, 1), 3.0), 4)
    few = split(np.arange(7.0)[:, None], 4)
    assert constant.separation[0] == few.separation[0] == 0
    assert np.isinf(constant.threshold[0])
    assert np.isinf(few.threshold[0])


def test_a_large_mean_costs_no_digits() -> None:
    values = np.r_[np.zeros(20), np.ones(20)] + np.random.default_rng(0).normal(0, 0.1, 40)
    near, far = (split((values + offset)[:, None], 4) for offset in (0.0, 1e6))
    np.testing.assert_allclose(near.separation, far.separation, rtol=1e-4)
