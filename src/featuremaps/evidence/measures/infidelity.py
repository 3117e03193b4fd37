"""Infidelity: does the map foretell how the score answers to changes of the picture?"""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from featuremaps.evidence.copies import CHUNK, SAME, scores_of
from featuremaps.evidence.measured import Measured, usable
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import Heatmap, Inputs, Score
from featuremaps.methods.baselines import Baseline, baseline_of
from featuremaps.methods.chunking import checked
from featuremaps.methods.random_numbers import normal, uniform

Change = Literal["square", "gaussian"]
"""A square taken out, or noise that scales every place."""
STILL = "no change of the picture changed the score"


@measure(
    paper="Yeh et al. 2019, On the (in)fidelity of explanations, definition 2.1",
    better="lower",
    unit="score²",
    family="faithfulness",
)
def infidelity(
    heatmap: Heatmap,
    inputs: Inputs,
    score: Score,
    generator: torch.Generator,
    *,
    change: Change = "square",
    baseline: Baseline = "zero",
    samples: int = 32,
    size: float = 0.25,
    deviation: float = 0.1,
    chunk: int = CHUNK,
) -> Measured:
    """The mean squared error between the drop of the score after a change and the sum of the map where it changed.

    A change takes a share e of each place's difference from the baseline: e is 1 in a square of `size` of the shorter
    side and 0 outside, or Gaussian noise of this `deviation`. The map, taken as contributions, foretells the drop as
    the sum of e · map, scaled by the factor ≥ 0 that fits best, so that its own scale does not matter; a map turned
    upside down cannot fit. 0 for input × gradient of a linear model. Undefined for a map that is constant or not
    finite, and where no change matters.
    """
    checked("samples", samples, "how many changes are made", least=1)
    checked("deviation", deviation, "the standard deviation of the noise", least=0, above=True)
    checked("size", size, "the side of the squares as a share of the shorter side", least=0, most=1)
    changes = torch.stack(list(_changes(tuple(heatmap.shape[1:]), generator, change, samples, size, deviation)))
    changes = changes.to(inputs)
    difference = inputs - baseline_of(inputs, baseline)
    copies = (inputs - share * difference for share in changes)
    changed = scores_of(copies, score, chunk).double()
    whole = scores_of([inputs], score, chunk).double()
    drops = whole - changed
    foretold = heatmap.flatten(1).double() @ changes.flatten(1).double().T
    factor = ((foretold * drops).mean(1) / foretold.square().mean(1)).clamp(min=0).nan_to_num(0)
    errors = (factor[:, None] * foretold - drops).square().mean(1)
    judged = usable(heatmap)
    judged = judged.where(drops.abs().amax(1) > SAME * whole[:, 0].abs(), STILL)
    return judged.of(errors.to(judged.values.dtype))


def _changes(
    space: tuple[int, ...], generator: torch.Generator, change: Change, samples: int, size: float, deviation: float
) -> Iterator[Tensor]:
    """The share of each place that goes, (*space), one set after another."""
    side = max(1, round(size * min(space)))
    for _ in range(samples):
        if change == "gaussian":
            yield deviation * normal(space, generator)
        else:
            square = torch.zeros(space)
            corner = uniform([len(space)], generator).tolist()
            starts = [int(place * (length - side + 1)) for place, length in zip(corner, space, strict=True)]
            square[tuple(slice(start, start + side) for start in starts)] = 1
            yield square
