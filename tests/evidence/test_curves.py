"""Curves: each masked copy is scored once, whatever asks for it; equal values go in reading order."""

import pytest
import torch
from torch import Tensor

from evidence_oracles import Linear
from evidence_samples import random
from featuremaps.evidence.curves import Curves
from featuremaps.evidence.fills import UNCHANGED


class Counting:
    """A score that counts the copies it is asked for."""

    def __init__(self) -> None:
        self.made, self.largest = 0, 0

    def __call__(self, x: Tensor) -> Tensor:
        assert len(x) > 0
        self.made, self.largest = self.made + len(x), max(self.largest, len(x))
        return x.flatten(1).sum(1)


def test_nothing_is_scored_twice() -> None:
    pictures, score = random(3, 2, 6, 5), Counting()
    curves = Curves(pictures, score)
    first, second = random(3, 6, 5, seed=1), random(3, 6, 5, seed=2)
    curves.of(first)("most", "zero", 10).area()
    assert score.made == 3 * 11
    curves.of(first)("most", "zero", 10).area()
    curves.of(2 * first + 1)("most", "zero", 10).area()  # the same order
    curves.of(-first)("least", "zero", 10).area()
    assert score.made == 3 * 11
    curves.of(second)("most", "zero", 10).area()  # the ends are known
    assert score.made == 3 * 20
    curves.of(first)("most", "mean", 10).area()  # another end
    assert score.made == 3 * 30


@pytest.mark.parametrize("chunk", [1, 7, 8, 100])
def test_chunks_are_never_too_large(chunk: int) -> None:
    score = Counting()
    Curves(random(3, 2, 6, 5), score, chunk=chunk).of(random(3, 6, 5, seed=1))("most", "zero", 10).area()
    assert score.largest <= max(3, chunk)


def test_one_step_is_all_or_nothing() -> None:
    pictures = random(3, 2, 6, 5)
    curve = Curves(pictures, Counting()).of(random(3, 6, 5, seed=1))("most", "zero", 1)
    assert curve.shares.tolist() == [0, 1]
    torch.testing.assert_close(curve.probabilities[:, 0], pictures.flatten(1).sum(1))
    assert not curve.probabilities[:, 1].any()


@pytest.mark.parametrize("steps", [3, 7, 10, 30, 50])
def test_a_step_takes_its_share_of_the_places_rounded_down(steps: int) -> None:
    places = 30
    pictures = torch.ones(1, 1, 6, 5, dtype=torch.float64)
    curve = Curves(pictures, Counting()).of(random(1, 6, 5))("most", "zero", steps)
    assert (places - curve.probabilities[0]).tolist() == [step * places // steps for step in range(steps + 1)]


def test_half_precision_scores_are_read_in_single_precision() -> None:
    pictures = random(1, 2, 6, 5)
    for dtype, expected in ((torch.float16, torch.float32), (torch.float64, torch.float64)):
        score = lambda x, dtype=dtype: x.flatten(1).sum(1).to(dtype)  # noqa: E731
        assert Curves(pictures, score).of(random(1, 6, 5))("most", "zero", 4).probabilities.dtype == expected


@pytest.mark.parametrize("fill", ["zero", "mean", "blur", "linear"])
def test_a_picture_of_one_colour_has_no_curve(fill: str) -> None:
    pictures = random(3, 2, 12, 11)
    pictures[1] = torch.tensor([0.0, 0.0] if fill == "zero" else [0.3, -0.7])[:, None, None]
    curve = Curves(pictures, Counting()).of(random(3, 12, 11, seed=1))("most", fill, 4)  # type: ignore[arg-type]
    assert curve.usable.undefined == ("", UNCHANGED, "")
    assert curve.area().values.isnan().tolist() == [False, True, False]


def test_what_a_linear_model_loses_is_the_sum_of_its_contributions() -> None:
    """Completeness: from the whole picture to none, in whatever order, and after each step what was taken out."""
    pictures, model = random(3, 2, 6, 5), Linear(2, 6, 5)
    contributions, heatmap = model.contributions(pictures), random(3, 6, 5, seed=1)
    order = heatmap.flatten(1).argsort(dim=1, descending=True)
    taken = contributions.flatten(1).gather(1, order).cumsum(1)
    curve = Curves(pictures, model.score).of(heatmap)("most", "zero", 30)
    lost = curve.probabilities[:, :1] - curve.probabilities[:, 1:]
    torch.testing.assert_close(lost, taken, rtol=0, atol=1e-10)
    torch.testing.assert_close(lost[:, -1], contributions.flatten(1).sum(1), rtol=0, atol=1e-10)
