"""RISE: the class probability of a picture seen through many random masks, and where the good masks were open."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.methods.chunking import checked, in_chunks, picture_size
from featuremaps.methods.random_numbers import uniform
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, PixelMap, Score


@method(paper="Petsiuk et al. 2018, RISE, eq. 6 and section 3.2", level="pixel")
def rise(
    inputs: Inputs,
    probability: Score,
    generator: torch.Generator,
    *,
    masks: int = 2000,
    cells: int = 7,
    keep: float = 0.5,
    centre: bool = True,
    chunk: int = 0,
) -> PixelMap:
    """The mean over random masks of the class probability behind a mask times the mask, divided by `keep`.

    A mask is a grid of `cells` × `cells`, each open with probability `keep`, enlarged bilinearly and shifted at
    random; all pictures share the masks. `centre` counts each probability from the mean over all masks, so that a
    pixel is positive where seeing it helps, negative where it harms, and the noise of uneven masks is gone; without
    it this is the paper's map, the same on average plus that mean. `chunk` masked copies run at a time
    (0: chosen for the device).
    """
    height, width = picture_size(inputs, "rise")
    checked("masks", masks, "how many random masks are tried", least=1)
    checked("cells", cells, "how many cells of the mask lie along each side", least=1, most=min(height, width))
    checked("keep", keep, "the share of the cells that are open", least=0.001, most=0.999)
    grids = (uniform((masks, cells, cells), generator) < keep).to(inputs)
    shifts = uniform((masks, 2), generator)
    down, across = _shifted_ramps(cells, height).to(inputs), _shifted_ramps(cells, width).to(inputs)
    tops, lefts = ((shifts[:, i] * len(axis)).long().to(inputs.device) for i, axis in enumerate((down, across)))
    # In double: the map is a small difference of large sums, which are added up in other chunks in a larger batch.
    weighted = inputs.new_zeros((len(inputs), height * width), dtype=torch.float64)
    coverage, total = weighted.new_zeros(height * width), weighted.new_zeros((len(inputs), 1))
    for part in in_chunks(masks, inputs, chunk, "looking through random masks"):
        drawn = enlarged_masks(grids[part], down, across, tops[part], lefts[part])
        with torch.no_grad():
            scores = probability((inputs[:, None] * drawn[:, None]).flatten(0, 1)).reshape(len(inputs), -1).double()
        flat = drawn.flatten(1).double()
        weighted += scores @ flat
        coverage += flat.sum(0)
        total += scores.sum(1, keepdim=True)
    summed = weighted - total / masks * coverage if centre else weighted
    return (summed / (masks * keep)).to(inputs).reshape(len(inputs), 1, height, width)


def enlarged_masks(
    grids: Float[Tensor, "mask cell cell"],
    down: Float[Tensor, "shift cell height"],
    across: Float[Tensor, "shift_ cell width"],
    tops: Int[Tensor, " mask"],
    lefts: Int[Tensor, " mask"],
) -> Float[Tensor, "mask height width"]:
    """The grids enlarged bilinearly by one cell more than the picture, and cut out from (top, left) on.

    Enlarging is a matrix product along each axis, so only what is cut out is ever made.
    """
    return down[tops].mT @ grids @ across[lefts]


def _shifted_ramps(cells: int, size: int) -> Float[Tensor, "shift cell size"]:
    """For every shift up to one cell, what each cell adds to each pixel along one axis."""
    cell = math.ceil(size / cells)
    single = torch.eye(cells, device="cpu", dtype=torch.float32)[None]
    ramps = torch.nn.functional.interpolate(single, (cells + 1) * cell, mode="linear")[0]
    return ramps.unfold(1, size, 1).transpose(0, 1)[:cell].contiguous()
