"""A strided convolution transposed without strides: an output channel for each phase of the larger grid.

Where a convolution has few input channels, as the first one of a model has, its transpose leaves most of a vector
register empty; its phases fill it. Shi et al. 2016, Is the deconvolution layer the same as a convolutional layer?
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

Maps = Float[Tensor, "row _channel _height _width"]

COLOURS = 4
"""Up to so many input channels it is worth it."""


def by_phases(weight: Tensor, stride: Sequence[int], dilation: Sequence[int], groups: int) -> bool:
    """Whether a convolution like this is better transposed phase by phase."""
    plain = tuple(dilation) == (1, 1) and groups == 1
    return stride[0] == stride[1] > 1 and plain and weight.shape[1] <= COLOURS


@dataclass(frozen=True, eq=False)
class Phases:
    """Wᵀ·y of a convolution moved by `stride`, for inputs of `size`.

    `weight` is (in·stride², out, taps, taps): what a convolution of y, padded by `margin` on all sides, multiplies by.
    """

    weight: Float[Tensor, "phases out _ta _tb"]
    stride: int
    margin: tuple[int, int]
    first: tuple[int, int]
    size: tuple[int, int]

    @staticmethod
    def of(
        weight: Float[Tensor, "out in _ka _kb"],
        stride: int,
        padding: tuple[int, int],
        size: tuple[int, int],
        above: tuple[int, int],
    ) -> "Phases":
        """The phases of a convolution with this weight, from y of the size `above` to inputs of `size`."""
        axes = [_Axis.of(*each, stride) for each in zip(weight.shape[2:], padding, size, above, strict=True)]
        (rows, there), (columns, across) = ((axis.kernel, axis.inside) for axis in axes)
        taken = weight[:, :, rows[:, :, None, None], columns] * (there[:, :, None, None] & across).to(weight.dtype)
        ordered = taken.permute(1, 2, 4, 0, 3, 5)  # in, phase, phase, out, tap, tap
        return Phases(
            ordered.flatten(0, 2),
            stride,
            (axes[0].margin, axes[1].margin),
            (axes[0].first, axes[1].first),
            size,
        )

    def __call__(self, y: Maps, convolved: Callable[[Maps], Maps]) -> Maps:
        """Wᵀ·y, where `convolved` convolves with `weight` and `margin`."""
        found = convolved(y)
        for axis, (first, size) in enumerate(zip(self.first, self.size, strict=True), start=2):
            found = found.narrow(axis, first, -(-size // self.stride))
        return F.pixel_shuffle(found, self.stride)[:, :, : self.size[0], : self.size[1]]


@dataclass(frozen=True, eq=False)
class _Axis:
    """One axis: for each phase and tap the place in the kernel, and whether it is `inside`."""

    kernel: Tensor
    inside: Tensor
    margin: int
    first: int

    @staticmethod
    def of(kernel: int, padding: int, size: int, above: int, stride: int) -> "_Axis":
        # Input s·i + r is reached from y at i + t through the place r + padding - s·t of the kernel.
        phase = torch.arange(stride)[:, None]
        low, high = -((kernel - 1 - padding) // stride), (stride - 1 + padding) // stride
        tap = torch.arange(low, high + 1)
        place = phase + padding - stride * tap
        after = -(-size // stride) - 1 + high - (above - 1)
        margin = max(-low, after, 0)
        inside = (place >= 0) & (place < kernel)
        return _Axis(place.clamp(0, kernel - 1), inside, margin, margin + low)
