"""Which inputs a model can take that cannot take those it was given: found by trying usual sizes and lengths."""

import re
from contextlib import suppress

import torch
from torch import Tensor, nn

from featuremaps.session import preserved, warnings_ignored

SIDES = (28, 32, 48, 56, 64, 80, 96, 100, 112, 128, 150, 160, 180, 192, 200, 224, 227, 240, 256, 299, 320, 384, 512)
"""Usual sides of square pictures, in pixels."""
NEAR, ROUND = 32, (1000, 500, 256, 128, 100, 64, 50, 32, 10, 1)
"""So far around an estimate lengths are tried, multiples of these first."""


def fitting_side(model: nn.Module, inputs: Tensor) -> int | None:
    """The smallest usual side of square pictures that a model runs on; None where it runs on none of them.

    A model with hooks is not tried: they would see what is no picture of anybody's.

    Args:
        model: The model.
        inputs: What it did not run on, (batch, channel, height, width).
    """
    if _hooked(model):
        return None
    return next((side for side in SIDES if _runs(model, inputs.new_zeros(1, inputs.shape[1], side, side))), None)


def fitting_length(model: nn.Module, inputs: Tensor, said: str) -> int | None:
    """The length of signals that a model runs on, looked for around what its dense layer asks for; None without one.

    Args:
        model: The model.
        inputs: What it did not run on, (batch, channel, time).
        said: Torch's words on the two sizes that cannot be multiplied.
    """
    sizes = re.search(r"\d+x(\d+) and (\d+)x\d+", said)
    if sizes is None or _hooked(model):
        return None
    middle = round(inputs.shape[2] * int(sizes[2]) / int(sizes[1]))
    near = range(max(1, middle - NEAR), middle + NEAR + 1)
    rounded = sorted(
        near, key=lambda length: (-max(step for step in ROUND if length % step == 0), abs(length - middle))
    )
    return next((length for length in rounded if _runs(model, inputs.new_zeros(1, inputs.shape[1], length))), None)


def _hooked(model: nn.Module) -> bool:
    return any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def _runs(model: nn.Module, picture: Tensor) -> bool:
    with preserved(model), torch.no_grad(), warnings_ignored(), suppress(RuntimeError, ValueError, IndexError):
        model(picture)
        return True
    return False
