"""A graph cut at a node: what runs again, what is kept, and that nothing is damaged."""

import time

import torch
from torch import Tensor, nn

from featuremaps.tail.fx_trace import Trace, traced
from featuremaps.tail.split import Plan, Split, plan


class Branches(nn.Module):
    """Two branches, a weight read directly, a size, and an operation that nobody needs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)
        self.scale = nn.Parameter(torch.ones(2, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        left = self.left(x)
        left.exp()
        right = self.right(x).relu()
        return (left * self.scale.square() + right).reshape(x.shape[0], -1)


def _planned(model: nn.Module, layer: str) -> tuple[Trace, Plan]:
    trace = traced(model)
    (cut,) = trace.layers[layer]
    return trace, plan(trace, cut, model)


def _names(nodes: object) -> list[str]:
    return sorted(node.name for node in nodes)  # type: ignore[attr-defined]


def test_what_runs_again_and_what_is_given() -> None:
    trace, cut = _planned(Branches(), "left")
    assert [node.name for node in cut.again] == ["mul", "add", "reshape", "passed_on"]
    assert _names(cut.given) == ["getitem", "relu", "square"]
    assert _names(cut.varying) == ["getitem", "relu"]
    assert [node.name for node in cut.once] == ["model_right", "relu", "square", "getattr_1", "getitem"]
    assert (cut.nodes_run, cut.nodes_total) == (3, 10)
    assert [trace.live[node] for node in trace.live] == ["scale"]


def test_the_branch_after_the_cut_that_does_not_depend_on_it_runs_once() -> None:
    _, cut = _planned(Branches(), "right")
    assert [node.name for node in cut.again] == ["relu", "add", "reshape", "passed_on"]
    assert _names(cut.given) == ["getitem", "mul"]


def test_values_that_are_written_to_are_copied_and_no_others() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(3, 3, 1) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            a, b, c = self.a(x), self.b(x), self.c(x)
            b += a
            return (a + b * c).mean((2, 3))

    model = Net().eval()
    _, cut = _planned(model, "a")
    split = Split(cut, model, torch.randn(2, 3, 4, 4))
    assert _names(split.copied) == ["model_a", "model_b", "model_c"], "until it is known, all"
    edited = torch.randn(2, 3, 4, 4)
    with torch.no_grad():
        first = split.watch(edited, 1)
        assert _names(split.copied) == ["model_b"]
        assert torch.equal(split(edited, 1), first)
        assert torch.equal(split(edited, 1), first)


def test_a_view_written_to_after_the_cut_lies_in_the_same_copy_as_what_it_views() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            a = self.a(x)
            half = a[:, :2]
            half.add_(self.b(x))
            return a.mean((2, 3))

    _, cut = _planned(Net(), "b")
    assert [node.name for node in cut.again] == ["getitem", "add_", "mean", "passed_on"]
    assert _names(cut.given) == ["model_a"]


def test_a_small_view_does_not_keep_a_large_tensor() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return (self.a(x)[:, :1] * self.b(x)).mean((2, 3))

    model = Net().eval()
    _, cut = _planned(model, "b")
    split = Split(cut, model, torch.randn(1, 3, 8, 8))
    (grow,) = split._growths.values()
    assert grow(1).untyped_storage().nbytes() == 64 * 4


def test_a_layer_that_the_output_does_not_need() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            self.a(x)
            return self.b(x).mean((2, 3))

    model, inputs = Net().eval(), torch.randn(2, 3, 4, 4)
    _, cut = _planned(model, "a")
    with torch.no_grad():
        found = Split(cut, model, inputs)(torch.randn(4, 4, 4, 4), 2)
        assert torch.allclose(found, model(inputs).repeat_interleave(2, 0), atol=1e-6)


def test_the_last_layer_leaves_nothing_to_run() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    trace = traced(model)
    cut = plan(trace, trace.layers["1"][0], model)
    edited = torch.randn(3, 2)
    assert cut.nodes_run == 0
    assert torch.equal(Split(cut, model, torch.randn(1, 4))(edited, 3), edited)


def test_planning_a_long_graph_takes_no_more_than_seconds() -> None:
    model = nn.Sequential(*(nn.ReLU(inplace=True) for _ in range(1500)))
    trace = traced(model)
    start = time.perf_counter()
    cut = plan(trace, trace.layers["0"][0], model)
    assert time.perf_counter() - start < 10
    assert cut.nodes_run == 1499
