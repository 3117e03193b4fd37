"""DeepLIFT: the change of the score between a baseline and the picture, shared out over the pixels."""

import torch

from featuremaps.methods.baselines import Baseline, baseline_of
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, Propagate, Remark, Score
from featuremaps.rules.baseline_pairs import interleaved
from featuremaps.rules.deeplift import Rescale


@method(paper="Shrikumar et al. 2017, DeepLIFT, eq. 1-3 and section 3.5.1 (the rescale rule)", level="pixel")
def deep_lift(
    inputs: Inputs, propagate: Propagate, score: Score, remark: Remark, *, baseline: Baseline = "zero"
) -> Inputs:
    """What each value of the picture adds to the score, compared with a `baseline` that shows nothing.

    (picture − baseline) times DeepLIFT's multipliers, signed. The contributions add up to the score minus the
    baseline's score; what is missing is remarked as "completeness error". The baseline is zero, the picture blurred,
    or its mean colour.
    """
    empty = baseline_of(inputs, baseline)
    contributions = (inputs - empty) * propagate(Rescale(empty))
    with torch.no_grad():
        with_picture, without = score(interleaved(inputs, empty)).view(-1, 2).T
    remark("completeness error", contributions.flatten(1).sum(1) - (with_picture - without))
    return contributions
