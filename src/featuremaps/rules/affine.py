"""Convolutions and dense layers as what they have in common: W·x + b, and Wᵀ·y on the way back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from featuremaps.rules.graph_origin import depends_on_input
from featuremaps.rules.operations import Function, Operation

_SETTINGS = {
    "conv": {"stride": 1, "padding": 0, "dilation": 1, "groups": 1},
    "conv_transpose": {"stride": 1, "padding": 0, "output_padding": 0, "groups": 1, "dilation": 1},
    "linear": {},
}  # in the order of the functions' own arguments
FEW_CHANNELS = 4
"""Those of a picture: kernels are made for more."""


@dataclass(frozen=True, eq=False)
class Affine:
    """A linear operation without its input. `scale` and `shift` are those of a batch norm folded into it."""

    kind: str
    function: Function
    weight: Tensor
    bias: Tensor | None
    settings: Mapping[str, Any]
    scale: Tensor | None = None
    shift: Tensor | None = None

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The operation with other weights."""
        return self.function(x, weight, bias, **self.settings)

    def parameters(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Weight and bias, with the batch norm in them."""
        weight = self.weight.to(dtype)
        bias = None if self.bias is None else self.bias.to(dtype)
        if self.scale is None or self.shift is None:
            return weight, bias
        scale, shift = self.scale.to(dtype), self.shift.to(dtype)
        return self._scaled(weight, scale), shift if bias is None else bias * scale + shift

    def negated(self) -> "Affine":
        """The operation that gives the opposite."""
        bias, shift = (None if value is None else -value for value in (self.bias, self.shift))
        return replace(self, weight=-self.weight, bias=bias, shift=shift)

    def transposed(self, y: Tensor, shape: torch.Size, weight: Tensor) -> Tensor:
        """Wᵀ·y, for an input of this shape."""
        if self.kind == "linear":
            return y @ weight
        settings, axes = self.settings, weight.ndim - 2
        if isinstance(settings["padding"], str):
            return self._differentiated(y, shape, weight)
        back: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
            y,
            y.new_empty(1).expand(shape),  # only its shape is read
            weight,
            None,
            per_axis(settings["stride"], axes),
            per_axis(settings["padding"], axes),
            per_axis(settings["dilation"], axes),
            self.kind == "conv_transpose",
            per_axis(settings.get("output_padding", 0), axes),
            settings["groups"],
            [True, False, False],
        )
        return back[0]

    def summed(self, parts: Sequence[Tensor], weights: Sequence[Tensor], bias: Tensor | None) -> Tensor:
        """Σ Wₖ·xₖ + b. Inputs of few channels are convolved side by side, which costs little more than one of them."""
        if self._side_by_side:
            return self(torch.cat(list(parts), 1), torch.cat(list(weights), 1), bias)
        total = self(parts[0], weights[0], bias)
        for part, weight in zip(parts[1:], weights[1:], strict=True):
            total += self(part, weight, None)
        return total

    def each_transposed(self, y: Tensor, shape: torch.Size, weights: Sequence[Tensor]) -> Sequence[Tensor]:
        """Wₖᵀ·y of each weight, for inputs of this shape; side by side as in `summed`."""
        if len(weights) == 1 or not self._side_by_side:
            return [self.transposed(y, shape, weight) for weight in weights]
        wide = torch.Size((shape[0], shape[1] * len(weights), *shape[2:]))
        return self.transposed(y, wide, torch.cat(list(weights), 1)).chunk(len(weights), 1)

    @property
    def _side_by_side(self) -> bool:
        return self.kind == "conv" and self.settings["groups"] == 1 and self.weight.shape[1] <= FEW_CHANNELS

    def _differentiated(self, y: Tensor, shape: torch.Size, weight: Tensor) -> Tensor:
        """The same at the price of a forward pass, where the padding is given in words."""
        with torch.enable_grad():
            x = y.new_zeros(shape).requires_grad_()
            return torch.autograd.grad(self(x, weight, None), x, y)[0]

    def _scaled(self, weight: Tensor, scale: Tensor) -> Tensor:
        """The weight with each of its outputs scaled; a transposed convolution has (in, out / groups, …)."""
        if self.kind != "conv_transpose":
            return weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
        groups = self.settings["groups"]
        parts = weight.reshape(groups, -1, *weight.shape[1:])
        return (parts * scale.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))).reshape(weight.shape)


def per_axis(value: Any, axes: int) -> list[int]:
    """A setting as one number for each axis."""
    values = [value] if isinstance(value, int) else list(value)
    return values * axes if len(values) == 1 else values


def affine_of(operation: Operation) -> Affine | None:
    """The operation without its input, or None where it is not linear with constant weights."""
    weight = operation.argument("weight", 1)
    if operation.kind == "matmul":
        weight = operation.argument("other", 1, operation.kwargs.get("mat2"))
        if not isinstance(weight, Tensor) or weight.ndim != 2 or depends_on_input(weight):
            return None
        return Affine("linear", torch.nn.functional.linear, weight.detach().mT, None, {})
    if operation.kind not in _SETTINGS or weight.ndim < 2 or depends_on_input(weight):
        return None
    bias = operation.argument("bias", 2)
    settings = {
        name: operation.argument(name, position, default)
        for position, (name, default) in enumerate(_SETTINGS[operation.kind].items(), start=3)
    }
    held = None if bias is None else bias.detach()
    return Affine(operation.kind, operation.function, weight.detach(), held, settings)


def with_batch_norm(layer: Affine, operation: Operation) -> Affine | None:
    """The linear operation with the batch norm after it folded in; None where that cannot be done.

    It cannot where the batch norm takes its statistics from the batch, or where its channels are not the outputs of
    the linear operation (a dense layer over a sequence).
    """
    if operation.function is not torch.nn.functional.batch_norm or layer.scale is not None:
        return None
    mean, variance = operation.argument("running_mean", 1), operation.argument("running_var", 2)
    if operation.argument("training", 5, False) or mean is None or variance is None:
        return None
    if layer.kind == "linear" and operation.input.ndim != 2:
        return None
    weight, bias = operation.argument("weight", 3), operation.argument("bias", 4)
    wide = torch.promote_types(mean.dtype, torch.float32)
    scale = (variance.detach().to(wide) + operation.argument("eps", 7, 1e-5)).rsqrt()
    scale = scale if weight is None else scale * weight.detach().to(wide)
    shift = -mean.detach().to(wide) * scale
    return replace(layer, scale=scale, shift=shift if bias is None else shift + bias.detach().to(wide))
