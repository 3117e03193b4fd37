"""Ways back through a ReLU: the gradient's, guided backprop's, the DeconvNet's, and one around dead ReLUs."""

from typing import Any, ClassVar, Literal, get_args

import torch
from torch import Tensor

from featuremaps.rules.graph_origin import Followed, depends_on_input
from featuremaps.rules.operations import Operation
from featuremaps.rules.rule import Rule

ReluRule = Literal["gradient", "guided", "deconvnet"]
RELU_RULES: tuple[ReluRule, ...] = get_args(ReluRule)
TITLES = {"gradient": "the gradient", "guided": "guided backprop", "deconvnet": "the DeconvNet"}


class Rectifiers(Rule):
    """ReLU and ReLU6 send back what `way` says at the time of the backward pass.

    With g what comes from above and x the input: the gradient g·[x > 0]; guided backprop (Springenberg et al. 2015,
    eq. 5) relu(g)·[x > 0]; the DeconvNet (Zeiler & Fergus 2014, section 2.1) relu(g). All may be run through one
    graph, one after the other.
    """

    way: ReluRule = "gradient"

    @property
    def title(self) -> str:  # type: ignore[override]
        """The rule's name in a sentence."""
        return TITLES[self.way]

    def act(self, operation: Operation) -> Tensor | None:
        """The output of a rectifier on the input's way; None for all else."""
        if operation.kind not in ("relu", "relu6") or not depends_on_input(operation.input):
            return None
        return _Rectify.apply(operation.input, operation.top, operation.in_place, self)


class _Rectify(torch.autograd.Function, Followed):
    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, in_place: bool, rule: Rectifiers) -> Tensor:
        ctx.rule = rule
        return _clamped(ctx, x, top, in_place)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor, None, None, None]:
        (output,), (gradient,) = ctx.saved_tensors, arriving
        if ctx.rule.way != "gradient":
            gradient = gradient.clamp_min(0)
        if ctx.rule.way != "deconvnet":
            gradient = torch.ops.aten.threshold_backward(gradient, output, 0)
            gradient = gradient if ctx.top == float("inf") else gradient * (output < ctx.top)
        return gradient, None, None, None


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
        return _clamped(ctx, x, top, in_place)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor, None, None]:
        (output,), (gradient,) = ctx.saved_tensors, arriving
        passed = gradient * ((output > 0) & (output < ctx.top))
        rows = (len(passed), *[1] * (passed.ndim - 1))
        dead = ~passed.flatten(1).any(1) if passed.ndim > 1 else passed == 0
        return torch.where(dead.reshape(rows), gradient.clamp_min(0), passed), None, None


def _clamped(ctx: Any, x: Tensor, top: float, in_place: bool) -> Tensor:
    """What a ReLU or ReLU6 gives; kept, as autograd itself does: where it is 0 or at its top, nothing passed."""
    most = None if top == float("inf") else top
    if in_place:
        ctx.mark_dirty(x)
    output = x.clamp_(0, most) if in_place else x.clamp(0, most)
    ctx.save_for_backward(output)
    ctx.top = top
    return output
