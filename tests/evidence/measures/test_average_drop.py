"""Average drop and increase, coherency, complexity and ADCC against plain loops, and closed forms on a linear model."""

import pytest
import torch
from torch import Tensor

from evidence_oracles import Linear
from evidence_samples import examined, measured, random


def scaled(heatmap: Tensor) -> list[float]:
    """The positive part of one map from 0 to 1, place by place."""
    positive = [max(0.0, value) for value in heatmap.flatten().tolist()]
    return [(value - min(positive)) / (max(positive) - min(positive)) for value in positive]


def pearson(one: list[float], other: list[float]) -> float:
    a, b = sum(one) / len(one), sum(other) / len(other)
    both = sum((x - a) * (y - b) for x, y in zip(one, other, strict=True))
    return float(both / (sum((x - a) ** 2 for x in one) * sum((y - b) ** 2 for y in other)) ** 0.5)


def test_as_plain_loops() -> None:
    pictures = random(6, 2, 7, 6, seed=5)
    needs = examined(pictures)
    names = ("average_drop", "average_increase", "coherency", "complexity", "adcc")
    actual = {name: measured(name, needs).values for name in names}
    for i in range(6):
        alone, heatmap = examined(pictures[i : i + 1]), needs["heatmap"][i]
        mask = scaled(heatmap)
        seen = (pictures[i] * torch.tensor(mask, dtype=torch.float64).reshape(7, 6))[None]
        whole, masked = float(alone["probability"](pictures[i : i + 1])), float(alone["probability"](seen))
        drop = max(0.0, whole - masked) / whole
        alike = (1 + pearson(mask, scaled(alone["explain_again"](seen)[0]))) / 2
        shown = sum(mask) / len(mask)
        expected = {"average_drop": drop, "average_increase": float(masked > whole), "coherency": alike,
                    "complexity": shown, "adcc": 3 / (1 / alike + 1 / (1 - shown) + 1 / (1 - drop))}  # fmt: skip
        for name in names:
            assert float(actual[name][i]) == pytest.approx(expected[name], abs=1e-12), name
    assert 0 < actual["average_increase"].mean() < 1  # both happen


def test_closed_form_on_a_linear_model() -> None:
    """Multiplied by its map m, a picture scores the sum of m · contributions; its gradient stays the same."""
    pictures = random(3, 2, 6, 5).abs()
    model = Linear(2, 6, 5)
    model.weights = model.weights.abs()
    gradient = model.gradient(pictures)
    needs = {"heatmap": gradient, "inputs": pictures, "probability": lambda x: model.score(x) - 0.7,
             "explain_again": model.gradient}  # fmt: skip
    lowest, highest = gradient[0].min(), gradient[0].max()
    mask = (gradient - lowest) / (highest - lowest)
    left = (mask * model.contributions(pictures)).flatten(1).sum(1) / (model.score(pictures) - 0.7)
    torch.testing.assert_close(measured("average_drop", needs).values, 1 - left, rtol=0, atol=1e-10)
    torch.testing.assert_close(measured("coherency", needs).values, torch.ones(3).double(), rtol=0, atol=1e-12)
    assert not measured("average_increase", needs).values.any()


def test_adcc_is_0_where_everything_is_lost() -> None:
    pictures = random(1, 1, 3, 3).abs() + 1
    heatmap = torch.eye(3).double()[None]
    needs = {"heatmap": heatmap, "inputs": pictures, "explain_again": lambda x: heatmap,
             "probability": lambda x: x[:, 0, 0, 1]}  # fmt: skip
    result = measured("adcc", needs)
    assert result.undefined == ("",)
    assert float(result.values) == 0


def test_a_picture_that_its_map_does_not_change_neither_drops_nor_increases() -> None:
    pictures = torch.zeros(1, 1, 4, 4).double()
    pictures[0, 0, 1:3] = 2
    heatmap = (pictures[:, 0] > 0).double()
    needs = {"heatmap": heatmap, "inputs": pictures, "probability": lambda x: x.flatten(1).mean(1)}
    for name in ("average_drop", "average_increase"):
        result = measured(name, needs)
        assert result.undefined == ("",)
        assert float(result.values) == 0


def test_reasons() -> None:
    pictures, heatmap = random(3, 1, 4, 4), random(3, 4, 4, seed=1)
    heatmap[0] = -heatmap[0].abs() - 1
    pictures[1] = 0
    needs = {"heatmap": heatmap, "inputs": pictures, "explain_again": lambda x: torch.zeros(3, 4, 4).double(),
             "probability": lambda x: -torch.ones(len(x)).double()}  # fmt: skip
    nowhere, zeros = "the map has no positive value", "the picture is 0 everywhere"
    assert measured("complexity", needs).undefined == (nowhere, "", "")
    negative = "the probability of the class is not positive"
    assert measured("average_drop", needs).undefined == (nowhere, zeros, negative)
    assert measured("average_increase", needs).undefined == (nowhere, zeros, negative)
    assert measured("coherency", needs).undefined[:2] == (nowhere, zeros)
    assert measured("coherency", needs).undefined[2].startswith("the map of the picture seen through its map has no")
    assert measured("adcc", needs).undefined == (nowhere, zeros, negative)
