import torch
from torch import nn

from featuremaps.rules.composites import COMPOSITES, LrpSettings
from featuremaps.rules.graph_origin import depends_on_input, linear_node, sees_input
from featuremaps.rules.lrp import Relevance


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
