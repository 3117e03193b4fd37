"""Relevance on its way back: what arrives at an operation's output is shared out among what made it.

For layer-wise relevance propagation and excitation backprop, which differ in their composites only.
"""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from featuremaps.rules.affine import Affine, affine_of, with_batch_norm
from featuremaps.rules.composites import Composite
from featuremaps.rules.graph_origin import Followed, Linear, depends_on_input, linear_node, sees_input
from featuremaps.rules.lrp_linear import LinearRule, shared, stabilised
from featuremaps.rules.operations import ACTIVATIONS, POINTWISE, Operation
from featuremaps.rules.rule import Rule, counted

_PASSED = ACTIVATIONS | {"batch_norm", "layer_norm", "group_norm", "instance_norm"}
_AVERAGED = {"mean", "sum", "avg_pool", "adaptive_avg_pool"}
_BINARY = {"add", "sub", "mul", "div"}
_WITHOUT_RULE = {"softmax", "log_softmax", "attention", "multi_head_attention", "matmul", "einsum", "normalize"}
_WITHOUT_RULE |= {"other_product"}
_WITHOUT_RULE |= POINTWISE | {"conv", "conv_transpose", "linear"}  # of weights that vary


class Relevance(Rule):
    """Linear operations pass relevance by the rules of a composite, the others by these:

    - Activations and norms pass it unchanged. A batch norm right after a linear operation is folded into it.
    - A sum, a mean or an average pooling shares it in proportion to its terms; constant terms take nothing.
    - A product with a constant passes it; of two factors that depend on the input each takes half. A quotient
      passes it to what is divided. A minus right after a linear operation is folded into it; elsewhere it passes it as
      well, and `warning` says so where rules ask for signs.
    - Max pooling, concatenation, padding and whatever only moves values keep their gradient, which passes it to
      where the values came from.
    - Softmax, attention and products of matrices that both depend on the input have no rule: they keep their
      gradient, and `warning` counts them.
    """

    title: ClassVar[str] = "layer-wise relevance propagation"
    start: ClassVar[Literal["one", "score"]] = "score"

    def __init__(self, composite: Composite) -> None:
        super().__init__()
        self.composite = composite
        self.turned = 0
        self._descent = _Descent()

    def act(self, operation: Operation) -> Tensor | None:
        """The operation's output, from which relevance goes back by its rule."""
        if operation.kind in _BINARY:
            return self._binary(operation)
        if not depends_on_input(operation.input):
            self._count_kept(operation)
            return None
        if operation.kind == "neg":
            return self._turned(operation, operation.input)
        layer = affine_of(operation)
        if layer is not None:
            return self._linear(operation, layer)
        if operation.kind == "batch_norm":
            return self._batch_norm(operation)
        if operation.kind in _PASSED:
            return _applied(_Pass, operation.input, operation.apart)
        if operation.kind in _AVERAGED:
            return _applied(_Average, operation.input, operation.applied(), self.composite)
        self._count_kept(operation)
        return None

    def warning(self) -> str | None:
        """Which nonlinear operations had no rule, with counts; None where all had one."""
        if not self.replaced:
            return f"{self.title} found nothing to act on: this is the plain gradient times what was sent back."
        texts = []
        if self.kept:
            texts.append(
                f"{self.title} has no rule for {counted(self.kept)}, which kept their own gradient: "
                "what arrives at the picture does not add up to what was sent back."
            )
        if self.turned:
            texts.append(
                f"{self.title} asks here for the sign of contributions, and the model turns it round {self.turned} "
                f"time{'s' if self.turned > 1 else ''} (a minus or a negative factor): what stands before that may be "
                "shown for what it is against."
            )
        return " ".join(texts) or None

    def _count_kept(self, operation: Operation) -> None:
        if operation.kind in _WITHOUT_RULE and any(map(depends_on_input, tree_leaves(operation.args))):
            self.kept[operation.kind] += 1

    def _linear(self, operation: Operation, layer: Affine) -> Tensor:
        rule = self.composite.rule_for(layer.kind, sees_input(operation.input))
        return self._share(operation.input, operation.run, layer, rule)

    def _batch_norm(self, operation: Operation) -> Tensor:
        """Folded, it goes back to the linear operation's input directly, and that one's own way back is not taken."""
        node = linear_node(operation.input)
        folded = None if node is None else with_batch_norm(node.layer, operation)
        if folded is None:
            return _applied(_Pass, operation.input, operation.run)
        return self._share(node.saved_tensors[0], operation.run, folded, node.rules[0])

    def _share(self, x: Tensor, run: Callable[[], Tensor], layer: Affine, rule: LinearRule) -> Tensor:
        return _applied(_Share, x, run, layer, (rule, self.composite.last), self._descent)

    def _binary(self, operation: Operation) -> Tensor | None:
        first, second = operation.input, operation.argument("other", 1)
        dependent = [term for term in (first, second) if depends_on_input(term)]
        if not dependent:
            return None
        if len(dependent) == 1 and _sign(operation, dependent[0]) < 1:
            return self._turned(operation, dependent[0])
        if len(dependent) == 1 or operation.kind == "div":
            return _applied(_Pass, dependent[0], operation.apart)
        if operation.kind == "mul":
            return _applied(_Halve, first, second, operation.apart)
        scale = float(operation.argument("alpha", 2, 1)) * (1 if operation.kind == "add" else -1)
        return _applied(_Split, first, second, scale, operation.apart, self.composite)

    def _turned(self, operation: Operation, x: Tensor) -> Tensor:
        """The opposite of a linear operation's output goes back as that of one with the opposite weights."""
        node = linear_node(x)
        if node is not None and _sign(operation, x) < 0:
            x = self._share(node.saved_tensors[0], lambda: -x, node.layer.negated(), node.rules[0])
        else:
            self.turned += self.composite.by_sign
        return _applied(_Pass, x, operation.apart)


def _sign(operation: Operation, x: Tensor) -> int:
    """1 where an operation with a constant keeps the sign of a change of `x`, -1 where it turns it, 0 for both."""
    first, second = operation.input, operation.argument("other", 1)
    if operation.kind == "neg":
        return -1
    if operation.kind in ("add", "sub"):
        scaled = x is first if operation.reversed else x is second
        factor = operation.argument("alpha", 2, 1) if scaled else 1
        return 1 if (factor > 0) != (scaled and operation.kind == "sub") else -1
    negative = torch.as_tensor(second if x is first else first).detach() < 0
    return 1 if not bool(negative.any()) else -1 if bool(negative.all()) else 0


class _Descent:
    """Tells which linear operation a backward pass meets first: it meets them in the reverse of their order."""

    def __init__(self) -> None:
        self._count = self._reached = 0

    def numbered(self) -> int:
        self._count += 1
        return self._count

    def begins_at(self, number: int) -> bool:
        begins, self._reached = number >= self._reached, number
        return begins


class _Share(torch.autograd.Function, Linear):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        run: Callable[[], Tensor],
        layer: Affine,
        rules: tuple[LinearRule, LinearRule | None],
        descent: _Descent,
    ) -> Tensor:
        output = run()
        needed = any(rule is not None and rule.needs_output for rule in rules)
        # A copy: the next operation may work in place.
        ctx.save_for_backward(x, output.clone() if needed else None)
        ctx.layer, ctx.rules, ctx.descent, ctx.number = layer, rules, descent, descent.numbered()
        return output

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        x, output = ctx.saved_tensors
        rule, last = ctx.rules
        if ctx.descent.begins_at(ctx.number) and last is not None:
            rule = last
        with torch.autocast(x.device.type, enabled=False):
            return shared(rule, ctx.layer, x.detach(), output, arriving[0]), None, None, None, None


class _Pass(torch.autograd.Function, Followed):
    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Callable[[], Tensor]) -> Tensor:
        ctx.shape, ctx.dtype = x.shape, x.dtype
        return run()

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor, None]:
        return arriving[0].sum_to_size(ctx.shape).to(ctx.dtype), None


class _Halve(torch.autograd.Function, Followed):
    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, run: Callable[[], Tensor]) -> Tensor:
        ctx.like = [(term.shape, term.dtype) for term in (first, second)]
        return run()

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor, Tensor, None]:
        half = arriving[0] / 2
        first, second = (half.sum_to_size(shape).to(dtype) for shape, dtype in ctx.like)
        return first, second, None


class _Split(torch.autograd.Function, Followed):
    @staticmethod
    def forward(
        ctx: Any, first: Tensor, second: Tensor, scale: float, run: Callable[[], Tensor], composite: Composite
    ) -> Tensor:
        ctx.like = [(term.shape, term.dtype) for term in (first, second)]
        terms = [composite.sums(term.to(_wide(term))) for term in (first, second * scale)]
        total = stabilised(terms[0] + terms[1], composite.stabiliser)
        ctx.save_for_backward(*(term / total for term in terms))
        return run()

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        like = zip(ctx.saved_tensors, ctx.like, strict=True)
        first, second = ((arriving[0] * share).sum_to_size(shape).to(dtype) for share, (shape, dtype) in like)
        return first, second, None, None, None


class _Average(torch.autograd.Function, Followed):
    @staticmethod
    def forward(ctx: Any, x: Tensor, average: Callable[[Tensor], Tensor], composite: Composite) -> Tensor:
        # A copy: unlike its own gradient, this needs the values, and the next operation may work in place on them.
        ctx.save_for_backward(x.detach().clone())
        ctx.average, ctx.composite = average, composite
        return average(x)

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        with torch.enable_grad():
            terms = ctx.composite.sums(x.to(_wide(x))).requires_grad_()
            total = ctx.average(terms)
            sent = arriving[0].to(total.dtype) / stabilised(total.detach(), ctx.composite.stabiliser)
            back = torch.autograd.grad(total, terms, sent)[0]
        return (back * terms.detach()).to(x.dtype), None, None


def _applied(function: type[torch.autograd.Function], *given: object) -> Tensor:
    output: Tensor = function.apply(*given)
    return output


def _wide(values: Tensor) -> torch.dtype:
    return torch.promote_types(values.dtype, torch.float32)


class Excitation(Relevance):
    """Relevance as a probability: what is sent back from the score is 1."""

    title = "excitation backprop"
    start = "one"
