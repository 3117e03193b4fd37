"""Running a whole model with one layer's output watched or replaced."""

import pytest
import torch
from torch import Tensor, nn

from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError
from featuremaps.tail.replace_output import run_replaced, visited


class Net(nn.Module):
    """Runs one layer twice, writes to its input and to its layers' outputs in place."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.act = nn.Conv2d(3, 3, 1), nn.Tanh()
        self.unused = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(2)
        y = self.act(self.conv(x)).mul_(3)
        return self.act(y).mul_(3).mean((2, 3))


def test_a_visit_keeps_what_the_layer_gave_before_it_is_written_to() -> None:
    model, inputs = Net().eval(), torch.randn(2, 3, 4, 4)
    before = inputs.clone()
    first, last = visited(model, "act", 0, inputs), visited(model, "act", None, inputs)
    with torch.no_grad():
        expected = model.conv(2 * inputs).tanh()
        assert torch.allclose(first.output, expected)
        assert torch.allclose(last.output, (3 * expected).tanh())
    assert torch.equal(inputs, before)
    assert (last.site.name, last.site.call) == ("act", 1)
    assert not model.act._forward_hooks


def test_the_right_call_is_replaced_and_neither_argument_changes() -> None:
    model, inputs = Net().eval(), torch.randn(2, 3, 4, 4)
    edited = torch.randn(2, 3, 4, 4)
    copies = inputs.clone(), edited.clone()
    with torch.no_grad():
        first = run_replaced(model, visited(model, "act", 0, inputs).site, inputs, edited)
        last = run_replaced(model, visited(model, "act", 1, inputs).site, inputs, edited)
    assert torch.allclose(first, 3 * (3 * edited).tanh().mean((2, 3)))
    assert torch.allclose(last, 3 * edited.mean((2, 3)))
    assert torch.equal(inputs, copies[0])
    assert torch.equal(edited, copies[1])


def test_gradients_begin_at_the_layer() -> None:
    model, inputs = Net().eval(), torch.randn(1, 3, 4, 4)
    site = visited(model, "act", 1, inputs).site
    edited = torch.randn(1, 3, 4, 4, requires_grad=True)
    run_replaced(model, site, inputs, edited).sum().backward()
    assert edited.grad is not None
    assert model.conv.weight.grad is None
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("layer", "call", "kind", "message"),
    [
        ("cnov", None, LayerNotFoundError, r"no layer 'cnov'\. Did you mean 'conv'"),
        ("unused", None, LayerNotFoundError, "layer 'unused' did not run for this input"),
        ("act", 2, LayerNotFoundError, "layer 'act' has no call 2: it runs 2 times in one pass, and calls are counted"),
        ("conv", 1, LayerNotFoundError, "layer 'conv' has no call 1: it runs 1 time in one pass"),
    ],
)
def test_layers_and_calls_that_do_not_exist(layer: str, call: int | None, kind: type, message: str) -> None:
    with pytest.raises(kind, match=message):
        visited(Net().eval(), layer, call, torch.randn(1, 3, 4, 4))


class Odd(nn.Module):
    class Size(nn.Module):
        def forward(self, x: Tensor) -> list[int]:
            return list(x.shape)

    class Total(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum()

    class Rows(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten()[:5]

    def __init__(self) -> None:
        super().__init__()
        self.size, self.total, self.rows = self.Size(), self.Total(), self.Rows()

    def forward(self, x: Tensor) -> Tensor:
        return self.total(x) + self.rows(x).sum() + self.size(x)[0]


def test_outputs_that_cannot_be_edited() -> None:
    inputs = torch.randn(2, 3, 4, 4)
    with pytest.raises(ModelError, match="layer 'size' gives a list without a tensor"):
        visited(Odd(), "size", None, inputs)
    with pytest.raises(LayoutError, match=r"layer 'total' gives shape \(\) for 2 pictures"):
        visited(Odd(), "total", None, inputs)
    with pytest.raises(LayoutError, match=r"layer 'rows' gives shape \(5,\) for 2 pictures: its first axis does not"):
        visited(Odd(), "rows", None, inputs)
