"""Counter-pictures: where in pictures a shortcut lies, and pictures that have another's region there.

Cut and pasted as in CutMix (Yun et al. 2019), though under the label of what is around it. The region comes from
pictures that have the shortcut as often as from others, so that it goes with no class any more.
"""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

COARSE = 32
"""So many places a side are told apart."""
CLEAR, WIDEST = 0.2, 0.6
"""It lies where the squared difference in units of the spread is so large, and in so much of a picture at most."""


def distance(
    maps: Float[np.ndarray, "picture channel *place"],
    present: Bool[np.ndarray, " picture"],
    labels: Int[np.ndarray, " picture"],
) -> Float[np.ndarray, "*place"]:
    """How far pictures with and without it lie apart at each place, squared, in units of the spread, beyond chance.

    Label by label, weighed by with · without / all, the mean of all channels; 0 where no label has two of both.
    """
    total, weights = np.zeros(maps.shape[2:]), 0.0
    for label in np.unique(labels):
        having, lacking = (maps[(labels == label) & side].astype(np.float64) for side in (present, ~present))
        if min(len(having), len(lacking)) < 2:
            continue
        spread = (having.var(0, ddof=1) + lacking.var(0, ddof=1)) / 2
        apart = (having.mean(0) - lacking.mean(0)) ** 2 / np.maximum(spread, 1e-6 * max(float(spread.mean()), 1e-30))
        weight = len(having) * len(lacking) / (len(having) + len(lacking))
        total += weight * (apart - 1 / len(having) - 1 / len(lacking)).mean(0)
        weights += weight
    return total / weights if weights else total


def region(
    maps: Float[Tensor, "picture channel *place"],
    present: Bool[np.ndarray, " picture"],
    labels: Int[np.ndarray, " picture"],
    size: tuple[int, ...],
) -> Bool[Tensor, "*size"] | None:
    """Where a shortcut lies in pictures of this size, by coarse maps of them; None where it is nowhere, or all over."""
    by_axes: tuple[Callable[..., Tensor], Callable[..., Tensor]] = {
        1: (nn.functional.avg_pool1d, nn.functional.max_pool1d),
        2: (nn.functional.avg_pool2d, nn.functional.max_pool2d),
        3: (nn.functional.avg_pool3d, nn.functional.max_pool3d),
    }[maps.ndim - 2]
    mean, highest = by_axes
    apart = torch.from_numpy(distance(maps.numpy(), present, labels))[None, None]
    clear = (mean(apart, 3, 1, 1, count_include_pad=False) > CLEAR).float()
    found = nn.functional.interpolate(highest(clear, 3, 1, 1), size=size)[0, 0] > 0
    return found if 0 < found.float().mean() <= WIDEST else None


def coarse(maps: Float[Tensor, "picture channel *place"]) -> Float[Tensor, "picture channel *coarse"]:
    """The means of at most `COARSE` stretches a side."""
    return nn.functional.interpolate(maps.float(), size=[min(COARSE, side) for side in maps.shape[2:]], mode="area")


def donors(
    present: Bool[Tensor, " picture"], usable: Bool[Tensor, " picture"], generator: torch.Generator
) -> Int[Tensor, " picture"]:
    """For each picture another one of those usable: with the shortcut or without it at equal chance, where both are."""
    chance = torch.zeros(len(present))
    for side in (present & usable, ~present & usable):
        chance[side] = 1 / max(int(side.sum()), 1)
    return torch.multinomial(chance, len(present), replacement=True, generator=generator)
