"""Which pictures a model can take that cannot take those it was given: found by trying usual sizes."""

from contextlib import suppress

import torch
from torch import Tensor, nn

from featuremaps.session import preserved, warnings_ignored

USUAL_SIDES = (
    28,
    32,
    48,
    56,
    64,
    80,
    96,
    100,
    112,
    128,
    150,
    160,
    180,
    192,
    200,
    224,
    227,
    240,
    256,
    299,
    320,
    384,
    512,
)
"""Pixels, of square pictures."""


def fitting_side(model: nn.Module, inputs: Tensor) -> int | None:
    """The smallest usual side of square pictures that a model runs on; None where it runs on none of them.

    A model with hooks is not tried: they would see what is no picture of anybody's.

    Args:
        model: The model.
        inputs: What it did not run on, (batch, channel, height, width).
    """
    if any(module._forward_hooks or module._forward_pre_hooks for module in model.modules()):
        return None
    return next((side for side in USUAL_SIDES if _runs(model, inputs.new_zeros(1, inputs.shape[1], side, side))), None)


def _runs(model: nn.Module, picture: Tensor) -> bool:
    with preserved(model), torch.no_grad(), warnings_ignored(), suppress(RuntimeError, ValueError, IndexError):
        model(picture)
        return True
    return False
