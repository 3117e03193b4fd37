"""Deletion and insertion against plain loops, closed forms on a linear model, and torchcam."""

from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch import Tensor, nn

from evidence_oracles import Linear, area, curve_of
from evidence_samples import examined, measured, random
from featuremaps.evidence.curves import Curves
from featuremaps.methods.baselines import baseline_of


@pytest.mark.parametrize(("name", "order", "fill"), [("deletion", "most", "zero"), ("insertion", "least", "blur"), ("deletion", "most", "mean")])  # fmt: skip
@pytest.mark.parametrize("steps", [1, 7, 20])
def test_as_plain_loops(name: str, order: str, fill: str, steps: int) -> None:
    pictures = random(3, 2, 7, 6)
    needs = examined(pictures)
    actual = measured(name, needs, fill=fill, steps=steps).values
    for i in range(3):
        empty = baseline_of(pictures[i : i + 1], fill)[0]  # type: ignore[arg-type]
        alone = examined(pictures[i : i + 1])["probability"]
        expected = area(curve_of(pictures[i], empty, needs["heatmap"][i], alone, order, steps))
        assert float(actual[i]) == pytest.approx(expected, abs=1e-12)


def linear_curves(pictures: Tensor) -> tuple[Linear, Tensor, Curves]:
    model = Linear(*pictures.shape[1:])
    return model, model.contributions(pictures), Curves(pictures, model.score)


def test_closed_form_on_a_linear_model() -> None:
    """A place of contribution c taken out at step s lowers the trapezia by c (steps + 1/2 − s) / steps."""
    pictures, steps = random(3, 2, 6, 5), 30  # a step for each place
    model, contributions, curves = linear_curves(pictures)
    result = measured("deletion", {"curve": curves.of(contributions)}, steps=steps)
    highest = contributions.flatten(1).sort(dim=1, descending=True).values
    step = torch.arange(1, steps + 1)
    expected = model.score(pictures) - (highest * (steps + 0.5 - step)).sum(1) / steps
    torch.testing.assert_close(result.values, expected, rtol=0, atol=1e-10)


def test_no_order_deletes_better_than_the_contributions_of_a_linear_model() -> None:
    pictures = random(2, 2, 6, 5)
    _, contributions, curves = linear_curves(pictures)
    best = measured("deletion", {"curve": curves.of(contributions)}, steps=30).values
    worst = measured("deletion", {"curve": curves.of(-contributions)}, steps=30).values
    for seed in range(5):
        other = measured("deletion", {"curve": curves.of(random(2, 6, 5, seed=seed))}, steps=30).values
        assert (best < other).all()
        assert (other < worst).all()


def test_the_difference() -> None:
    needs = examined(random(3, 2, 7, 6))
    difference = measured("insertion_minus_deletion", needs, fill_out="mean", steps=5).values
    expected = measured("insertion", needs, steps=5).values - measured("deletion", needs, fill="mean", steps=5).values
    assert torch.equal(difference, expected)


class Given:
    """A torchcam extractor that gives a map made before."""

    def __init__(self, model: nn.Module, heatmap: Tensor) -> None:
        self.model, self.heatmap = model, heatmap

    def __call__(self, *args: object, **kwargs: object) -> list[Tensor]:
        return [self.heatmap]

    def fuse_cams(self, cams: list[Tensor]) -> Tensor:
        return cams[0]

    def _hooks_off(self) -> AbstractContextManager[None]:
        return nullcontext()


def test_as_torchcam() -> None:
    metrics = pytest.importorskip("torchcam.metrics")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 4)).eval()
    pictures, heatmap = random(3, 3, 8, 8).float(), random(3, 8, 8, seed=2).float()
    peer = metrics.DeletionInsertionMetric(Given(model, heatmap), lambda logits: logits.softmax(1), steps=16)
    peer.update(pictures, class_idx=2)
    curve = Curves(pictures, lambda x: model(x).softmax(1)[:, 2]).of(heatmap)
    deletion = measured("deletion", {"curve": curve}, steps=16).values.mean()
    insertion = measured("insertion", {"curve": curve}, fill="zero", steps=16).values.mean()
    assert float(deletion) == pytest.approx(peer.summary()["deletion_auc"], abs=1e-6)
    assert float(insertion) == pytest.approx(peer.summary()["insertion_auc"], abs=1e-6)
