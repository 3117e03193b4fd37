"""Single-patch deletion: one patch is missing at a time, so the picture stays close to those the model knows."""

from functools import reduce

import torch
from jaxtyping import Int
from torch import Tensor

from featuremaps.evidence.copies import CHUNK, precise, rounded, scores_of
from featuremaps.evidence.fills import UNCHANGED, Fill, Filling
from featuremaps.evidence.measured import Measured, usable
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import Heatmap, Inputs, Score
from featuremaps.evidence.similarity import rank_correlation
from featuremaps.methods.chunking import checked

SAME_SUMS = "the map is the same in every patch"
SAME_SCORES = "the score is the same whichever patch is missing"


@measure(
    paper="Hesse et al. 2024, Benchmarking the attribution quality, section 3 (arXiv 2407.11910)",
    better="higher",
    unit="rank correlation",
    family="faithfulness",
)
def single_deletion(
    heatmap: Heatmap, inputs: Inputs, score: Score, *, grid: int = 4, fill: Fill = "zero", chunk: int = CHUNK
) -> Measured:
    """Spearman's correlation between the sum of the map in each patch and how much the score drops without the patch.

    The patches are a `grid` along each axis. The paper also trains the model on such pictures, which is not done here.
    Undefined for a map that is constant, alike in all patches or not finite, for a picture that equals the fill, and
    where the score does not depend on the patch.
    """
    checked("grid", grid, "how many patches there are along each axis", least=2)
    patches = _patches(tuple(heatmap.shape[1:]), grid).to(heatmap.device)
    filling, count = Filling(inputs), int(patches.max()) + 1
    gone = ((patches == patch).expand_as(heatmap)[:, None] for patch in range(count))
    without = rounded(scores_of((filling(places, fill)[:, 0] for places in gone), score, chunk))
    sums = torch.stack([precise(heatmap)[:, patches == patch].sum(1) for patch in range(count)], 1)
    agreement = rank_correlation(sums, -without)
    judged = usable(heatmap).where(filling.changes(fill), UNCHANGED)
    judged = judged.where(usable(sums).defined, SAME_SUMS).where(usable(without).defined, SAME_SCORES)
    return judged.of(agreement.values)


def _patches(size: tuple[int, ...], grid: int) -> Int[Tensor, "*space"]:
    """The number of the patch that every place lies in."""
    along = [torch.arange(length) * min(grid, length) // length for length in size]
    axes = torch.meshgrid(*along, indexing="ij")
    return reduce(lambda number, axis: number * (int(axis.max()) + 1) + axis, axes)
