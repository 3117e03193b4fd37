"""Correlations against scipy, for maps of any precision; nothing to compare is undefined."""

import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from evidence_samples import random
from featuremaps.evidence.measured import CONSTANT, NOT_FINITE
from featuremaps.evidence.similarity import OTHER, correlation, rank_correlation, similar_structure


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ties", [False, True])
def test_as_scipy(dtype: torch.dtype, ties: bool) -> None:
    first, second = (random(4, 8, 9, seed=seed).to(dtype) for seed in (1, 2))
    if ties:
        first, second = first.round(), second.round()
    for i in range(4):
        pair = first[i].flatten().double(), second[i].flatten().double()
        assert float(rank_correlation(first, second).values[i]) == pytest.approx(spearmanr(*pair).statistic, abs=1e-6)
        assert float(correlation(first, second).values[i]) == pytest.approx(pearsonr(*pair).statistic, abs=1e-6)


def test_a_constant_far_from_0_does_not_spoil_small_differences() -> None:
    first, second = random(2, 8, 9, seed=1), random(2, 8, 9, seed=2)
    expected = correlation(first, second).values
    torch.testing.assert_close(correlation(first * 1e-6 + 1, second).values, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("similarity", [correlation, rank_correlation, similar_structure])
def test_itself_and_nothing(similarity) -> None:  # type: ignore[no-untyped-def]
    first = random(4, 8, 9)
    torch.testing.assert_close(similarity(first, 3 * first).values, torch.ones(4).double())
    second = first.clone()
    first[1], first[2, 0, 0], second[3], second[0, 1, 1] = 2, torch.inf, 5, torch.nan
    for one, other, reasons in ((first, second, (OTHER, CONSTANT, NOT_FINITE, OTHER)),
                                (second, first, (NOT_FINITE, OTHER, OTHER, CONSTANT))):  # fmt: skip
        result = similarity(one, other)
        assert result.undefined == reasons
        assert result.values.isnan().all()
