from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.rules.composites import COMPOSITES, LrpSettings
from featuremaps.rules.graph_origin import depends_on_input, linear_node, sees_input
from featuremaps.rules.lrp import Relevance
from method_samples import noise


def test_what_comes_from_parameters_alone_does_not_depend_on_the_input() -> None:
    scale = nn.Parameter(torch.ones(3))
    x = torch.randn(2, 3).requires_grad_()
    assert not depends_on_input(scale)
    assert not depends_on_input((scale * 2).view(1, 3))
    assert not depends_on_input(x.detach())
    assert not depends_on_input(2.0)
    assert depends_on_input(x)
    assert depends_on_input((scale * x).sum())


def test_an_operation_sees_the_input_until_a_linear_one_has_run() -> None:
    conv, dense = nn.Conv2d(3, 3, 1), nn.Linear(4, 4)
    x = torch.randn(1, 3, 4, 4).requires_grad_()
    with Relevance(COMPOSITES["epsilon"](LrpSettings())):
        scaled = ((x - 0.5) / 0.2).relu()
        assert sees_input(x)
        assert sees_input(scaled)
        assert not sees_input(conv(scaled).relu())
        assert not sees_input(torch.cat([x, conv(x)]))
        assert not sees_input(dense(x).mean((2, 3)))


def test_the_node_of_a_linear_operation_is_found_until_its_output_changes() -> None:
    conv = nn.Conv2d(3, 3, 1)
    x = torch.randn(1, 3, 4, 4).requires_grad_()
    with Relevance(COMPOSITES["epsilon"](LrpSettings())):
        output = conv(x)
        node = linear_node(output)
        assert node is output.grad_fn
        assert linear_node(output.clone()) is node
        assert linear_node(x) is None
        assert linear_node(output.relu()) is None
        assert linear_node(output.relu_()) is None


class Swish(torch.autograd.Function):
    """As models write it to save memory."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x.relu()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * 2 * x.relu()


class Swished(nn.Module):
    def __init__(self, by_hand: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.by_hand, self.conv, self.head = by_hand, nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(Swish.apply(self.conv(x)).mean((2, 3)) if self.by_hand else self.conv(x).mean((2, 3)))


@pytest.mark.parametrize("method", ["guided_backprop", "lrp", "deep_lift", "full_grad"])
def test_a_models_own_function_keeps_its_way_back_and_is_counted(method: str) -> None:
    inputs = noise(2)
    warnings = fm.Scope(Swished(by_hand=True)).explain(inputs, method, target=0).warnings
    assert all("1 Swish" in " ".join(said) and "relu" not in " ".join(said) for said in warnings)
    assert "Swish" not in str(fm.Scope(Swished(by_hand=False)).explain(inputs, method, target=0).warnings)


def test_guided_backprop_is_the_gradient_of_a_models_own_function() -> None:
    inputs, model = noise(2), Swished(by_hand=True)
    leaf = inputs.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)
    torch.testing.assert_close(fm.Scope(model).explain(inputs, "guided_backprop", target=0).tensor, expected)
