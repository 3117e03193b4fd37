"""Linear operations on relevance's way back, as autograd sees them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from featuremaps.rules.affine import Affine
from featuremaps.rules.graph_origin import Linear, unviewed
from featuremaps.rules.lrp_ledger import Ledger
from featuremaps.rules.lrp_linear import LinearRule, shared


class Descent:
    """Tells which linear operation a backward pass meets first: it meets them in the reverse of their order."""

    def __init__(self) -> None:
        self._count = self._reached = 0

    def numbered(self) -> int:
        """The number of an operation, in the order of the forward pass."""
        self._count += 1
        return self._count

    def begins_at(self, number: int) -> bool:
        """Whether a backward pass begins with the operation that has this number."""
        begins, self._reached = number >= self._reached, number
        return begins


def linear(
    x: Tensor,
    run: Callable[[], Tensor],
    layer: Affine,
    rules: tuple[LinearRule, LinearRule | None],
    descent: Descent,
    ledger: Ledger,
) -> Tensor:
    """What `run` gives, from which relevance goes to `x` by the layer's rule; by the second where it is the last."""
    return _Linear.apply(x, run, layer, rules, descent, ledger)


class _Linear(torch.autograd.Function, Linear):
    # A batch norm that follows finds here what it is folded into.
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        run: Callable[[], Tensor],
        layer: Affine,
        rules: tuple[LinearRule, LinearRule | None],
        descent: Descent,
        ledger: Ledger,
    ) -> Tensor:
        own = run()
        needed = any(rule is not None and rule.needs_output for rule in rules)
        output = own.clone() if needed else unviewed(own)  # a copy: the next operation may work in place
        ctx.save_for_backward(x, own if needed else None)
        ctx.layer, ctx.rules, ctx.ledger = layer, rules, ledger
        ctx.descent, ctx.number = descent, descent.numbered()
        return output

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        x, output = ctx.saved_tensors
        rule, last = ctx.rules
        if ctx.descent.begins_at(ctx.number) and last is not None:
            rule = last
        with torch.autocast(x.device.type, enabled=False):
            sent = shared(rule, ctx.layer, x.detach(), output, arriving[0])
        ctx.ledger.enter("biases", arriving[0], (sent,))
        return sent, None, None, None, None, None
