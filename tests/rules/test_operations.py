"""An operation has one name, however it is written."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.rules.operations import Operation, operation_of

X = torch.linspace(-8, 8, 12).reshape(1, 3, 2, 2)


class Watch(torch.overrides.TorchFunctionMode):
    """Keeps every named operation that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Operation] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        operation = operation_of(func, args, kwargs or {})
        if operation is not None:
            self.seen.append(operation)
        return func(*args, **(kwargs or {}))


def watched(run: Callable[[Tensor], Any]) -> list[Operation]:
    x = X.clone()
    with Watch() as watch:
        run(x)
    return watch.seen


WRITTEN: list[tuple[str, bool, Callable[[Tensor], Any]]] = [
    ("relu", False, nn.ReLU()),
    ("relu", True, nn.ReLU(inplace=True)),
    ("relu", False, F.relu),
    ("relu", True, lambda x: F.relu(x, inplace=True)),
    ("relu", True, lambda x: F.relu(x, True)),
    ("relu", False, torch.relu),
    ("relu", True, torch.relu_),
    ("relu", False, Tensor.relu),
    ("relu", True, lambda x: x.relu_()),
    ("relu", False, lambda x: x.clamp(min=0)),
    ("relu", False, lambda x: torch.clamp(x, 0)),
    ("relu", True, lambda x: x.clamp_min_(0)),
    ("relu", False, nn.Threshold(0, 0)),
    ("relu6", False, nn.ReLU6()),
    ("relu6", True, nn.ReLU6(inplace=True)),
    ("relu6", False, F.relu6),
    ("relu6", False, lambda x: x.clamp(0, 6)),
    ("relu6", True, lambda x: F.hardtanh(x, 0, 6, True)),
    ("hardtanh", False, nn.Hardtanh()),
    ("leaky_relu", True, nn.LeakyReLU(inplace=True)),
    ("gelu", False, nn.GELU()),
    ("silu", False, nn.SiLU()),
    ("silu", True, lambda x: F.silu(x, inplace=True)),
    ("sigmoid", False, torch.sigmoid),
    ("tanh", True, lambda x: x.tanh_()),
    ("add", False, lambda x: x + x),
    ("add", True, lambda x: x.add_(x)),
    ("conv", False, lambda x: F.conv2d(x, torch.ones(1, 3, 1, 1))),
    ("linear", False, lambda x: F.linear(x, torch.ones(5, 2))),
    ("max_pool", False, nn.MaxPool2d(2)),
    ("avg_pool", False, nn.AvgPool2d(2)),
    ("adaptive_avg_pool", False, nn.AdaptiveAvgPool2d(1)),
    ("mean", False, lambda x: x.mean((2, 3))),
    ("batch_norm", False, lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3))),
    ("softmax", False, lambda x: x.softmax(1)),
    ("attention", False, lambda x: F.scaled_dot_product_attention(x, x, x)),
]


@pytest.mark.parametrize(("kind", "in_place", "run"), WRITTEN)
def test_every_way_of_writing(kind: str, in_place: bool, run: Callable[[Tensor], Any]) -> None:
    (found,) = watched(run)
    assert (found.kind, found.in_place) == (kind, in_place)
    assert isinstance(found.input, Tensor)


def test_iadd_works_in_place() -> None:
    def run(x: Tensor) -> None:
        x += 1

    (found,) = watched(run)
    assert (found.kind, found.in_place) == ("add", True)


@pytest.mark.parametrize(
    "run",
    [lambda x: x.clamp(max=1), lambda x: x.clamp(-1, 1), lambda x: x.clamp(min=torch.zeros(1)), nn.Threshold(1, 0)],
)
def test_a_clamp_that_is_no_relu_is_called_none(run: Callable[[Tensor], Any]) -> None:
    assert [found.kind for found in watched(run)] == ([] if isinstance(run, nn.Threshold) else ["clamp"])


def test_top_is_where_a_rectifier_stops() -> None:
    assert [watched(run)[0].top for run in (F.relu, nn.ReLU6(), lambda x: x.clamp(0, 2.5))] == [float("inf"), 6.0, 2.5]


def test_arguments_by_position_and_by_name() -> None:
    weight = torch.ones(1, 3, 1, 1)
    for run in (lambda x: F.conv2d(x, weight, None, 2), lambda x: F.conv2d(input=x, weight=weight, stride=2)):
        (found,) = watched(run)
        assert found.input.shape == X.shape
        assert found.argument("weight", 1) is weight
        assert found.argument("stride", 3, 1) == 2
        assert found.argument("padding", 4, 0) == 0


def test_an_output_in_the_place_of_one_in_place_is_written_into_the_input() -> None:
    x = X.clone()
    (found,) = watched(torch.relu_)
    found = Operation("relu", torch.relu_, (x,), {}, True)
    assert found.instead(torch.ones_like(x)) is x
    assert torch.equal(x, torch.ones_like(x))
