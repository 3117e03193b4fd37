"""DeepLIFT's rescale rule: what passes an operation is the ratio of how much its output and its input changed.

A picture and its baseline run through the model side by side, and each operation sees both.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from featuremaps.rules import deeplift_ops
from featuremaps.rules.baseline_pairs import interleaved, is_constant, swapped
from featuremaps.rules.operations import ACTIVATIONS, POINTWISE, Operation
from featuremaps.rules.rule import Rule, counted
from featuremaps.rules.unfused_attention import written_out

_PRODUCTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mul": torch.mul, "matmul": torch.matmul}
_CURVED = frozenset(_PRODUCTS) | {
    "div", "layer_norm", "group_norm", "attention", "multi_head_attention", "max", "softmax",
    "log_softmax", "max_pool", "adaptive_max_pool", *POINTWISE,
}  # fmt: skip
_POOLS: dict[str, deeplift_ops.Pool] = {
    f"{adaptive}max_pool{axes}d": getattr(F, f"{adaptive}max_pool{axes}d_with_indices")
    for adaptive in ("", "adaptive_")
    for axes in (1, 2, 3)
}


class Rescale(Rule):
    """Multipliers of the difference between pictures and their `baseline`, in the place of gradients.

    Functions of single values send back g·Δoutput/Δinput (Shrikumar et al. 2017, section 3.5.1), their ordinary
    gradient where the input did not change. Max pooling splits the change between the places where the maximum is
    and was. In a product of two things that change, each is multiplied by the mean of the other; softmax,
    normalisation and fused attention are taken apart into such steps. All else keeps its gradient.
    """

    title: ClassVar[str] = "DeepLIFT's rescale rule"

    def __init__(self, baseline: Tensor) -> None:
        super().__init__()
        self.baseline = baseline
        self.rows = 2 * len(baseline)

    def prepared(self, inputs: Tensor) -> Tensor:
        """Each picture followed by its baseline, (batch·2, …)."""
        return interleaved(inputs, self.baseline)

    def collected(self, arrived: Tensor, inputs: Tensor) -> Tensor:
        """The multipliers of the pictures; their baselines' are the same wherever the rule holds everywhere."""
        return arrived[::2]

    def act(self, operation: Operation) -> Any:
        """The output of an operation that the rule covers; None, and a count in `kept`, for one it cannot treat."""
        if not _is_curved(operation):
            return None
        output = self._treated(operation) if self._is_paired(operation) else None
        if output is None and operation.kind not in ACTIVATIONS:  # those are counted where None is given
            self.kept[operation.kind] += 1
        return output

    def warning(self) -> str | None:
        """Which operations kept their gradient, so that the contributions need not add up."""
        if self.kept:
            return (
                f"{self.title} acted on {counted(self.replaced) or 'nothing'}; {counted(self.kept)} kept their own "
                "gradient, so the contributions need not add up to the change of the score "
                "(see the completeness error)."
            )
        if self.replaced:
            return None
        return f"{self.title} found no activation function: this is the plain gradient times the change of the picture."

    def _is_paired(self, operation: Operation) -> bool:
        """Whether the pictures can be told in everything that deeplift_ops."""
        operands = (operation.input, *_others(operation))
        return all(swapped(operand, self.rows) is not None for operand in operands)

    def _treated(self, operation: Operation) -> Any:
        kind, x, rows = operation.kind, operation.input, self.rows
        if kind in ACTIVATIONS or (kind in POINTWISE and not _others(operation)):
            return deeplift_ops.pointwise(lambda values: operation.on(values).run(), x, rows)
        if kind in _PRODUCTS:
            return deeplift_ops.product(_PRODUCTS[kind], x, _others(operation)[0], rows)
        if kind == "div" and operation.kwargs.get("rounding_mode") is None:
            return deeplift_ops.quotient(x, _others(operation)[0], rows)
        if kind in ("max_pool", "adaptive_max_pool"):
            return self._max_pooled(operation)
        if kind == "softmax" and operation.argument("dim", 1) is not None:
            return _as_it_is(operation, deeplift_ops.softmax(x, operation.argument("dim", 1), rows))
        if kind in ("layer_norm", "group_norm"):
            return _as_it_is(operation, self._normalised(operation))
        if kind in ("attention", "multi_head_attention"):
            return self._attention(operation)
        return None

    def _attention(self, operation: Operation) -> Any:
        product = partial(deeplift_ops.product, torch.matmul, rows=self.rows)
        found = written_out(operation, product, partial(deeplift_ops.softmax, dim=-1, rows=self.rows))
        return None if found is None else found.result(product(found.probabilities, found.values))

    def _max_pooled(self, operation: Operation) -> Tensor | None:
        name = operation.function.__name__
        if operation.input.ndim != int(name[-2]) + 2 or operation.argument("return_indices", 6):
            return None
        given = {key: value for key, value in operation.kwargs.items() if key not in ("input", "return_indices")}
        return deeplift_ops.max_pooled(
            operation.input, lambda x: _POOLS[name](x, *operation.args[1:6], **given), self.rows
        )

    def _normalised(self, operation: Operation) -> Tensor:
        x, weight, eps = operation.input, operation.argument("weight", 2), operation.argument("eps", 4, 1e-5)
        if operation.kind == "layer_norm":
            dims = range(-len(operation.argument("normalized_shape", 1)), 0)
            output = deeplift_ops.normalised(x, tuple(dims), eps, self.rows)
            return output if weight is None else output * weight
        groups = x.reshape(len(x), operation.argument("num_groups", 1), -1)
        output = deeplift_ops.normalised(groups, (2,), eps, self.rows).view(x.shape)
        return output if weight is None else output * weight.reshape(-1, *[1] * (x.ndim - 2))


def _others(operation: Operation) -> tuple[Tensor, ...]:
    """What changes with the picture beside the input."""
    if operation.kind in ("attention", "multi_head_attention"):
        return tuple(operation.argument(name, place) for place, name in enumerate(("key", "value"), start=1))
    if operation.kind not in ("mul", "matmul", "div", *POINTWISE):
        return ()
    other = operation.argument("other", 1, operation.kwargs.get("mat2"))
    return () if is_constant(other) else (other,)


def _is_curved(operation: Operation) -> bool:
    """Whether its gradient alone does not say how its output changed; a function of one thing that deeplift_ops."""
    if is_constant(operation.input) or not operation.input.is_floating_point():
        return False
    if operation.kind in (*_PRODUCTS, "div"):
        return bool(_others(operation))
    return operation.kind in ACTIVATIONS or operation.kind in _CURVED


def _as_it_is(operation: Operation, surrogate: Tensor) -> Tensor:
    """What the operation itself gives, the gradient going another way."""
    with torch.no_grad():
        output = operation.run()
    return deeplift_ops.sends_to(surrogate, output)
