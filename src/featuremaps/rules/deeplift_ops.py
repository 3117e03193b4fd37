"""How the change of an operation's output, between picture and baseline, is shared out over the changes of its inputs.

Every tensor holds pictures beside their baselines (see `baseline_pairs`), `rows` of both together. What an operation
here sends back, times the changes of its inputs, adds up to what arrives times the change of its output.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from featuremaps.rules.baseline_pairs import swapped

Pool = Callable[[Tensor], tuple[Tensor, Tensor]]


def sends_to(surrogate: Tensor, value: Tensor) -> Tensor:
    """`value`, whose gradient goes to `surrogate`."""
    return _SendsTo.apply(surrogate, lambda: value.detach())


def pointwise(function: Callable[[Tensor], Tensor], x: Tensor, rows: int) -> Tensor:
    """A function of single values: the ratio of the changes, and its derivative where the input did not change."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        output = function(leaf.clone())  # which may work in place
    derivative = torch.autograd.grad(output.sum(), leaf)[0]
    values, output = leaf.detach(), output.detach()
    other_values, other = _other(values, rows), _other(output, rows)
    change = values - other_values
    size = values.abs() + other_values.abs() + output.abs() + other.abs()
    near = change.abs() <= _rounding(values) * size
    slope = torch.where(near, derivative, (output - other) / change.masked_fill(near, 1.0))
    return sends_to(slope * x, output)


def product(function: Callable[[Tensor, Tensor], Tensor], one: Tensor, other: Tensor, rows: int) -> Tensor:
    """A product of two things that change: each is multiplied by the mean of the other over picture and baseline."""
    left, right = one.detach(), other.detach()
    mean_left, mean_right = ((values + _other(values, rows)) / 2 for values in (left, right))
    return sends_to(function(one, mean_right) + function(mean_left, other), function(left, right))


def quotient(one: Tensor, other: Tensor, rows: int) -> Tensor:
    """A product with one over something."""
    return product(torch.mul, one, pointwise(torch.reciprocal, other, rows), rows)


def softmax(x: Tensor, dim: int, rows: int) -> Tensor:
    """Exponentials divided by their sum; picture and baseline share the shift that keeps them finite."""
    wide = _wide(x).clamp_min(-1e30)  # a masked place did not change
    highest = wide.detach().amax(dim, keepdim=True)
    powers = pointwise(torch.exp, wide - torch.maximum(highest, _other(highest, rows)), rows)
    return quotient(powers, powers.sum(dim, keepdim=True), rows).to(x.dtype)


def normalised(x: Tensor, dims: tuple[int, ...], eps: float, rows: int) -> Tensor:
    """Values less their mean over `dims`, divided by their standard deviation."""
    wide = _wide(x)  # a flat baseline has a small deviation, and large parts cancel
    centred = wide - wide.mean(dims, keepdim=True)
    variance = pointwise(torch.square, centred, rows).mean(dims, keepdim=True)
    inverse = pointwise(lambda values: (values + eps).rsqrt(), variance, rows)
    return product(torch.mul, centred, inverse, rows).to(x.dtype)


def max_pooled(x: Tensor, pool: Pool, rows: int) -> Tensor:
    """Max pooling; `pool` gives the maxima and their places."""
    return _MaxPool.apply(x, pool, rows)


def _other(values: Tensor, rows: int) -> Tensor:
    exchanged = swapped(values, rows)
    assert exchanged is not None  # a rule asks only about tensors whose pictures can be told
    return exchanged


def _wide(values: Tensor) -> Tensor:
    """In double precision, where the device has it."""
    return values.float() if values.device.type == "mps" else values.double()


def _rounding(values: Tensor) -> float:
    """Below this share of the values, a change is rounding."""
    return 8 * torch.finfo(values.dtype).eps


class _SendsTo(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, surrogate: Tensor, value: Callable[[], Tensor]) -> Tensor:
        return value()

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor, None]:
        return arriving[0], None


class _MaxPool(torch.autograd.Function):
    """The change of a maximum, split between the place where it is and the place where the other half's is.

    With M the larger of the two maxima, the picture's place gets (M − baseline's)/Δx there, and the baseline's place
    (picture's − M)/Δx there: both shares add up to the change. A place that did not change passes its own gradient.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, pool: Pool, rows: int) -> Tensor:
        output, places = pool(x)
        here, there = (values.flatten(2).gather(2, places.flatten(2)) for values in (x, _other(x, rows)))
        change, other = (here - there).view_as(output), _other(output, rows)
        near = (change.abs().flatten(2) <= _rounding(x) * (here.abs() + there.abs())).view_as(output)
        share = (torch.maximum(output, other) - other) / change.masked_fill(near, 1.0)
        own, lent = share.masked_fill(near, 1.0), share.masked_fill(near, 0.0)
        ctx.save_for_backward(places, own, _other(places, rows), _other(lent, rows))
        ctx.shape = x.shape
        return output

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor, None, None]:
        gradient = arriving[0]
        places, own, other_places, lent = ctx.saved_tensors
        sent = gradient.new_zeros(ctx.shape).flatten(2)
        sent.scatter_add_(2, places.flatten(2), (gradient * own).flatten(2))
        sent.scatter_add_(2, other_places.flatten(2), (gradient * lent).flatten(2))
        return sent.view(ctx.shape), None, None
