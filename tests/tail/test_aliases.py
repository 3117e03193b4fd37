"""What writes and what shares memory, checked against what PyTorch does when the operations run."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from featuremaps.tail.aliases import shared, written
from featuremaps.tail.export_trace import exported
from featuremaps.tail.fx_trace import Trace, passed_on, traced


class Do(nn.Module):
    def __init__(self, operation: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, x: Tensor) -> Tensor:
        y = x.abs()
        self.operation(y)
        return y


class Use(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        y = x.abs()
        self.module(y)
        return y


WRITING: list[Callable[[Tensor], object]] = [
    lambda y: y.add_(1),
    lambda y: torch.relu_(y),
    lambda y: F.relu(y, inplace=True),
    lambda y: F.relu(y, True),
    lambda y: y.__setitem__(0, 1.0),
    lambda y: y.__iadd__(1),
    lambda y: torch.neg(torch.ones_like(y), out=y),
    nn.ReLU(inplace=True),
]
SHARING: list[Callable[[Tensor], object]] = [
    lambda y: y[:, 0],
    lambda y: y.view(-1),
    lambda y: y.T[0],
    lambda y: y.chunk(2, 1),
    lambda y: torch.flatten(y),
    lambda y: y.contiguous(),
    lambda y: y.detach(),
    lambda y: y.to(torch.float32),
    lambda y: F.dropout(y, 0.5, False),
    nn.Flatten(),
    nn.Dropout(),
    nn.Identity(),
]
FRESH: list[Callable[[Tensor], object]] = [
    lambda y: y + 1,
    lambda y: y.relu(),
    lambda y: F.relu(y),
    lambda y: torch.cat([y, y]),
    lambda y: y.clone(),
    nn.ReLU(),
    nn.Linear(4, 2),
    nn.LayerNorm(4),
]


def _trace(way: str, operation: Callable[[Tensor], object]) -> tuple[nn.Module, Trace]:
    model = (Use(operation) if isinstance(operation, nn.Module) else Do(operation)).eval()
    return model, traced(model) if way == "fx" else exported(model, torch.randn(2, 4))


@pytest.mark.parametrize("way", ["fx", "export"])
@pytest.mark.parametrize(
    ("operation", "writes", "shares"),
    [(f, True, True) for f in WRITING] + [(f, False, True) for f in SHARING] + [(f, False, False) for f in FRESH],
)
def test_operations(way: str, operation: Callable[[Tensor], object], writes: bool, shares: bool) -> None:
    model, trace = _trace(way, operation)
    made = next(node for node in trace.graph.nodes if "abs" in str(node.target))
    nodes = [node for node in trace.graph.nodes if node.op.startswith("call") and node is not made]
    operations = [node for node in nodes if node.target is not passed_on]
    if way == "export" and not operations:
        assert not writes, "an export leaves out what does nothing"
        return

    def owners(node: fx.Node) -> set[fx.Node]:
        return {node}.union(*(owners(source) for source in shared(node, model))) if node is not made else {made}

    assert any(made in owners(target) for node in operations for target in written(node, model)) == writes
    assert any(made in owners(node) for node in operations) == shares


@pytest.mark.parametrize("operation", WRITING)
def test_the_operations_said_to_write_do(operation: Callable[[Tensor], object]) -> None:
    value = torch.randn(2, 4).abs() + 1
    operation(value)
    assert value._version > 0


@pytest.mark.parametrize(("operation", "shares"), [(f, True) for f in SHARING] + [(f, False) for f in FRESH])
def test_the_operations_said_to_share_do(operation: Callable[[Tensor], object], shares: bool) -> None:
    value = torch.randn(2, 4)
    with torch.no_grad():
        result = operation.eval()(value) if isinstance(operation, nn.Module) else operation(value)
    first = result if isinstance(result, Tensor) else result[0]  # type: ignore[index]
    assert (first.untyped_storage().data_ptr() == value.untyped_storage().data_ptr()) == shares
