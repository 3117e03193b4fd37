"""Our drawings, as a user would ask for them: one place, for the speed table and the quality table alike."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import featuremaps as fm

Wanted = str | int
"""A channel, as "layer4:12", or the index of a class."""


def drawn(scope: "fm.Scope", wanted: Sequence[Wanted], size: int, steps: int, seed: int = 0) -> Tensor:
    """All pictures, values 0 to 1, in one batch, `steps` steps each without an early end."""
    found = scope.draw(list(wanted), size=size, steps=steps, seed=seed, patience=None)
    return torch.stack([each.picture for each in found])


def drawn_multiscale(scope: "fm.Scope", wanted: Sequence[Wanted], steps: int, times: int, seed: int = 0) -> Tensor:
    """The multi-scale recipe, all pictures in one batch."""
    from featuremaps.draw import Multiscale

    found = scope.draw(list(wanted), canvas=Multiscale(steps=steps, times=times), seed=seed)
    return torch.stack([each.picture for each in found])
