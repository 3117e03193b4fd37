"""The numbers that are kept of every channel's map to tell simple things: how strong, how varied, and where.

A ground or a mark is told by a channel's mean or its highest value; a grid, a haze or a change of contrast by how much
its values differ within a picture, or by the lowest; where a thing stands by where the channel responds.
"""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

Family = tuple[str, str]
FAMILIES: tuple[Family, ...] = (("mean", "highest"), ("spread", "lowest"), ("across", "down"))
"""Kinds that are read together; apart from others, since among many columns few are heard."""
FURTHER = tuple(kind for family in FAMILIES[1:] for kind in family)
"""What is kept beside means and maxima."""


def further_values(maps: Float[Tensor, "batch channel height width"]) -> Mapping[str, Float[Tensor, "batch channel"]]:
    """What a mean and a highest value leave out, by kind.

    "spread" is the standard deviation over a map's places, "lowest" its lowest value; "across" and "down" are the
    correlation of its values with their column and their row: 1 where they rise to the right, or downwards, and 0 where
    a map does not vary.
    """
    maps = maps.float()
    centred = maps - maps.mean((2, 3), keepdim=True)
    spread = centred.square().mean((2, 3)).sqrt()
    varies = spread > 1e-6 * maps.abs().amax((2, 3))
    scale = torch.where(varies, spread, torch.inf)
    rows, columns = (_standard(size, maps) for size in maps.shape[2:])
    across, down = (centred.mean(2) @ columns) / scale, (centred.mean(3) @ rows) / scale
    return {"spread": spread, "lowest": maps.amin((2, 3)), "across": across, "down": down}


def _standard(size: int, like: Tensor) -> Float[Tensor, " place"]:
    """Places along an axis, divided by their number: the mean of products with it is a covariance with their ranks.

    They have the mean 0 and the standard deviation 1; a single place is 0.
    """
    places = torch.arange(size, dtype=torch.float32, device=like.device) - (size - 1) / 2
    return places / places.square().mean().sqrt().clamp_min(1e-6) / size
