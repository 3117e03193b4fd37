"""ROAD against plain loops with a dense imputation, and closed forms on a linear model."""

import pytest
import torch

from evidence_oracles import Linear, gone_after
from evidence_samples import examined, measured, random
from featuremaps.evidence.curves import Curves
from featuremaps.evidence.fills import NOISE
from featuremaps.evidence.linear_imputation import impute
from featuremaps.methods.random_numbers import normal


@pytest.mark.parametrize(("name", "order"), [("road_morf", "most"), ("road_lerf", "least")])
@pytest.mark.parametrize("steps", [2, 10])
def test_as_plain_loops(name: str, order: str, steps: int) -> None:
    pictures = random(2, 2, 7, 6)
    needs = examined(pictures)
    actual = measured(name, needs, steps=steps).values
    noise = NOISE * normal((2, 7, 6), torch.Generator().manual_seed(0)).double()
    for i in range(2):
        alone = examined(pictures[i : i + 1])["probability"]
        heights = []
        for step in range(1, steps):
            gone = gone_after(needs["heatmap"][i], step / steps, order)
            copy = impute(pictures[i : i + 1], gone[None, None])[0, 0] + gone * noise
            heights.append(float(alone(copy[None])))
        assert float(actual[i]) == pytest.approx(sum(heights) / len(heights), abs=1e-9)


def test_half_the_difference() -> None:
    needs = examined(random(3, 2, 7, 6))
    expected = (measured("road_lerf", needs).values - measured("road_morf", needs).values) / 2
    assert torch.equal(measured("road", needs).values, expected)


def test_closed_form_on_a_linear_model_and_a_slope() -> None:
    """A slope is filled with itself, so nothing but the noise changes: its contributions to the score are added."""
    y, x = torch.meshgrid(torch.arange(10.0), torch.arange(10.0), indexing="ij")
    pictures = torch.stack([y - x, 2 * y + x])[:, None].double()
    model, heatmap = Linear(1, 10, 10), -((y - 4.4) ** 2 + (x - 4.2) ** 2).expand(2, -1, -1).double()
    result = measured("road_morf", {"curve": Curves(pictures, model.score).of(heatmap)}, steps=4)
    noise = NOISE * normal((1, 10, 10), torch.Generator().manual_seed(0)).double()
    inside = [gone_after(heatmap[0], share, "most") for share in (0.25, 0.5)]
    added = [float((model.weights * noise * gone).sum()) for gone in inside]
    most = gone_after(heatmap[0], 0.75, "most")
    last = model.score(impute(pictures, most.expand(2, 1, -1, -1))[:, 0] + most * noise)
    expected = (2 * model.score(pictures) + sum(added) + last) / 3
    torch.testing.assert_close(result.values, expected, rtol=0, atol=1e-8)
    assert (last - model.score(pictures)).abs().min() > 0.01  # which reaches the border, where a slope ends


def test_equal_values_go_in_reading_order() -> None:
    """grad-cam takes all places from a percentile on, so that a plateau goes at once or not at all."""
    pictures = random(1, 2, 6, 6)
    heatmap = torch.zeros(1, 6, 6, dtype=torch.float64)
    heatmap[0, 0, 0] = 1
    scores: list[int] = []

    def count(x: torch.Tensor) -> torch.Tensor:
        scores.extend((x != pictures).any(1).flatten(1).sum(1).tolist())
        return x.flatten(1).sum(1)

    measured("road_morf", {"curve": Curves(pictures, count).of(heatmap)}, steps=10)
    assert sorted(scores) == [step * 36 // 10 for step in range(1, 10)]
