"""The symbolic graph of a model: its layers' outputs, its weights by name, and nothing left behind on the model."""

import pytest
import torch
from torch import Tensor, fx, nn

from featuremaps.tail.fx_trace import leaves_around, passed_on, traced
from snapshots import snapshot


class Twice(nn.Module):
    """A module that runs twice, an optional argument, a buffer, and a constant made in the forward pass."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.ReLU()

        def forward(self, x: Tensor) -> Tensor:
            return self.act(x) + 1

    def __init__(self) -> None:
        super().__init__()
        self.block = self.Block()
        self.register_buffer("shift", torch.ones(3, 1, 1))
        self.weight = nn.Parameter(torch.ones(3, 3))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            x = x * mask
        if self.weight.size(0) != self.weight.shape[1] or self.shift.ndim != 3:
            x = x * 0
        x = self.block(self.block(x)) + self.shift + torch.arange(2.0)
        return x.mean((2, 3)) @ self.weight


def _ran(trace: object) -> list[str]:
    return [node.name for node in trace.graph.nodes if node.op.startswith("call")]  # type: ignore[attr-defined]


def test_layers_calls_weights_and_constants() -> None:
    trace = traced(Twice())
    assert sorted(trace.layers) == ["", "block", "block.act"]
    first, second = trace.layers["block"]
    assert first.target is second.target is passed_on
    assert first < second
    assert [node.op for node in trace.layers["block.act"]] == ["call_module", "call_module"]
    assert sorted(trace.live.values()) == ["shift", "weight"]
    (constant,) = trace.constants.values()
    assert constant.tolist() == [0.0, 1.0]
    assert trace.input.op == "placeholder"


def test_optional_arguments_take_their_defaults() -> None:
    assert sum(name.startswith("mul") for name in _ran(traced(Twice()))) == 0


def test_the_model_is_left_as_it_was() -> None:
    model, inputs = Twice().eval(), torch.randn(1, 3, 2, 2)
    seen: list[object] = []
    model.block.register_forward_hook(lambda module, args, output: seen.append(output))
    model.block.register_forward_pre_hook(lambda module, args: seen.append(args))
    before = snapshot(model, inputs)
    traced(model)
    assert seen == []
    assert before.differences(snapshot(model, inputs)) == []
    model(inputs)
    assert len(seen) == 4, "the hooks are back"


def test_hooks_come_back_when_tracing_fails() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    model = Branching()
    model.register_forward_hook(lambda module, args, output: None)
    with pytest.raises(fx.proxy.TraceError, match="control flow"):
        traced(model)
    assert len(model._forward_hooks) == 1


def test_operations_in_place_are_traced_as_such() -> None:
    class Writes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.exp()
            z = y
            z += 1
            z[0] = 0.0
            z @= x
            return y

    assert [name.rstrip("_0123456789") for name in _ran(traced(Writes()))] == [
        "exp", "iadd", "setitem", "imatmul", "passed_on",
    ]  # fmt: skip


def test_structures_keep_their_shape() -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor) -> dict[str, object]:
            return {"size": 3, "pair": (x.exp(), [x.neg()])}

    model = nn.Sequential(Both())
    (output,) = traced(model).layers["0"]
    assert output["size"] == 3
    assert all(node.target is passed_on for node in (output["pair"][0], output["pair"][1][0]))


def test_a_layer_inside_an_operation_of_torch_opens_it() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    model = nn.Sequential(nn.Sequential(layer), nn.Linear(4, 2))
    assert leaves_around(model, "1") == frozenset()
    assert leaves_around(model, "0.0") == frozenset()
    assert leaves_around(model, "0.0.linear1") == {"0.0"}
