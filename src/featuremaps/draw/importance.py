"""How much each pixel of a drawing mattered: what came back to it on the way, added up.

Fel et al. 2023, "Unlocking feature visualization for deep networks with magnitude constrained optimization", section 3.
"""

import torch
from jaxtyping import Float
from torch import Tensor

BRIGHTEST = 0.98
"""The quantile of a picture's importance from which on a pixel counts fully."""


class Importance:
    """The magnitudes of the gradients that came back to the pictures of a climb, summed over steps and colours."""

    def __init__(self) -> None:
        self.total: Tensor | None = None

    def add(self, gradient: Float[Tensor, "row channel height width"]) -> None:
        """What came back in one step."""
        now = gradient.detach().abs().sum(1)
        self.total = now if self.total is None else self.total + now

    def of(self, row: int) -> Float[Tensor, "height width"]:
        """One row's, 0 to 1; 1 everywhere where nothing came back."""
        assert self.total is not None
        own = self.total[row].float().cpu()
        top = float(torch.quantile(own.flatten(), BRIGHTEST)) if own.numel() < 2**24 else float(own.max())
        return (own / top).clamp(max=1) if top > 0 else torch.ones_like(own)
