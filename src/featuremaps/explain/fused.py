"""Maps of several layers added up: each enlarged to the finest, its values spread over the places that they cover."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.plotting.rendering import enlarged


def fused(maps: Sequence[Float[Tensor, "batch *_space"]]) -> tuple[Float[Tensor, "batch *_finest"], list[list[float]]]:
    """The sum of the maps in the size of the finest, and for each picture the share that each map has in it.

    A place of a coarse map covers several of the finest, among which its value is divided: what a layer says adds up to
    the same in all. Grad-CAM's channel weights, means over a layer's places, are so brought to one measure. A share is
    that of the sum of magnitudes; all are 0 where every map is.
    """
    if len(maps) == 1:
        return maps[0], [[1.0]] * len(maps[0])
    finest = max((tuple(map.shape[1:]) for map in maps), key=math.prod)
    spread = [_spread(map, finest) for map in maps]
    sizes = torch.stack([map.double().abs().flatten(1).sum(1) for map in spread], 1)
    total = sizes.sum(1, keepdim=True)
    shares = torch.where(total > 0, sizes / total.clamp(min=1e-300), 0.0)
    return torch.stack(spread).sum(0), shares.tolist()


def _spread(map: Tensor, finest: tuple[int, ...]) -> Tensor:
    """A map enlarged to the finest, with the same sum but for the rounding of its borders."""
    if tuple(map.shape[1:]) == finest:
        return map
    return enlarged(map, finest) * (math.prod(map.shape[1:]) / math.prod(finest))
