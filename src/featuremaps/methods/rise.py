"""RISE and D-RISE: a score of a picture seen through many random masks, and where the good masks were open."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.methods.chunking import checked, in_chunks, picture_size
from featuremaps.methods.random_numbers import uniform
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, Pictures, PixelMap, Score


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

    def scores(masked: Inputs) -> Float[Tensor, "copies 1"]:
        return probability(masked)[:, None]

    look = RandomMasks(masks, cells, keep, centre, chunk)
    return look.seen_through(inputs, scores, generator).reshape(len(inputs), 1, height, width)


@method(paper="Petsiuk et al. 2021, D-RISE, eq. 2-7", level="pixel")
def d_rise(
    inputs: Inputs,
    similarities: Score,
    generator: torch.Generator,
    *,
    masks: int = 2000,
    cells: int = 16,
    keep: float = 0.5,
    centre: bool = True,
    chunk: int = 0,
) -> Float[Tensor, "target batch 1 height width"]:
    """For detectors: the mean over random masks of how alike the most alike detection behind a mask is to the box.

    Alike is overlap (intersection over union) × cosine of the class scores × objectness, as far as the detector gives
    these; of one that gives a label and a score each, that of the label times the score. Masks and options are those of
    `rise`, with finer `cells` and as many pictures for all boxes as for one.
    """
    height, width = picture_size(inputs, "d_rise")
    look = RandomMasks(masks, cells, keep, centre, chunk)
    return look.seen_through(inputs, similarities, generator).reshape(-1, len(inputs), 1, height, width)


@dataclass(frozen=True)
class RandomMasks:
    """How pictures are looked at through random masks; the fields are the options of `rise`."""

    masks: int
    cells: int
    keep: float
    centre: bool
    chunk: int

    def seen_through(
        self,
        inputs: Pictures,
        scores_of: Callable[[Pictures], Float[Tensor, "copies target"]],
        generator: torch.Generator,
    ) -> Float[Tensor, "target batch pixel"]:
        """The mean over the masks of each of several scores behind a mask times the mask, divided by `keep`."""
        height, width = inputs.shape[2:]
        checked("masks", self.masks, "how many random masks are tried", least=1)
        checked("cells", self.cells, "how many cells of the mask lie along each side", least=1, most=min(height, width))
        checked("keep", self.keep, "the share of the cells that are open", least=0.001, most=0.999)
        grids = (uniform((self.masks, self.cells, self.cells), generator) < self.keep).to(inputs)
        shifts = uniform((self.masks, 2), generator)
        down, across = (_shifted_ramps(self.cells, side).to(inputs) for side in (height, width))
        tops, lefts = ((shifts[:, i] * len(axis)).long().to(inputs.device) for i, axis in enumerate((down, across)))
        # In double: the map is a small difference of large sums, which are added up in other chunks in a larger batch.
        coverage = inputs.new_zeros(height * width, dtype=torch.float64)
        weighted, total = coverage.new_zeros(()), coverage.new_zeros(())
        for part in in_chunks(self.masks, inputs, self.chunk, "looking through random masks"):
            drawn = enlarged_masks(grids[part], down, across, tops[part], lefts[part])
            with torch.no_grad():
                scores = scores_of((inputs[:, None] * drawn[:, None]).flatten(0, 1)).double()
            by_target = scores.T.unflatten(1, (len(inputs), -1))
            flat = drawn.flatten(1).double()
            weighted = weighted + by_target @ flat
            coverage += flat.sum(0)
            total = total + by_target.sum(2, keepdim=True)
        summed = weighted - total / self.masks * coverage if self.centre else weighted
        return (summed / (self.masks * self.keep)).to(inputs)


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
