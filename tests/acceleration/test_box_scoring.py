"""Scores of many inputs: picture by picture, run on boxes only where that gives what whole runs give."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from featuremaps.acceleration.box_scoring import AGREES, AGREES_LOWERED, BoxScoring, Scoring
from featuremaps.session import preserved


class Net(nn.Module):
    """A convolution with a batch norm, and how many inputs were run at a time."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.runs = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), list[int]()

    def forward(self, x: Tensor) -> Tensor:
        self.runs.append(len(x))
        return self.norm(self.conv(x)).relu().mean((2, 3))


PICTURES = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))


def covered(side: int, copies: int = 3) -> Tensor:
    """Copies of each picture with a grey square that wanders along the diagonal."""
    new = PICTURES.repeat_interleave(copies, 0)
    for row, copy in enumerate(new):
        at = 3 * (row % copies)
        copy[:, at : at + side, at : at + side] = 0.5
    return new


@contextmanager
def scoring(model: nn.Module, lowered: Any = nullcontext) -> Iterator[Scoring]:
    """Scores of the second output, with how many belong to a picture noted in `reads`."""
    with preserved(model) as session:
        yield Scoring(session, PICTURES, lambda outputs, repeats: outputs[:, 1] + repeats, lowered)


def test_scores_are_the_models_and_reading_is_told_how_many_a_picture_has() -> None:
    model, new = Net().eval(), covered(8)
    with scoring(model) as scores:
        torch.testing.assert_close(scores(new), model(new)[:, 1].detach() + 3)
        assert not scores(new).requires_grad


@pytest.mark.parametrize("side", [4, 24])
def test_scores_by_boxes_are_those_of_whole_runs(side: int) -> None:
    model, new = Net().eval(), covered(side)
    with scoring(model) as whole:
        torch.testing.assert_close(BoxScoring(whole, PICTURES)(new), whole(new))


def test_boxes_are_tried_once_on_one_input_of_each_picture() -> None:
    model = Net().eval()
    with scoring(model) as whole:
        boxes, runs = BoxScoring(whole, PICTURES), model.runs
        boxes(covered(4))
        # A whole run of one input of each picture, the same by boxes, and all by boxes.
        assert runs == [2, 2, 6]
        boxes(covered(4))
        assert runs == [2, 2, 6, 6]


class Exact(Net):
    """Takes tensors of torch's own type only."""

    def forward(self, x: Tensor) -> Tensor:
        if type(x) is not Tensor:
            raise TypeError("another type")
        return super().forward(x)


class Differs(Net):
    """Gives other scores the second time."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + len(self.runs)


@pytest.mark.parametrize("kind", [Exact, Differs])
def test_boxes_that_fail_or_differ_are_given_up(kind: type[Net]) -> None:
    with scoring(kind().eval()) as whole:
        boxes = BoxScoring(whole, PICTURES)
        assert boxes.usable
        boxes(covered(4))
        assert not boxes.usable


def lower() -> AbstractContextManager[None]:
    return torch.autocast("cpu", torch.bfloat16)


@pytest.mark.parametrize(("lowered", "share"), [(nullcontext, AGREES), (lower, AGREES_LOWERED)])
def test_scores_agree_to_a_share_of_the_largest(lowered: Any, share: float) -> None:
    sure = torch.tensor([1.0, -4.0])
    with scoring(Net(), lowered) as scores:
        assert scores.agree(sure + torch.tensor([3.9 * share, 0]), sure)
        assert not scores.agree(sure + torch.tensor([4.1 * share, 0]), sure)
        assert not scores.agree(torch.tensor([torch.nan, -4.0]), sure)
