"""Extra passes of models that take only as many pictures as were given."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import ModelError

PICTURES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """Reshapes to `fixed` pictures, or to as many as there are."""

    grid: tuple[int, ...] = (12, 12)

    def __init__(self, fixed: int | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.deep, self.head, self.fixed = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 4), fixed

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4)"""
        maps = self.deep(self.conv(x).relu())
        return self.head(maps.view(self.fixed or len(x), 8, *self.grid).mean((2, 3)))


METHODS = (
    "score_cam",
    "ablation_cam",
    "shapley_cam",
    "smooth_grad_cam_pp",
    "occlusion",
    "rise",
    "integrated_gradients",
)


@pytest.mark.parametrize("method", METHODS)
def test_a_model_of_one_picture_runs_its_copies_one_by_one(method: str) -> None:
    options: dict[str, Any] = {"layer": "deep", "target": 1, "batch_size": 1}
    made = [fm.Scope(Net(fixed).eval()).explain(PICTURES, method, **options).tensor for fixed in (1, None)]
    torch.testing.assert_close(made[0], made[1], rtol=1e-4, atol=1e-5)


class Merging(Net):
    """As many places as there are: all copies become one picture's."""

    grid = (12, -1)


def test_copies_that_become_one_picture_run_one_by_one_too() -> None:
    made = [
        fm.Scope(kind(1).eval()).factorize(PICTURES, "deep", concepts=2, negative="clip", batch_size=1)
        for kind in (Merging, Net)
    ]
    torch.testing.assert_close(made[0].scores, made[1].scores)


def test_concepts_and_answers_of_such_models() -> None:
    options: dict[str, Any] = {"concepts": 2, "negative": "clip", "batch_size": 1}
    made = [fm.Scope(Net(fixed).eval()).factorize(PICTURES, "deep", **options) for fixed in (1, None)]
    torch.testing.assert_close(made[0].scores, made[1].scores, rtol=1e-3, atol=1e-4)
    for fixed in (1, 2):
        answers = [fm.Scope(Net(size).eval()).predict(PICTURES, batch_size=fixed) for size in (fixed, None)]
        assert [each[0].index for each in answers[0]] == [each[0].index for each in answers[1]]


@pytest.mark.parametrize("method", ["occlusion", "saliency"])
def test_a_model_of_two_pictures_runs_on_two(method: str) -> None:
    made = [fm.Scope(Net(fixed).eval()).explain(PICTURES, method, target=1).tensor for fixed in (2, None)]
    torch.testing.assert_close(made[0], made[1], rtol=1e-4, atol=1e-5)


def test_where_that_does_not_help_it_is_said() -> None:
    with pytest.raises(ModelError, match="reshapes to a fixed number"):
        fm.Scope(Net(1).eval()).explain(PICTURES, "deep_lift", target=1, batch_size=1)


def test_what_a_model_asserts_is_said_with_the_input() -> None:
    class Choosy(Net):
        def forward(self, x: Tensor) -> Tensor:
            assert len(x) == 3, "three views of each"
            return super().forward(x)

    with pytest.raises(ModelError, match=r"Choosy asserts .* shape \(1, 3, 16, 16\): three views of each"):
        fm.Scope(Choosy()).explain(PICTURES, layer="deep", target=1)
