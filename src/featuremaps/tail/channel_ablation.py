"""What a model says without one channel of a layer: many channels in one run of the tail.

A convolution is linear, so the first one after the layer need not run on every copy: it runs once on the whole maps,
and what the missing channel had contributed is taken off.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.overrides import TorchFunctionMode

from featuremaps.errors import ModelError
from featuremaps.runtime.memory_format import StridesError, check_strides, refuses_layout
from featuremaps.session import listening

Maps = Float[Tensor, "batch channel height width"]


class Without:
    """The tail's scores with one channel set to zero at a time.

    `tail` is a function from edited maps (batch·k, channel, height, width), picture by picture, to (batch·k,) or
    (batch·k, output), that does not change them.
    """

    def __init__(self, tail: Callable[[Tensor], Tensor], maps: Maps) -> None:
        self._tail, self._maps = tail, maps
        self._copies = maps[:, None, :0]
        self._layout = torch.channels_last  # on which convolutions are quicker
        self._whole: dict[tuple[Any, ...], Tensor] = {}

    def __call__(self, channels: Int[Tensor, " k"]) -> Float[Tensor, "batch k *output"]:
        """The scores (batch, k) or (batch, k, output): in column j those without channel `channels[j]`."""
        try:
            return self._scores(channels)
        except (RuntimeError, AssertionError, ModelError, StridesError) as error:
            if self._layout == torch.contiguous_format or not refuses_layout(error):
                raise
            self._layout, self._copies = torch.contiguous_format, self._maps[:, None, :0]
            return self._scores(channels)

    def _scores(self, channels: Tensor) -> Tensor:
        batch, rows = len(self._maps), torch.arange(len(channels), device=self._maps.device)
        copies = self._enough_copies(len(channels))
        with torch.no_grad():
            copies[:, rows, channels] = 0
            edited = copies.flatten(0, 1)
            try:
                with listening(_TakenOff(self._maps, edited, channels, self._whole, self._layout)):
                    return self._tail(edited).unflatten(0, (batch, -1))
            finally:
                copies[:, rows, channels] = self._maps[:, channels]  # the same copies serve the next channels

    def _enough_copies(self, count: int) -> Tensor:
        """Copies of the maps (batch, count, channel, height, width)."""
        if self._copies.shape[1:3] != (count, self._maps.shape[1]):
            with torch.no_grad():
                repeated = self._maps.repeat_interleave(count, 0).contiguous(memory_format=self._layout)
            self._copies = repeated.unflatten(0, (len(self._maps), count))
        return self._copies


class _TakenOff(TorchFunctionMode):
    """Convolutions of `edited` as those of `maps`, less what the missing channels contribute to them."""

    def __init__(
        self,
        maps: Tensor,
        edited: Tensor,
        channels: Tensor,
        whole: dict[tuple[Any, ...], Tensor],
        layout: torch.memory_format,
    ) -> None:
        super().__init__()
        self._maps, self._channels, self._whole, self._layout = maps, channels, whole, layout
        self._edited = (edited.data_ptr(), edited.shape, edited.stride())

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._layout == torch.channels_last:
            check_strides(func, args)
        if func is torch.conv2d and args and self._is_edited(args[0]):
            given = _arguments(*args, **kwargs)
            if given is not None:
                return self._without(*given)
        return func(*args, **kwargs)

    def _is_edited(self, tensor: Tensor) -> bool:
        """Whether a tensor is the edited maps, to be convolved in their own precision."""
        return (
            (tensor.data_ptr(), tensor.shape, tensor.stride()) == self._edited
            and tensor.dtype == self._maps.dtype
            and not torch.is_autocast_enabled(tensor.device.type)
        )

    def _without(self, weight: Tensor, bias: Tensor | None, stride: tuple[int, int]) -> Tensor:
        key = (weight.data_ptr(), weight.shape, stride)
        if key not in self._whole:
            self._whole[key] = torch.conv2d(self._maps, weight, bias, stride).permute(0, 2, 3, 1)[:, None].contiguous()
        missing = self._maps[:, self._channels, :: stride[0], :: stride[1], None]
        columns = weight[:, self._channels, 0, 0].T[None, :, None, None, :]
        without = torch.addcmul(self._whole[key], missing, columns, value=-1).flatten(0, 1).permute(0, 3, 1, 2)
        return without.contiguous(memory_format=self._layout)


def _arguments(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> tuple[Tensor, Tensor | None, tuple[int, int]] | None:
    """Weight, bias and stride of a convolution that looks at one position at a time; None for another."""
    unpadded = padding in (0, (0, 0), [0, 0], "valid")
    if groups != 1 or not unpadded or tuple(weight.shape[2:]) != (1, 1):
        return None
    down, right = (stride, stride) if isinstance(stride, int) else stride
    return weight, bias, (int(down), int(right))
