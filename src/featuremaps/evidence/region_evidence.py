"""Region by region: what a score loses when its own region, another one, or all else is gone.

It is the mean probability of a class in its region of a segmentation, or a detector's score of a box.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.evidence.copies import CHUNK, in_chunks, precise
from featuremaps.evidence.fills import Fill, Filling
from featuremaps.evidence.shapes import Inputs


@dataclass(frozen=True, eq=False)
class RegionEvidence:
    """The score of each region, as a class's mean probability there: on pictures, and on copies with places taken out.

    `whole` (batch, region) is that on the picture, `without` (batch, region, removed) without each of the regions in
    turn, `alone` (batch, region) without all that lies outside the region itself.
    """

    whole: Float[Tensor, "batch region"]
    without: Float[Tensor, "batch region removed"]
    alone: Float[Tensor, "batch region"]

    @property
    def lost(self) -> Float[Tensor, "batch region removed"]:
        """What each region's score loses without each region; on the diagonal without its own."""
        return self.whole[:, :, None] - self.without

    @property
    def lost_inside(self) -> Float[Tensor, "batch region"]:
        """What each region's score loses without the region."""
        return self.lost.diagonal(dim1=1, dim2=2)

    @property
    def lost_outside(self) -> Float[Tensor, "batch region"]:
        """What each region's score loses without all that lies outside it."""
        return self.whole - self.alone


NOTABLE = 0.05
"""What loses less than this does not need what was taken out."""


def most_lost_outside(evidences: Sequence[RegionEvidence]) -> tuple[float, int, int] | None:
    """Of several pictures, one each, what the region loses that needs most of what lies outside it, and both numbers.

    Those of the picture and of the region; None where there are no regions.
    """
    lost = [
        (value, picture, region)
        for picture, evidence in enumerate(evidences)
        for region, value in enumerate(evidence.lost_outside[0].tolist())
    ]
    return max(lost, key=lambda each: each[0], default=None)


def region_evidence(
    score: Callable[[Tensor], Tensor],
    inputs: Inputs,
    regions: Bool[Tensor, "batch region *space"],
    *,
    fill: Fill = "linear",
    chunk: int = CHUNK,
    seed: int = 0,
) -> RegionEvidence:
    """What each region scores without each region, and without all else: 2·regions + 1 passes a picture.

    `score` takes new inputs (batch·k, …), picture by picture, to a score (batch·k, region) of each region, such as the
    mean probability of its class there. `regions` are places of the inputs. What is taken out is filled as `fill` says,
    by default with what its neighbours lead to (see `Filling`). Raises `OptionError` for regions of another size.
    """
    if regions.shape[2:] != inputs.shape[2:] or len(regions) != len(inputs):
        raise OptionError(
            f"regions are places of the inputs, (batch, region, {', '.join(map(str, inputs.shape[2:]))}) for "
            f"{len(inputs)} of them; got shape {tuple(regions.shape)}."
        )
    filling, count = Filling(inputs, seed), regions.shape[1]

    def copies() -> Iterator[Tensor]:
        yield inputs
        for removed in (*regions.unbind(1), *(~regions).unbind(1)):
            yield filling(removed[:, None], fill)[:, 0]

    with torch.no_grad():
        found = precise(torch.cat(list(in_chunks(copies(), score, chunk)), 1))
    without, alone = found[:, 1 : count + 1], found[:, count + 1 :]
    return RegionEvidence(found[:, 0], without.transpose(1, 2), alone.diagonal(dim1=1, dim2=2))
