"""Infidelity against plain loops, closed forms on a linear model, and captum."""

from typing import Any

import pytest
import torch
from torch import Tensor

from evidence_oracles import Linear
from evidence_samples import examined, measured, random
from featuremaps.evidence.measures.infidelity import _changes
from featuremaps.methods.random_numbers import normal


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


@pytest.mark.parametrize("change", ["gaussian", "square"])
@pytest.mark.parametrize("baseline", ["zero", "mean"])
def test_as_plain_loops(change: str, baseline: str) -> None:
    pictures = random(3, 2, 7, 6)
    needs = examined(pictures)
    actual = measured("infidelity", needs, change=change, baseline=baseline, samples=6).values
    shares = list(_changes((7, 6), generator(), change, 6, 0.25, 0.1))  # type: ignore[arg-type]
    for i in range(3):
        alone, heatmap, picture = examined(pictures[i : i + 1])["score"], needs["heatmap"][i], pictures[i]
        empty = torch.zeros_like(picture) if baseline == "zero" else picture.mean((1, 2), keepdim=True)
        foretold, drops = [], []
        for share in shares:
            perturbation = share.double() * (picture - empty)
            foretold.append(float((share.double() * heatmap).sum()))
            drops.append(float(alone(picture[None]) - alone((picture - perturbation)[None])))
        best = sum(a * b for a, b in zip(foretold, drops, strict=True)) / sum(a * a for a in foretold)
        errors = [(max(best, 0) * a - b) ** 2 for a, b in zip(foretold, drops, strict=True)]
        assert float(actual[i]) == pytest.approx(sum(errors) / 6, rel=1e-9)


def linear(*size: int) -> dict[str, Any]:
    pictures, model = random(3, *size), Linear(*size)
    return {"inputs": pictures, "score": model.score, "heatmap": model.contributions(pictures)}


@pytest.mark.parametrize("change", ["gaussian", "square"])
@pytest.mark.parametrize("size", [(2, 7, 6), (3, 20), (1, 4, 5, 6)])
def test_contributions_of_a_linear_model_have_none(change: str, size: tuple[int, ...]) -> None:
    needs = linear(*size)
    result = measured("infidelity", {**needs, "generator": generator()}, change=change)
    torch.testing.assert_close(result.values, torch.zeros(3).double(), rtol=0, atol=1e-12)


def test_a_map_turned_upside_down_fits_no_better_than_none() -> None:
    """Its infidelity is the mean squared drop; captum scales by a negative factor, and calls it perfect."""
    needs = linear(2, 7, 6)
    result = measured("infidelity", {**needs, "heatmap": -needs["heatmap"], "generator": generator()})
    shares = torch.stack(list(_changes((7, 6), generator(), "square", 32, 0.25, 0.1))).double()
    drops = needs["heatmap"].flatten(1) @ shares.flatten(1).T
    torch.testing.assert_close(result.values, drops.square().mean(1), rtol=0, atol=1e-10)


def test_squares_lie_inside_and_anywhere() -> None:
    squares = torch.stack(list(_changes((8, 12), generator(), "square", 300, 0.25, 0.1)))
    assert (squares.flatten(1).sum(1) == 4).all()
    assert (squares.sum(0) > 0).all()


def test_no_number_where_no_change_matters() -> None:
    needs = linear(2, 7, 6)
    result = measured("infidelity", {**needs, "score": lambda x: torch.full((len(x),), 3.0), "generator": generator()})
    assert set(result.undefined) == {"no change of the picture changed the score"}
    assert result.values.isnan().all()


@pytest.mark.filterwarnings("ignore")
def test_as_captum() -> None:
    metrics = pytest.importorskip("captum.metrics")
    pictures = random(3, 1, 7, 6)  # one colour: captum's map has the channels of the picture
    needs = examined(pictures)
    score = needs["score"]
    noise = iter([0.1 * normal((7, 6), seeded) for seeded in [generator()] for _ in range(8)])

    def perturb(x: Tensor) -> tuple[Tensor, Tensor]:
        share = next(noise).double().expand_as(x)
        return share, x - share * x

    peer = metrics.infidelity(score, perturb, pictures, needs["heatmap"][:, None], n_perturb_samples=8,
                              max_examples_per_batch=3, normalize=True)  # fmt: skip
    actual = measured("infidelity", needs, change="gaussian", samples=8).values
    torch.testing.assert_close(actual, peer.double(), rtol=1e-6, atol=0)
