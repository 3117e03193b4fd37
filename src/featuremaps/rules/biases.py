"""FullGrad's bias terms: every bias times the gradient of the score where it is added."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.rules.baseline_pairs import by_picture, is_constant
from featuremaps.rules.operations import ACTIVATIONS, POINTWISE, Operation
from featuremaps.rules.rule import Rule, counted

_POSITION = {"conv": 2, "conv_transpose": 2, "linear": 2, "layer_norm": 3, "group_norm": 3}
_CHANNELS_LAST = frozenset(("linear", "layer_norm"))
_HOMOGENEOUS = frozenset(("relu", "leaky_relu", "prelu", "rrelu"))
_CURVED = (ACTIVATIONS - _HOMOGENEOUS) | {
    "softmax", "log_softmax", "attention", "multi_head_attention", "layer_norm", "group_norm", *POINTWISE,
}  # fmt: skip


class Biases(Rule):
    """Watches every output that a bias was added to; nothing changes on the way back.

    Batch norm adds its effective bias β − γμ/σ (Srinivas & Fleuret 2019, section 3); a constant that a model adds or
    subtracts by hand is a bias as well. `biases` belong to `watched`, one by one, and broadcast over them.
    """

    title: ClassVar[str] = "FullGrad"

    def __init__(self) -> None:
        super().__init__()
        self.biases: list[Tensor] = []
        self.rows = 1
        self._kinds: list[str] = []

    def prepared(self, inputs: Tensor) -> Tensor:
        """The inputs as they are."""
        self.rows = len(inputs)
        return inputs

    def act(self, operation: Operation) -> Tensor | None:
        """The output, watched, of an operation that adds a bias; None for all else."""
        if _is_curved(operation):
            self.kept[operation.kind] += operation.kind not in ACTIVATIONS  # those are counted where None is given
        bias = _bias_of(operation)
        if bias is None or bias.requires_grad:
            return None
        output = _out_of_place(operation)
        if by_picture(output, self.rows) is None:
            return None
        self.watched.append(output)
        self.biases.append(bias)
        self._kinds.append(operation.kind)
        return output.clone()  # what follows may work in place

    def warning(self) -> str | None:
        """Which operations are not linear around a picture, so that the terms do not add up to the score."""
        curved = self.kept - type(self.kept)({kind: self.kept[kind] for kind in _HOMOGENEOUS})
        if not curved:
            return None
        return (
            f"{self.title}'s terms add up to the score in networks of ReLUs; {counted(curved)} here are not linear "
            "around a picture, so part of the score belongs to no term (see the completeness error)."
        )

    def totals(self) -> Float[Tensor, " batch"]:
        """The sum of all bias terms, per picture, after the backward pass."""
        device = self.watched[0].device if self.watched else "cpu"
        total = torch.zeros(self.rows, device=device, dtype=torch.float32)
        for term, _ in self._terms():
            placed = by_picture(term, self.rows)
            if placed is not None:
                total = total + placed.flatten(1).sum(1)
        return total

    def maps(self, axes: int = 4) -> Iterator[Float[Tensor, "batch channel *space"]]:
        """The bias terms that have positions, so many axes in all, layer by layer, after the backward pass."""
        for term, kind in self._terms():
            if term.ndim == axes and len(term) == self.rows:
                yield term.movedim(-1, 1) if kind in _CHANNELS_LAST else term

    def _terms(self) -> Iterator[tuple[Tensor, str]]:
        for bias, gradient, kind in zip(self.biases, self.arrived, self._kinds, strict=True):
            if gradient is not None:
                yield bias * gradient, kind


def _is_curved(operation: Operation) -> bool:
    """Whether it is not linear, with a bias, around what it works on."""
    if is_constant(operation.input):
        return False
    if operation.kind in ("mul", "matmul", "div"):
        return not is_constant(operation.argument("other", 1, operation.kwargs.get("mat2")))
    return operation.kind in _CURVED or (operation.kind == "batch_norm" and bool(operation.argument("training", 5)))


def _bias_of(operation: Operation) -> Tensor | None:
    """What an operation adds to something linear in its input, shaped to broadcast over its output."""
    if operation.kind in ("add", "sub"):
        return _constant_term(operation)
    if is_constant(operation.input):
        return None
    with torch.no_grad():
        if operation.kind == "batch_norm" and not operation.argument("training", 5):
            x = operation.input
            return operation.on(x.new_zeros(1, x.shape[1], *[1] * (x.ndim - 2))).run()
        if operation.kind not in _POSITION or operation.argument("bias", _POSITION[operation.kind]) is None:
            return None
        bias = operation.argument("bias", _POSITION[operation.kind]).detach()
    return bias if operation.kind in _CHANNELS_LAST else bias.reshape(-1, *[1] * (operation.input.ndim - 2))


def _constant_term(operation: Operation) -> Tensor | None:
    """The constant that something is added to or subtracted from, with its sign."""
    operands = [operation.input, operation.argument("other", 1)]
    constant = [is_constant(operand) for operand in operands]
    if all(constant) or not any(constant):
        return None
    place = constant.index(True)
    changing = operands[1 - place]
    term = torch.as_tensor(operands[place], dtype=changing.dtype, device=changing.device).detach()
    signs = (1, 1)
    if operation.kind == "sub":
        signs = (-1, 1) if operation.reversed else (1, -1)
    return term * signs[place] * (operation.kwargs.get("alpha", 1) if place == 1 else 1)


def _out_of_place(operation: Operation) -> Tensor:
    """What an operation gives, its input left as it is."""
    return (operation.on(operation.input.clone()) if operation.in_place else operation).run()
