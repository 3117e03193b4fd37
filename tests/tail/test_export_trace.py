"""The exported graph of a model: the same kind of graph, from models that a symbolic trace cannot follow."""

import pytest
import torch
from torch import Tensor, nn

from featuremaps.errors import ModelError
from featuremaps.tail.export_trace import exported
from featuremaps.tail.fx_trace import passed_on
from snapshots import snapshot


class Sized(nn.Module):
    """Branches on the pictures' size, and loops over it, which no symbol can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 2, 1), nn.ReLU(inplace=True)
        self.register_buffer("shift", torch.ones(2, 1, 1), persistent=False)

    def forward(self, x: Tensor, flip: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        if x.shape[2] % 2 or flip:
            x = x.flip(2)
        y = self.act(self.conv(x))
        rows = [y[:, :, row] for row in range(y.shape[2])]
        y = self.act(torch.stack(rows, 2) - self.shift)
        return y.mean((2, 3)) + torch.tensor([1.0, 2.0]), {"map": y}


def test_layers_calls_weights_and_constants() -> None:
    trace = exported(Sized().eval(), torch.randn(1, 3, 4, 4))
    assert {name: len(calls) for name, calls in trace.layers.items()} == {"conv": 1, "act": 2}
    assert all(node.target is passed_on for calls in trace.layers.values() for node in calls)
    assert set(trace.live.values()) == {"conv.weight", "conv.bias", "shift"}
    assert [value.tolist() for value in trace.constants.values()] == [[1.0, 2.0]]
    assert trace.input.op == "placeholder"
    assert trace.input not in trace.live


def test_the_graph_keeps_nothing_of_the_model() -> None:
    trace = exported(Sized().eval(), torch.randn(1, 3, 4, 4))
    assert trace.graph.owning_module is None
    assert all(node.meta == {} for node in trace.graph.nodes)


def test_the_model_is_left_as_it_was() -> None:
    model, inputs = Sized().eval(), torch.randn(1, 3, 4, 4)
    seen: list[object] = []
    model.conv.register_forward_hook(lambda module, args, output: seen.append(output))
    torch.manual_seed(0)
    before = snapshot(model, inputs)
    exported(model, inputs)
    assert seen == []
    assert set(before.differences(snapshot(model, inputs))) <= {"python random state"}  # which `preserved` puts back


def test_hooks_before_the_forward_pass_are_refused() -> None:
    model = Sized().eval()
    model.conv.register_forward_pre_hook(lambda module, args: None)
    with pytest.raises(ModelError, match="module 'conv' has a hook before its forward pass"):
        exported(model, torch.randn(1, 3, 4, 4))


def test_no_marks_remain_when_export_fails() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return y if y.sum().item() > 0 else -y

    model = Branching().eval()
    with pytest.raises(Exception, match="data-dependent"):
        exported(model, torch.randn(1, 3, 4, 4))
    assert not model.conv._forward_hooks


def test_nothing_is_printed_of_a_model_that_cannot_be_followed(capsys: pytest.CaptureFixture[str]) -> None:
    class Chosen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            values = self.conv(x).flatten()
            kept = values[values > 0]
            return kept * 2 if len(kept) > 3 else kept

    with pytest.raises(Exception, match="data-dependent"):
        exported(Chosen().eval(), torch.randn(1, 3, 4, 4))
    assert capsys.readouterr() == ("", "")
