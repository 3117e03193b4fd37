"""What each operation sends back, times the changes of its inputs, is what arrives times the change of its output."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from featuremaps.rules import deeplift_ops as ops
from featuremaps.rules.baseline_pairs import swapped

ROWS = 4
"""Two pictures, each followed by its baseline."""


def random(*shape: int, seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


def change(values: Tensor) -> Tensor:
    """Of each row, how far it is from the other half of its pair."""
    other = swapped(values, ROWS)
    assert other is not None
    return values - other


def pool(x: Tensor) -> tuple[Tensor, Tensor]:
    return F.max_pool2d(x, 2, return_indices=True)


OPERATIONS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor], list[Tensor]]] = {
    "tanh": (lambda x: ops.pointwise(torch.tanh, x, ROWS), torch.tanh, [random(ROWS, 5)]),
    "relu": (lambda x: ops.pointwise(torch.relu, x, ROWS), torch.relu, [random(ROWS, 3, 4)]),
    "product": (
        lambda x, y: ops.product(torch.mul, x, y, ROWS),
        torch.mul,
        [random(ROWS, 5), random(ROWS, 5, seed=1)],
    ),
    "matrix product": (
        lambda x, y: ops.product(torch.matmul, x, y, ROWS),
        torch.matmul,
        [random(ROWS, 3, 5), random(ROWS, 5, 2, seed=1)],
    ),
    "quotient": (
        lambda x, y: ops.quotient(x, y, ROWS),
        torch.div,
        [random(ROWS, 5), random(ROWS, 5, seed=1).abs() + 0.5],
    ),
    "softmax": (lambda x: ops.softmax(x, -1, ROWS), lambda x: x.softmax(-1), [random(ROWS, 3, 5)]),
    "layer norm": (
        lambda x: ops.normalised(x, (-1,), 1e-5, ROWS),
        lambda x: F.layer_norm(x, x.shape[-1:]),
        [random(ROWS, 3, 6)],
    ),
    "max pool": (lambda x: ops.max_pooled(x, pool, ROWS), lambda x: pool(x)[0], [random(ROWS, 2, 4, 6)]),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_changes_add_up_row_by_row(name: str) -> None:
    operation, plain, values = OPERATIONS[name]
    inputs = [each.clone().requires_grad_() for each in values]
    output = operation(*inputs)
    torch.testing.assert_close(output, plain(*values))
    arriving = random(*output.shape, seed=9)
    sent = torch.autograd.grad(output, inputs, arriving)
    explained = sum((each * change(value)).flatten(1).sum(1) for each, value in zip(sent, values, strict=True))
    torch.testing.assert_close(explained, (arriving * change(output.detach())).flatten(1).sum(1))


def test_what_did_not_change_sends_the_derivative() -> None:
    half = random(1, 6)
    x = torch.cat([half, half]).requires_grad_()
    (sent,) = torch.autograd.grad(ops.pointwise(torch.sigmoid, x, 2).sum(), x)
    y = x.detach().sigmoid()
    torch.testing.assert_close(sent, y * (1 - y))


def test_a_maximum_that_moved_is_split_between_both_places() -> None:
    picture, baseline = torch.tensor([[[5.0, 1.0]]]), torch.tensor([[[0.0, 3.0]]])
    x = torch.cat([picture, baseline])[:, None].double().requires_grad_()
    output = ops.max_pooled(x, lambda each: F.max_pool2d(each, (1, 2), return_indices=True), 2)
    (sent,) = torch.autograd.grad(output[0].sum(), x)
    # The maximum rose from 3 to 5: by 2 where 0 became 5, and by nothing where 3 became 1.
    torch.testing.assert_close(sent[0].flatten(), torch.tensor([2 / 5, 0.0]).double())


def test_a_function_that_works_in_place_leaves_its_input() -> None:
    x = random(2, 3).requires_grad_()
    before = x.detach().clone()
    ops.pointwise(lambda values: values.relu_(), x, 2)
    assert torch.equal(x, before)
