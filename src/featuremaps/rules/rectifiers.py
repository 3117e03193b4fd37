"""Three ways back through a ReLU: the gradient's, guided backprop's and the DeconvNet's, from one forward pass."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from featuremaps.rules.operations import Operation
from featuremaps.rules.rule import Rule

Way = Literal["gradient", "guided", "deconvnet"]
WAYS: tuple[Way, ...] = get_args(Way)
TITLES = {"gradient": "the gradient", "guided": "guided backprop", "deconvnet": "the DeconvNet"}


class Rectifiers(Rule):
    """ReLU and ReLU6 send back what `way` says at the time of the backward pass.

    With g what comes from above and x the input: the gradient g·[x > 0]; guided backprop (Springenberg et al. 2015,
    eq. 5) relu(g)·[x > 0]; the DeconvNet (Zeiler & Fergus 2014, section 2.1) relu(g). All may be run through one
    graph, one after the other.
    """

    way: Way = "gradient"

    @property
    def title(self) -> str:  # type: ignore[override]
        """The rule's name in a sentence."""
        return TITLES[self.way]

    def act(self, operation: Operation) -> Tensor | None:
        """A rectifier's output; None for all else."""
        if operation.kind not in ("relu", "relu6") or not operation.input.is_floating_point():
            return None
        output: Tensor = _Rectify.apply(operation.input, operation.top, self)
        return output


class _Rectify(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, top: float, rule: Rectifiers) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < top))
        ctx.rule = rule
        return x.clamp(0, None if top == float("inf") else top)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor, None, None]:
        (passing,), (gradient,) = ctx.saved_tensors, arriving
        if ctx.rule.way != "gradient":
            gradient = gradient.clamp_min(0)
        return gradient if ctx.rule.way == "deconvnet" else gradient * passing, None, None
