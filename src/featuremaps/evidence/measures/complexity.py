"""Complexity: how few places a map names. A map can be short and wrong: read it beside the others."""

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.evidence.measured import Measured, usable
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import Heatmap


@measure(
    paper="Chalasani et al. 2020, Concise explanations; Hurley & Rickard 2009",
    better="higher",
    unit="index",
    family="complexity",
)
def gini(heatmap: Heatmap) -> Measured:
    """The Gini index of the absolute values, 0 for all alike, near 1 for a single place.

    Undefined for a map that is constant or not finite.
    """
    judged, size = usable(heatmap), heatmap.flatten(1).abs().sort(dim=1).values.double()
    count = size.shape[1]
    weights = (count - torch.arange(1, count + 1).to(size) + 0.5) / count
    share = size / size.sum(1, keepdim=True)
    return judged.of((1 - 2 * (share * weights).sum(1)).to(judged.values.dtype))


@measure(
    paper="Bhatt et al. 2020, Evaluating and aggregating explanations, section 3",
    better="lower",
    unit="nats",
    family="complexity",
)
def entropy(heatmap: Heatmap) -> Measured:
    """The entropy of the shares that the places have of the sum of absolute values.

    From 0 for a single place to the logarithm of the number of places. Undefined for a map that is constant or not
    finite.
    """
    judged = usable(heatmap)
    return judged.of(torch.special.entr(_shares(heatmap)).sum(1).to(judged.values.dtype))


@measure(
    paper="Hill 1973, Diversity and evenness, the number of order 2", better="lower", unit="places", family="complexity"
)
def effective_places(heatmap: Heatmap) -> Measured:
    """How many places, if all were equally strong, would be as concentrated as the map is.

    One over the sum of the squared shares that the places have of the sum of absolute values. Undefined for a map that
    is constant or not finite.
    """
    judged = usable(heatmap)
    return judged.of((1 / _shares(heatmap).square().sum(1)).to(judged.values.dtype))


def _shares(heatmap: Heatmap) -> Float[Tensor, "batch place"]:
    size = heatmap.flatten(1).abs().double()
    return size / size.sum(1, keepdim=True)
