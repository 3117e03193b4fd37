"""How relevance passes what attention is made of, by AttnLRP: softmax, products of matrices, and layer norm.

Achtibat et al. 2024, AttnLRP: attention-aware layer-wise relevance propagation for transformers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_unflatten

from featuremaps.rules.graph_origin import depends_on_input
from featuremaps.rules.lrp_linear import stabilised
from featuremaps.rules.lrp_splits import Split, wide
from featuremaps.rules.operations import Operation

_ADDED = {"added_product": ("input", 0), "linear": ("bias", 2), "conv": ("bias", 2), "conv_transpose": ("bias", 2)}


@dataclass(frozen=True, eq=False)
class Softmax(Split):
    """The first terms of the Taylor series with its offset (proposition 3.1).

    R_i = x_i·(R_i − s_i·Σ_j R_j). The offset, the part of the probabilities that no logit's size explains, keeps the
    rest. A logit that is masked out, −∞ or the lowest number there is, gets nothing.
    """

    dim: int
    cause: ClassVar[str] = "softmax"

    def kept(self, output: Tensor, *operands: Tensor) -> tuple[Tensor, ...]:
        """Logits and probabilities."""
        logits = operands[0]
        masked = logits <= torch.finfo(logits.dtype).min / 2
        return logits.to(wide(logits)).masked_fill(masked, 0.0), output.to(wide(output), copy=True)

    def back(self, arriving: Tensor, *kept: Tensor) -> Sequence[Tensor]:
        """The relevance of the logits."""
        logits, probabilities = kept
        total = arriving.sum(self.dim, keepdim=True, dtype=logits.dtype)
        return (torch.addcmul(arriving.to(logits.dtype), probabilities, total, value=-1).mul_(logits),)


@dataclass(frozen=True, eq=False)
class Normalised(Split):
    """Layer and group norm as the linear function that they are with the deviation held (proposition 3.4).

    With y = weight·(x − mean)/deviation + bias and u = R·weight/(deviation·y), R_x = x·(u − mean(u)) over the values
    that are normalised together; the bias keeps its share. `shape` is that of the values in which these lie along
    `dims`, and `weight` broadcasts over the values in their own shape.
    """

    shape: tuple[int, ...]
    dims: tuple[int, ...]
    weight: Tensor | None
    eps: float
    stabiliser: float

    def kept(self, output: Tensor, *operands: Tensor) -> tuple[Tensor, ...]:
        """The values, and weight/(deviation·y), in the shape in which values are normalised."""
        x, y = operands[0].to(wide(operands[0]), copy=True), output.to(wide(output))
        slope = stabilised(y, self.stabiliser).reciprocal_()
        slope = slope if self.weight is None else slope * self.weight.detach().to(x.dtype)
        x = x.reshape(self.shape)
        variance = (x - x.mean(self.dims, keepdim=True)).square_().mean(self.dims, keepdim=True)
        return x, slope.reshape(self.shape) * (variance + self.eps).rsqrt()

    def back(self, arriving: Tensor, *kept: Tensor) -> Sequence[Tensor]:
        """The relevance of the values."""
        x, slope = kept
        share = arriving.to(x.dtype).reshape(self.shape) * slope
        return ((x * (share - share.mean(self.dims, keepdim=True))).reshape(arriving.shape),)


class Product(Split):
    """Products of tensors that are linear in each: every factor gets its ε-LRP share, over how many factors vary.

    R_A = A·∂/∂A ⟨f(A, B), R/(k·(f + ε))⟩ for k factors that depend on the input (proposition
    3.3); of a term that is only added, the whole share. Here `function` runs on new operands, of which `added` says
    which are such terms. In float32 at least.
    """

    def __init__(self, function: Callable[..., Tensor], added: Sequence[bool], stabiliser: float) -> None:
        self.function, self.stabiliser = function, stabiliser
        self.added, self.factors = added, max(1, len(added) - sum(added))
        self._leaves: list[Tensor] = []
        self._output = torch.empty(0)

    def run(self, *operands: Tensor) -> Tensor:
        """What the operands give, with the graph of that kept for the way back."""
        with torch.enable_grad():
            self._leaves = [operand.detach().to(wide(operand)).requires_grad_() for operand in operands]
            self._output = self.function(*self._leaves)
        same = all(leaf.dtype == operand.dtype for leaf, operand in zip(self._leaves, operands, strict=True))
        return self._output.detach() if same else self.function(*operands)

    def kept(self, output: Tensor, *operands: Tensor) -> tuple[Tensor, ...]:
        """One over the product, and over how many factors vary."""
        total = stabilised(self._output.detach(), self.stabiliser)
        return (torch.div(total.new_tensor(1 / self.factors), total, out=total),)

    def back(self, arriving: Tensor, *kept: Tensor) -> Sequence[Tensor]:
        """The relevance of each operand."""
        share = arriving.to(kept[0].dtype) * kept[0]
        gradients = torch.autograd.grad(self._output, self._leaves, share, retain_graph=True)
        shares = [leaf.detach() * gradient for leaf, gradient in zip(self._leaves, gradients, strict=True)]
        return [each * self.factors if added else each for each, added in zip(shares, self.added, strict=True)]


def norm_of(operation: Operation, stabiliser: float) -> Normalised:
    """The split for a layer, group or instance norm."""
    x = operation.input
    if operation.kind == "layer_norm":
        dims = tuple(range(-len(operation.argument("normalized_shape", 1)), 0))
        weight, eps = operation.argument("weight", 2), operation.argument("eps", 4, 1e-5)
        return Normalised(x.shape, dims, weight, eps, stabiliser)
    instance = operation.kind == "instance_norm"
    groups = x.shape[1] if instance else operation.argument("num_groups", 1)
    weight = operation.argument("weight", 3 if instance else 2)
    weight = None if weight is None else weight.reshape(-1, *[1] * (x.ndim - 2))
    eps = operation.argument("eps", 7 if instance else 4, 1e-5)
    return Normalised((len(x), groups, x[0].numel() // groups), (2,), weight, eps, stabiliser)


def product_of(operation: Operation, stabiliser: float) -> tuple[Product, list[Tensor]]:
    """The split for a product of tensors, and which of its operands depend on the input."""
    leaves, spec = tree_flatten((operation.args, dict(operation.kwargs)))
    places = [place for place, leaf in enumerate(leaves) if depends_on_input(leaf)]
    operands: list[Tensor] = [leaves[place] for place in places]
    added = operation.argument(*_ADDED[operation.kind]) if operation.kind in _ADDED else None
    call = operation.function
    for place in places:
        leaves[place] = None  # the function holds no operand, and with it no graph

    def function(*new: Tensor) -> Tensor:
        values = dict(zip(places, new, strict=True))
        filled = [values.get(place, _like(leaf, new[0])) for place, leaf in enumerate(leaves)]
        args, kwargs = tree_unflatten(filled, spec)
        return call(*args, **kwargs)

    return Product(function, [operand is added for operand in operands], stabiliser), operands


def _like(leaf: Any, other: Tensor) -> Any:
    """A constant operand in the precision of the others."""
    return leaf.detach().to(other.dtype) if isinstance(leaf, Tensor) and leaf.is_floating_point() else leaf
