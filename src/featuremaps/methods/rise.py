"""RISE and D-RISE: a score of a picture seen through many random masks, and where the good masks were open."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.methods.chunking import checked, in_chunks, longest_side, picture_size
from featuremaps.methods.random_numbers import uniform
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, PixelMap, Score

CELLS = {1: 49, 2: 7, 3: 4}
"""How many cells lie along each side of signals, pictures and volumes: about as many in all."""


@method(paper="Petsiuk et al. 2018, RISE, eq. 6 and section 3.2", level="pixel")
def rise(
    inputs: Inputs,
    probability: Score,
    generator: torch.Generator,
    *,
    masks: int = 2000,
    cells: int = 0,
    keep: float = 0.5,
    centre: bool = True,
    chunk: int = 0,
) -> PixelMap:
    """The mean over random masks of the class probability behind a mask times the mask, divided by `keep`.

    A mask is a grid of `cells` × `cells` (0: 7 × 7 of a picture, 49 of a signal, 4 × 4 × 4 of a volume, or as many as
    it has places), each open with probability `keep`, enlarged linearly and shifted at random; all pictures share the
    masks. `centre` counts each probability from the mean over all masks, so that a
    pixel is positive where seeing it helps, negative where it harms, and the noise of uneven masks is gone; without
    it this is the paper's map, the same on average plus that mean. `chunk` masked copies run at a time
    (0: chosen for the device).
    """

    def scores(masked: Inputs) -> Float[Tensor, "copies 1"]:
        return probability(masked)[:, None]

    look = RandomMasks(masks, cells, keep, centre, chunk)
    return look.seen_through(inputs, scores, generator).reshape(len(inputs), 1, *inputs.shape[2:])


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
        inputs: Inputs,
        scores_of: Callable[[Inputs], Float[Tensor, "copies target"]],
        generator: torch.Generator,
    ) -> Float[Tensor, "target batch place"]:
        """The mean over the masks of each of several scores behind a mask times the mask, divided by `keep`."""
        space = tuple(inputs.shape[2:])
        cells = self.cells_along(space)
        grids = (uniform((self.masks, *cells), generator) < self.keep).to(inputs)
        shifts = uniform((self.masks, len(space)), generator)
        ramps = [_ramps(*axis).to(inputs) for axis in zip(cells, space, strict=True)]
        starts = [
            (shifts[:, axis] * math.ceil(size / count)).long().to(inputs.device)
            for axis, (size, count) in enumerate(zip(space, cells, strict=True))
        ]
        # In double: the map is a small difference of large sums, which are added up in other chunks in a larger batch.
        coverage = inputs.new_zeros(math.prod(space), dtype=torch.float64)
        weighted, total = coverage.new_zeros(()), coverage.new_zeros(())
        for part in in_chunks(self.masks, inputs, self.chunk, "looking through random masks"):
            drawn = enlarged_masks(grids[part], ramps, [start[part] for start in starts], space)
            with torch.no_grad():
                scores = scores_of((inputs[:, None] * drawn[:, None]).flatten(0, 1)).double()
            by_target = scores.T.unflatten(1, (len(inputs), -1))
            flat = drawn.flatten(1).double()
            weighted = weighted + by_target @ flat
            coverage += flat.sum(0)
            total = total + by_target.sum(2, keepdim=True)
        summed = weighted - total / self.masks * coverage if self.centre else weighted
        return (summed / (self.masks * self.keep)).to(inputs)

    def cells_along(self, space: tuple[int, ...]) -> list[int]:
        """How many cells lie along each axis; `OptionError` for options that do not fit."""
        checked("masks", self.masks, "how many random masks are tried", least=1)
        meaning = "how many cells of the mask lie along each side (0: chosen)"
        checked("cells", self.cells, meaning, least=0, most=longest_side(space))
        checked("keep", self.keep, "the share of the cells that are open", least=0.001, most=0.999)
        return [min(self.cells or CELLS[len(space)], size) for size in space]


def enlarged_masks(
    grids: Float[Tensor, "mask *cells"],
    ramps: Sequence[Float[Tensor, "_cell _wider"]],
    starts: Sequence[Int[Tensor, " mask"]],
    space: Sequence[int],
) -> Float[Tensor, "mask *space"]:
    """The grids enlarged linearly by one cell more than the picture along each axis, and cut out from `starts` on.

    Enlarging is a matrix product along each axis, so only what is cut out is ever made.
    """
    masks = grids
    for ramp, start, size in zip(ramps, starts, space, strict=True):
        places = start[:, None] + torch.arange(size, device=start.device)
        masks = torch.einsum("mc...,cms->m...s", masks, ramp[:, places])  # comes last: once round, all in order
    return masks


def _ramps(cells: int, size: int) -> Float[Tensor, "cell wider"]:
    """What each cell adds to each pixel along one axis that is one cell longer than the picture."""
    single = torch.eye(cells, device="cpu", dtype=torch.float32)[None]
    return torch.nn.functional.interpolate(single, (cells + 1) * math.ceil(size / cells), mode="linear")[0]
