"""A way back through dead ReLUs, for pictures that are drawn: where nothing would pass, what would wake them does."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from featuremaps.rules.operations import Operation
from featuremaps.rules.rule import Rule


class Redirected(Rule):
    """ReLUs that hand on a gradient although they are off, as far as it would switch them on.

    With g what comes from above and x the input, the gradient is g·[x > 0]. Where that is zero for a whole row of the
    batch, so that the row would learn nothing, relu(g) passes instead.
    """

    title: ClassVar[str] = "gradient redirection"

    def act(self, operation: Operation) -> Tensor | None:
        """A rectifier's output; None for all else."""
        if operation.kind not in ("relu", "relu6") or not operation.input.is_floating_point():
            return None
        return _Redirect.apply(operation.input, operation.top, operation.in_place)


class _Redirect(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, in_place: bool) -> Tensor:
        most = None if top == float("inf") else top
        if in_place:
            ctx.mark_dirty(x)
        output = x.clamp_(0, most) if in_place else x.clamp(0, most)
        ctx.save_for_backward(output)
        ctx.top = top
        return output

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor, None, None]:
        (output,), (gradient,) = ctx.saved_tensors, arriving
        passed = gradient * ((output > 0) & (output < ctx.top))
        rows = (len(passed), *[1] * (passed.ndim - 1))
        dead = ~passed.flatten(1).any(1) if passed.ndim > 1 else passed == 0
        return torch.where(dead.reshape(rows), gradient.clamp_min(0), passed), None, None
