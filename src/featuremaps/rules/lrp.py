"""Relevance on its way back: what arrives at an operation's output is shared out among what made it.

For layer-wise relevance propagation and excitation backprop, which differ in their composites only.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from featuremaps.rules.affine import Affine, affine_of, with_batch_norm
from featuremaps.rules.composites import Composite
from featuremaps.rules.graph_origin import depends_on_input, is_normaliser, linear_node, sees_input
from featuremaps.rules.lrp_attention import Softmax, norm_of, product_of
from featuremaps.rules.lrp_layers import Descent, linear
from featuremaps.rules.lrp_ledger import Ledger
from featuremaps.rules.lrp_linear import LinearRule
from featuremaps.rules.lrp_splits import Average, Equally, Terms, passed
from featuremaps.rules.operations import ACTIVATIONS, Operation, asks, moves
from featuremaps.rules.rule import Rule, counted
from featuremaps.rules.unfused_attention import written_out

_ROUTED = frozenset({"cat", "max", "max_pool", "adaptive_max_pool", "interpolate"})
_MISSING = 0.01
KEPT = "relevance kept by biases"
"""What the remark is called that says for each picture what of the score did not arrive."""


class Relevance(Rule):
    """Linear operations pass relevance by the rules of a composite, the others by these:

    - Activations and norms pass it unchanged. A batch norm right after a linear operation is folded into it. Layer,
      group and instance norm after a linear operation are the linear functions that they are with the deviation
      held; their bias keeps a share.
    - A sum, a mean or an average pooling shares it in proportion to its terms. Constant terms take nothing, but for a
      tensor that is added after a linear operation, such as a position's embedding or bias: that is a bias, and keeps
      its share.
    - A product with a constant passes it; of two factors that depend on the input each takes half. A factor that is
      one over something normalises, and takes nothing; a quotient passes it to what is divided. A minus right after a
      linear operation is folded into it; elsewhere it passes it as well, and `warning` says so where rules ask for
      signs.
    - Values that are read off a map at places of a grid (`grid_sample`), as by deformable attention, share it in
      proportion too; the places are held, as attention's probabilities may be, and take nothing.
    - Products of matrices that both depend on the input, softmax and attention, fused or not, pass it by the rules of
      AttnLRP (Achtibat et al. 2024); see `lrp_attention`. Excitation backprop has none for them.
    - Max pooling, concatenation, padding and whatever only moves values keep their gradient, which passes it to
      where the values came from.
    - Everything else, and whatever works on complex numbers, has no rule: it keeps its gradient, and `warning` counts
      it, if any relevance came there.

    What is not sent on is entered into `ledger`: the score is the relevance of the input, and what biases and softmax's
    offset kept. `missing` is the part of it that is neither, which was lost or made where there is no rule.
    """

    title: ClassVar[str] = "layer-wise relevance propagation"
    start: ClassVar[Literal["one", "score"]] = "score"

    def __init__(self, composite: Composite) -> None:
        super().__init__()
        self.composite = composite
        self.ledger = Ledger()
        self.turned = 0
        self.missing = 0.0
        self._any = False  # where nothing arrives, it is cut off, which is told of elsewhere
        self._descent = Descent()

    def collected(self, arrived: Tensor, inputs: Tensor) -> Tensor:
        """What arrived, as it is; the accounts are made up from it."""
        if self.sent is None:
            return arrived
        self.missing, self._any = self.ledger.missing(self.sent, arrived), bool(arrived.any())
        if self.start == "score":
            wide = arrived.to(torch.promote_types(arrived.dtype, torch.float32))
            kept = self.sent - wide.flatten(1).sum(1)
            unknown = self.missing > _MISSING
            self.remarks = {KEPT: torch.full_like(kept, torch.nan) if unknown else kept}
        return arrived

    def act(self, operation: Operation) -> Any:
        """The output of an operation that has a rule, from which relevance goes back by it; None for all others."""
        handler = _TABLE.get(operation.kind)
        if handler is None or any(map(_is_complex, (*operation.args, *operation.kwargs.values()))):
            return None
        if depends_on_input(operation.input) or _any_depends((operation.args, dict(operation.kwargs))):
            return handler(self, operation)
        return None

    def passed_over(self, function: Callable[..., Any], operation: Operation | None, output: Any) -> None:
        """Counts a function without a rule once relevance arrives there, unless it only moves values."""
        name = operation.kind if operation is not None else getattr(function, "__name__", str(function)).strip("_")
        if operation is not None and name == "cat":
            self._enter_constants(operation, output)
        if name in _ROUTED or moves(function) or asks(function):
            return
        reached: list[bool] = []

        def arrived(_: Tensor) -> None:
            self.kept[name] += not reached
            reached.append(True)

        for each in [output] if isinstance(output, Tensor) else tree_leaves(output):
            if depends_on_input(each):
                each.register_hook(arrived)

    def warning(self) -> str | None:
        """Which operations had no rule, with counts, and where relevance was lost; None where all is accounted for."""
        if not self.replaced:
            return f"{self.title} found nothing to act on: this is the plain gradient times what was sent back."
        texts = []
        if self.kept:
            texts.append(
                f"{self.title} has no rule for {counted(self.kept)}, which kept their own gradient: "
                "what arrives at the picture does not add up to what was sent back."
            )
        elif self.missing > _MISSING and self._any:
            texts.append(
                f"{self.title} lost {self.missing:.0%} of what was sent back where the model overwrites or selects "
                "values: what arrives at the picture does not add up to it."
            )
        if self.turned:
            texts.append(
                f"{self.title} asks here for the sign of contributions, and the model turns it round {self.turned} "
                f"time{'s' if self.turned > 1 else ''} (a minus or a negative factor): what stands before that may be "
                "shown for what it is against."
            )
        return " ".join(texts) or None

    def _enter_constants(self, operation: Operation, output: Tensor) -> None:
        """What arrives at constants between other tensors, such as a class token, is entered into the ledger."""
        parts, dim = operation.argument("tensors", 0), operation.argument("dim", 1, 0)
        constants, start = [], 0
        for part in parts:
            length = part.shape[dim] if part.numel() else 0
            if length and not depends_on_input(part):
                constants.append((start, length))
            start += length
        if constants and depends_on_input(output):
            output.register_hook(partial(_entered, self.ledger, dim, constants))

    def _linear(self, operation: Operation) -> Tensor | None:
        layer = affine_of(operation) if depends_on_input(operation.input) else None
        if layer is None:
            return self._product(operation)
        rule = self.composite.rule_for(layer.kind, sees_input(operation.input))
        return self._share(operation.input, operation.run, layer, rule)

    def _batch_norm(self, operation: Operation) -> Tensor | None:
        """Folded, it goes back to the linear operation's input directly, and that one's own way back is not taken."""
        if not depends_on_input(operation.input):
            return None
        node = linear_node(operation.input)
        folded = None if node is None else with_batch_norm(node.layer, operation)
        if folded is None:
            return self._passed(operation, operation.input)
        return self._share(node.saved_tensors[0], operation.run, folded, node.rules[0])

    def _share(self, x: Tensor, run: Callable[[], Tensor], layer: Affine, rule: LinearRule) -> Tensor:
        return linear(x, run, layer, (rule, self.composite.last), self._descent, self.ledger)

    def _identity(self, operation: Operation) -> Tensor | None:
        return self._passed(operation, operation.input) if depends_on_input(operation.input) else None

    def _passed(self, operation: Operation, x: Tensor) -> Tensor:
        return passed(Equally(1), operation.apart, self.ledger, x)

    def _average(self, operation: Operation) -> Tensor | None:
        if not depends_on_input(operation.input):
            return None
        average = Average(operation.applied(), self.composite)
        return passed(average, operation.run, self.ledger, operation.input)

    def _resized(self, operation: Operation) -> Tensor | None:
        return None if "nearest" in operation.argument("mode", 3, "nearest") else self._average(operation)

    def _sampled(self, operation: Operation) -> Tensor | None:
        """Where values are read from is held, and takes nothing."""
        map, grid, rest = operation.input, operation.argument("grid", 1), operation.args[2:]
        named = {name: value for name, value in operation.kwargs.items() if name not in ("input", "grid")}
        held = replace(operation, args=(map, grid.detach(), *rest), kwargs=named)
        constant: Tensor | None = None if depends_on_input(map) else held.run()
        return self._average(held) if constant is None else constant

    def _norm(self, operation: Operation) -> Tensor | None:
        x = operation.input
        if not depends_on_input(x):
            return None
        statistics = operation.kind == "instance_norm" and not operation.argument("use_input_stats", 5, True)
        if statistics or not self.composite.signed or sees_input(x):
            return self._passed(operation, x)
        return passed(norm_of(operation, self.composite.stabiliser), operation.run, self.ledger, x)

    def _softmax(self, operation: Operation) -> Tensor | None:
        dim, x = operation.argument("dim", 1), operation.input
        if dim is None or not self.composite.signed:
            return None
        if self.composite.holds_attention and x.ndim > 2:
            return operation.run().detach()
        return passed(Softmax(dim), operation.run, self.ledger, x)

    def _attention(self, operation: Operation) -> Any:
        """Fused attention in steps, each of which is an operation of its own here."""
        if not self.composite.signed:
            return None
        with self:
            found = written_out(operation)
            return None if found is None else found.result(found.probabilities @ found.values)

    def _product(self, operation: Operation) -> Tensor | None:
        if not self.composite.signed:
            return None
        product, operands = product_of(operation, self.composite.stabiliser)
        return passed(product, partial(product.run, *operands), self.ledger, *operands)

    def _binary(self, operation: Operation) -> Tensor | None:
        first, second = operation.input, operation.argument("other", 1)
        dependent = [term for term in (first, second) if depends_on_input(term)]
        if not dependent:
            return None
        if len(dependent) == 1:
            return self._with_constant(operation, dependent[0])
        if operation.kind == "div" or (operation.kind == "mul" and is_normaliser(second)):
            return self._passed(operation, first)
        if operation.kind == "mul" and is_normaliser(first):
            return self._passed(operation, second)
        if operation.kind == "mul":
            return passed(Equally(2), operation.apart, self.ledger, first, second)
        return self._terms(operation, first, second)

    def _with_constant(self, operation: Operation, x: Tensor) -> Tensor:
        if _sign(operation, x) < 1:
            return self._turned(operation, x)
        constant = operation.argument("other", 1) if x is operation.input else operation.input
        bias = operation.kind in ("add", "sub") and isinstance(constant, Tensor) and constant.ndim > 0
        if bias and self.composite.signed and not sees_input(x):
            terms = (term if term is x else term.detach() for term in (operation.input, operation.argument("other", 1)))
            return self._terms(operation, *terms)
        return self._passed(operation, x)

    def _terms(self, operation: Operation, first: Tensor, second: Tensor) -> Tensor:
        scale = float(operation.argument("alpha", 2, 1)) * (1 if operation.kind == "add" else -1)
        return passed(Terms(scale, self.composite), operation.apart, self.ledger, first, second)

    def _negated(self, operation: Operation) -> Tensor:
        return self._turned(operation, operation.input)

    def _turned(self, operation: Operation, x: Tensor) -> Tensor:
        """The opposite of a linear operation's output goes back as that of one with the opposite weights."""
        node = linear_node(x)
        if node is not None and _sign(operation, x) < 0:
            x = self._share(node.saved_tensors[0], lambda: -x, node.layer.negated(), node.rules[0])
        else:
            self.turned += self.composite.by_sign
        return self._passed(operation, x)


_TABLE: Mapping[str, Callable[[Relevance, Operation], Any]] = {
    **dict.fromkeys(("conv", "conv_transpose", "linear", "matmul"), Relevance._linear),
    **dict.fromkeys(("einsum", "other_product", "added_product"), Relevance._product),
    **dict.fromkeys((*ACTIVATIONS, "clamp", "rms_norm", "normalize"), Relevance._identity),
    **dict.fromkeys(("add", "sub", "mul", "div"), Relevance._binary),
    **dict.fromkeys(("mean", "sum", "avg_pool", "adaptive_avg_pool", "fold"), Relevance._average),
    **dict.fromkeys(("attention", "multi_head_attention"), Relevance._attention),
    **dict.fromkeys(("layer_norm", "group_norm", "instance_norm"), Relevance._norm),
    "interpolate": Relevance._resized,
    "grid_sample": Relevance._sampled,
    "batch_norm": Relevance._batch_norm,
    "softmax": Relevance._softmax,
    "neg": Relevance._negated,
}


def _any_depends(values: object) -> bool:
    return any(map(depends_on_input, tree_leaves(values)))


def _is_complex(operand: object) -> bool:
    """Whether these are complex numbers, of which none is above zero or below, so that no rule shares them out."""
    return isinstance(operand, Tensor | complex) and (not isinstance(operand, Tensor) or operand.is_complex())


def _entered(ledger: Ledger, dim: int, constants: list[tuple[int, int]], arriving: Tensor) -> None:
    for start, length in constants:
        ledger.enter("biases", arriving.narrow(dim, start, length), ())


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


class Excitation(Relevance):
    """Relevance as a probability: what is sent back from the score is 1."""

    title = "excitation backprop"
    start = "one"
