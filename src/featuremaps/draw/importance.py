"""How much each pixel of a drawing mattered: what came back to it on the way, added up.

Fel et al. 2023, "Unlocking feature visualization for deep networks with magnitude constrained optimization", section 3.
"""

import torch
from jaxtyping import Float
from torch import Tensor

BRIGHTEST = 0.98
"""The quantile of a picture's importance from which on a pixel counts fully."""


def importance(summed: Float[Tensor, "height width"]) -> Float[Tensor, "height width"]:
    """What came back to each pixel, 0 to 1; 1 everywhere where nothing came back."""
    top = float(torch.quantile(summed.flatten(), BRIGHTEST)) if summed.numel() < 2**24 else float(summed.max())
    return (summed / top).clamp(max=1) if top > 0 else torch.ones_like(summed)
