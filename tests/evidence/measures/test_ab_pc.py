"""The area between the curves against plain loops, and a closed form on a linear model."""

import pytest
import torch

from evidence_oracles import Linear, area, curve_of
from evidence_samples import examined, measured, random
from featuremaps.evidence.curves import Curves


def test_as_plain_loops() -> None:
    pictures = random(3, 2, 7, 6)
    needs = examined(pictures)
    actual = measured("ab_pc", needs, steps=7).values
    for i in range(3):
        alone, heatmap = examined(pictures[i : i + 1])["probability"], needs["heatmap"][i]
        empty = torch.zeros_like(pictures[i])
        areas = {order: area(curve_of(pictures[i], empty, heatmap, alone, order, 7)) for order in ("most", "least")}
        assert float(actual[i]) == pytest.approx(areas["least"] - areas["most"], abs=1e-12)


def test_opposite_order_has_the_opposite_sign() -> None:
    needs = examined(random(3, 2, 7, 6))
    opposite = examined(random(3, 2, 7, 6), change=torch.neg)
    torch.testing.assert_close(measured("ab_pc", opposite).values, -measured("ab_pc", needs).values, rtol=0, atol=1e-12)


def test_closed_form_on_a_linear_model() -> None:
    """The k-th highest contribution, c, counts c · (2k − n − 1) / n less in one curve than in the other."""
    pictures = random(3, 2, 6, 5)
    model = Linear(2, 6, 5)
    contributions = model.contributions(pictures)
    result = measured("ab_pc", {"curve": Curves(pictures, model.score).of(contributions)}, steps=30)
    highest = contributions.flatten(1).sort(dim=1, descending=True).values
    k = torch.arange(1, 31)
    torch.testing.assert_close(result.values, (highest * (31 - 2 * k)).sum(1) / 30, rtol=0, atol=1e-10)
