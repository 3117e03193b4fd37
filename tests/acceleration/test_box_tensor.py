"""Pictures that differ in a box each give what whole ones give, and cost less."""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from benchmarks.resnet20 import resnet20
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from families import FAMILIES, calibrated
from featuremaps.acceleration.box_scoring import BoxScoring, Scoring
from featuremaps.acceleration.box_tensor import BoxTensor, Originals, whole
from featuremaps.session import preserved
from snapshots import snapshot

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def covered(pictures: Tensor, repeats: int, side: int) -> Tensor:
    """Copies of each picture with a square of noise on them, one in a corner and others anywhere."""
    draw = torch.Generator().manual_seed(1)
    new = pictures.repeat_interleave(repeats, 0)
    for row, copy in enumerate(new):
        most = [size - side + 1 for size in pictures.shape[2:]]
        top, left = (int(torch.randint(0, size, (), generator=draw)) * (row > 0) for size in most)
        copy[:, top : top + side, left : left + side] = torch.randn(len(copy), side, side, generator=draw)
    return new


def both(function: Callable[[Tensor], Tensor], layout: torch.memory_format) -> tuple[object, Tensor]:
    """What an operation gives for boxes, and for whole maps."""
    pictures = torch.randn(2, 4, 24, 20, generator=torch.Generator().manual_seed(0))
    new = covered(pictures, 3, 5)
    originals = Originals(pictures)
    boxes = originals.boxes(new)
    assert boxes is not None
    rows = originals.rows(new, boxes, layout)
    with torch.no_grad():
        return function(BoxTensor.of(rows, originals)), function(new.clone())


depthwise, plain, transposed = nn.Conv2d(4, 4, 3, 1, 1, groups=4), nn.Conv2d(4, 8, 5, 2, 2), nn.ConvTranspose2d(4, 2, 2)
norm, prelu = nn.BatchNorm2d(4).eval(), nn.PReLU(4)
norm.running_mean.copy_(torch.tensor([1.0, -2.0, 0.5, 0.0]))
by_channel = torch.tensor([1.0, -2.0, 0.5, 0.0])[:, None, None]
BY_BOXES: dict[str, Callable[[Tensor], Tensor]] = {
    "convolution": plain,
    "depthwise": depthwise,
    "dilated": nn.Conv2d(4, 3, 3, padding=4, dilation=(2, 4), bias=False),
    "pointwise, strided": nn.Conv2d(4, 3, 1, 3),
    "max pool": nn.MaxPool2d(3, 2, 1),
    "max pool, rounded up": nn.MaxPool2d(3, 2, ceil_mode=True),
    "average pool": nn.AvgPool2d(2),
    "average pool, padded": nn.AvgPool2d(3, 1, 1),
    "batch norm": norm,
    "PReLU": prelu,
    "GELU": F.gelu,
    "a power": lambda x: x**2,
    "ReLU": torch.relu,
    "in place": lambda x: F.relu(depthwise(x), inplace=True),
    "in place on the input": lambda x: x.clamp_(min=0),
    "two branches": lambda x: depthwise(x) + x,
    "added in place": lambda x: depthwise(x).add_(x, alpha=2).relu_(),
    "beside each other": lambda x: torch.cat([x, depthwise(x), x.relu()], 1),
    "a constant": lambda x: (2 - x) * 3 / 4 + by_channel,
    "a sum with itself": lambda x: x + x,
    "one after the other": lambda x: F.max_pool2d(F.relu_(plain(x)), 2),
}
WHOLE: dict[str, Callable[[Tensor], Tensor]] = {
    "a transposed convolution": transposed,
    "a padding in words": lambda x: F.conv2d(x, depthwise.weight, padding="same", groups=4),
    "average pool that leaves padding out": nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "pooled to a point": nn.AdaptiveAvgPool2d(1),
    "a batch norm of the batch": lambda x: F.batch_norm(x, None, None, training=True),
    "gate by row": lambda x: x * x.mean((2, 3), keepdim=True),
    "another place": lambda x: x.flip(3) + x,
    "a mask": lambda x: x * torch.linspace(0, 1, 20),
    "rows beside each other": lambda x: torch.cat([x, x]),
    "maps of two sizes": lambda x: x + F.interpolate(F.max_pool2d(x, 2), scale_factor=2),
    "reshaped": lambda x: x.flatten(1),
    "most of it": lambda x: F.max_pool2d(x, 15, 1),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", BY_BOXES)
def test_an_operation_on_boxes_gives_what_it_gives_on_whole_maps(name: str, layout: torch.memory_format) -> None:
    found, wanted = both(BY_BOXES[name], layout)
    assert isinstance(found, BoxTensor)
    assert found.shape == wanted.shape
    torch.testing.assert_close(whole(found), wanted)
    if name != "in place on the input":
        assert found.rows.boxes.area < wanted.shape[2] * wanted.shape[3] / 2


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", WHOLE)
def test_other_operations_see_whole_maps(name: str, layout: torch.memory_format) -> None:
    found, wanted = both(WHOLE[name], layout)
    assert not isinstance(found, BoxTensor)
    torch.testing.assert_close(found, wanted)


def test_what_it_is_can_be_asked_and_its_numbers_cannot_be_had_by_the_back_door() -> None:
    asked, wanted = both(lambda x: x, torch.channels_last)
    assert isinstance(asked, BoxTensor)
    assert (asked.size(1), len(asked), asked.ndim, asked.dtype, asked.device) == (4, 6, 4, wanted.dtype, wanted.device)
    assert asked.is_contiguous(memory_format=torch.channels_last)
    with torch._C.DisableTorchFunctionSubclass():
        assert bool(asked.isnan().all())


class Work(TorchDispatchMode):
    """Counts what convolutions give, element by element."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if "convolution" in func.name() and "reorder" not in func.name() and isinstance(found, Tensor):
            self.elements += found.numel()
        return found


def scored(model: nn.Module, pictures: Tensor, copies: list[Tensor]) -> tuple[list[Tensor], list[int], BoxScoring]:
    """The scores of class 1 for copies of pictures, asked one after the other, and the work that each took."""
    scores, work = [], []
    with preserved(model) as session:
        scoring = BoxScoring(Scoring(session, pictures, lambda outputs, _: outputs[:, 1], nullcontext), pictures)
        for new in [pictures, *copies]:
            with Work() as counted:
                scores.append(scoring(new))
            work.append(counted.elements)
    return scores, work, scoring


@pytest.mark.parametrize("name", [*FAMILIES, "resnet20"])
def test_every_family_gives_the_same_scores(name: str) -> None:
    model = resnet20() if name == "resnet20" else calibrated(FAMILIES[name])
    size = 32 if name == "resnet20" else FAMILIES[name].size
    model = deepcopy(model).double()  # in single precision another order of sums flips ReLUs on the way
    pictures = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    copies = [covered(pictures, 3, 6), covered(pictures, 4, 9)]
    before = snapshot(model, pictures)
    scores, _, scoring = scored(model, pictures, copies)
    assert scoring.usable, "it was not trusted"
    with torch.no_grad():
        for found, new in zip(scores, [pictures, *copies], strict=True):
            torch.testing.assert_close(found, model(new)[:, 1], rtol=1e-9, atol=1e-9)
    assert before.differences(snapshot(model, pictures)) == []


def test_it_is_less_work() -> None:
    model = calibrated(FAMILIES["resnet18"])
    pictures = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    copies = [covered(pictures, 8, 8) for _ in range(3)]
    _, (once, first, second, third), _ = scored(model, pictures, copies)
    assert first > second, "the first has the pictures' own maps to compute, and is compared with a whole run"
    assert second == third < 0.35 * 8 * once


class Behind(nn.Module):
    """Goes on with an operation that torch's functions do not see."""

    def __init__(self, operation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.operation = nn.Conv2d(3, 4, 3, padding=1), operation

    def forward(self, x: Tensor) -> Tensor:
        return self.operation(self.conv(x)).mean((2, 3))


class Halved(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        if type(x) is not Tensor:
            raise TypeError("only plain tensors")
        return x / 2


def aliased(x: Tensor) -> Tensor:
    y = x.view_as(x)
    y.neg_()
    return x


@pytest.mark.parametrize("operation", [Halved.apply, aliased], ids=["refused", "aliased"])
def test_a_model_that_gets_round_it_is_run_whole(operation: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    model = Behind(operation).eval()
    pictures = torch.randn(2, 3, 16, 16)
    copies = [covered(pictures, 3, 4), covered(pictures, 3, 4)]
    scores, work, scoring = scored(model, pictures, copies)
    assert not scoring.usable
    with torch.no_grad():
        for found, new in zip(scores, [pictures, *copies], strict=True):
            torch.testing.assert_close(found, model(new)[:, 1])
    assert work[2] == 3 * work[0], "not tried again"


def test_what_is_wrong_with_the_inputs_is_still_said() -> None:
    def broken(x: Tensor) -> Tensor:
        raise ValueError("no such thing")

    pictures = torch.randn(1, 3, 16, 16)
    with pytest.raises(ValueError, match="no such thing"):
        scored(Behind(broken), pictures, [covered(pictures, 2, 4)])
