"""Class by region: what the classes of a segmentation lose when their own region, another one, or all else is gone."""

from collections.abc import Callable, Iterator
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
    """The mean probability of each class in its own region: on pictures, and on copies with places taken out.

    `whole` (batch, region) is that on the picture, `without` (batch, region, removed) without each of the regions in
    turn, `alone` (batch, region) without all that lies outside the class's own region.
    """

    whole: Float[Tensor, "batch region"]
    without: Float[Tensor, "batch region removed"]
    alone: Float[Tensor, "batch region"]

    @property
    def lost(self) -> Float[Tensor, "batch region removed"]:
        """What each class loses without each region; on the diagonal without its own."""
        return self.whole[:, :, None] - self.without

    @property
    def lost_inside(self) -> Float[Tensor, "batch region"]:
        """What each class loses without its own region."""
        return self.lost.diagonal(dim1=1, dim2=2)

    @property
    def lost_outside(self) -> Float[Tensor, "batch region"]:
        """What each class loses without all that lies outside its own region."""
        return self.whole - self.alone


def region_evidence(
    probability: Callable[[Tensor], Tensor],
    inputs: Inputs,
    regions: Bool[Tensor, "batch region *space"],
    *,
    fill: Fill = "linear",
    chunk: int = CHUNK,
    seed: int = 0,
) -> RegionEvidence:
    """What each class has in its own region without each region, and without all else: 2·regions + 1 passes a picture.

    `probability` takes new inputs (batch·k, …), picture by picture, to the mean probability (batch·k, region) of each
    region's class in that region, which stays where it is. `regions` are places of the inputs. What is taken out is
    filled as `fill` says, by default with what its neighbours lead to (see `Filling`). Raises `OptionError` for regions
    of another size.
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
        found = precise(torch.cat(list(in_chunks(copies(), probability, chunk)), 1))
    without, alone = found[:, 1 : count + 1], found[:, count + 1 :]
    return RegionEvidence(found[:, 0], without.transpose(1, 2), alone.diagonal(dim1=1, dim2=2))
