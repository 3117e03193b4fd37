"""Convolutions whose weights lie as the processor reads them: laid so once, where torch does it in every call.

The numbers are torch's own, to rounding. Where pictures are few or small, laying the weights out takes longer than the
convolution itself.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from featuremaps.phases import Phases, by_phases
from featuremaps.rules.affine import Affine, per_axis
from featuremaps.running import layout_of

Way = Literal["biased", "plain", "transposed"]
"""W·x + b, W·x, and Wᵀ·y."""


class Settings(NamedTuple):
    """How a convolution moves, per axis."""

    padding: list[int]
    stride: list[int]
    dilation: list[int]
    groups: int = 1

    @staticmethod
    def of(affine: Affine) -> "Settings":
        """Those of a convolution."""
        padding, stride, dilation = (per_axis(affine.settings[name], 2) for name in ("padding", "stride", "dilation"))
        return Settings(padding, stride, dilation, affine.settings["groups"])


def can_be_packed(affine: Affine) -> bool:
    """Whether this is a convolution that can be packed, for some inputs."""
    return affine.kind == "conv" and affine.weight.ndim == 4 and not isinstance(affine.settings["padding"], str)


def packable(x: Any, dtype: torch.dtype) -> bool:
    """Whether it can in this precision, for such an input."""
    return (
        type(x) is Tensor
        and x.device.type == "cpu"
        and bool(getattr(torch.backends.mkldnn, "enabled", True))
        and x.dtype in (dtype, torch.float32)
        and layout_of(x) == torch.channels_last
        and _works(dtype)
    )


class Packed:
    """A convolution with a weight (out, in / groups, height, width), for inputs of one shape."""

    def __init__(self, weight: Tensor, bias: Tensor | None, settings: Settings, shape: torch.Size) -> None:
        self.shape, self._weight, self._bias, self._settings = shape, _laid(weight), bias, settings
        self._packed = torch.ops.mkldnn._reorder_convolution_weight(self._weight, *settings, list(shape))
        self._back: Callable[[Tensor], Tensor] | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Its precision."""
        return self._weight.dtype

    def of(self, shape: torch.Size) -> "Packed":
        """The same for inputs of another shape."""
        return Packed(self._weight, self._bias, self._settings, shape)

    def __call__(self, x: Tensor) -> Tensor:
        """W·x + b, channels last, which may be differentiated as often as one likes."""
        found: Tensor = _Either.apply(x, self, "biased")
        return found

    def run(self, x: Tensor, way: Way) -> Tensor:
        """One of the three, without a graph."""
        laid = _laid(x)
        if way == "transposed":
            self._back = self._back or self._transposed(laid.shape)
            return self._back(laid)
        bias = self._bias if way == "biased" else None
        found: Tensor = torch.ops.mkldnn._convolution_pointwise(laid, self._packed, bias, *self._settings, *_ALONE)
        return found

    def _transposed(self, above: torch.Size) -> Callable[[Tensor], Tensor]:
        padding, stride, dilation, groups = self._settings
        if by_phases(self._weight, stride, dilation, groups):
            return self._by_phases(above)
        kernel, (size, over) = self._weight.shape[2:], (self.shape[2:], above[2:])
        left = [
            size[axis] + 2 * padding[axis] - dilation[axis] * (kernel[axis] - 1) - 1 - stride[axis] * (over[axis] - 1)
            for axis in (0, 1)
        ]
        settings = (padding, left, stride, dilation, groups)
        packed = torch.ops.mkldnn._reorder_convolution_transpose_weight(self._weight, *settings, list(above))

        def back(y: Tensor) -> Tensor:
            found: Tensor = torch.ops.mkldnn._convolution_transpose_pointwise(y, packed, None, *settings, *_ALONE)
            return found

        return back

    def _by_phases(self, above: torch.Size) -> Callable[[Tensor], Tensor]:
        (top, left), stride = self._settings.padding, self._settings.stride[0]
        phases = Phases.of(self._weight, stride, (top, left), (self.shape[2], self.shape[3]), (above[2], above[3]))
        one = Packed(phases.weight, None, Settings(list(phases.margin), [1, 1], [1, 1]), above)
        return lambda y: phases(y, lambda maps: one.run(maps, "plain"))


_ALONE: tuple[str, list[float], str] = ("none", [], "")  # nothing follows the convolution in the same go


class _Either(torch.autograd.Function):
    """One way of a packed convolution. What it sends back is the other way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, packed: Packed, way: Way) -> Tensor:
        ctx.packed, ctx.back = packed, "plain" if way == "transposed" else "transposed"
        return packed.run(x, way)

    @staticmethod
    def backward(ctx: Any, y: Tensor) -> tuple[Tensor, None, None]:
        return _Either.apply(y, ctx.packed, ctx.back), None, None


def _laid(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


@cache
def _works(dtype: torch.dtype) -> bool:
    """Whether this torch, on this machine, packs in this precision; its functions for it are not public."""
    if dtype not in (torch.float32, torch.bfloat16) or not torch.backends.mkldnn.is_available():
        return False
    try:
        if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return False
        with _disable_current_modes(), torch.no_grad(), torch.autocast("cpu", enabled=False):
            return _agrees(dtype)
    except (AttributeError, RuntimeError, TypeError, NotImplementedError):
        return False


def _agrees(dtype: torch.dtype) -> bool:
    """Whether a small packed convolution gives what torch's gives, both ways."""
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(dtype)

    weight, bias, x = some(6, 2, 3, 3), some(6), some(2, 4, 6, 5)
    settings = Settings([1, 1], [2, 1], [1, 1], 2)
    wanted = torch.conv2d(x, weight, bias, settings.stride, settings.padding, settings.dilation, settings.groups)
    packed = Packed(weight, bias, settings, x.shape)
    back = Affine("conv", torch.conv2d, weight, None, settings._asdict()).transposed(wanted, x.shape, weight)
    close = 1e-2 if dtype == torch.bfloat16 else 1e-4
    pairs = (wanted, packed.run(x, "biased")), (back, packed.run(wanted, "transposed"))
    return all(torch.allclose(a, b, close, close) for a, b in pairs)
