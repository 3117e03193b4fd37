"""What a heatmap must be to be judged, and the order in which it names the places of a picture."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.evidence.measured import Measured

CONSTANT = "the map is the same everywhere, and gives no order of places"
NOT_FINITE = "the map has values that are not finite"


def ranks(heatmap: Float[Tensor, "batch *space"]) -> Int[Tensor, "batch *space"]:
    """The rank of every place, 0 for the highest value; of equal values the place that comes first in reading order."""
    order = heatmap.flatten(1).sort(dim=1, descending=True, stable=True).indices
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).reshape(heatmap.shape)


def ordered(heatmap: Float[Tensor, "batch *space"]) -> Bool[Tensor, " batch"]:
    """The maps that give an order: those that are not the same everywhere."""
    flat = heatmap.flatten(1)
    return (flat != flat[:, :1]).any(1)


def finite(heatmap: Float[Tensor, "batch *space"]) -> Bool[Tensor, " batch"]:
    """The maps whose values are all finite."""
    return heatmap.flatten(1).isfinite().all(1)


def usable(heatmap: Float[Tensor, "batch *space"]) -> Measured:
    """0 for every map that a measure can judge, undefined for those that are not finite or the same everywhere."""
    nothing = heatmap.new_zeros(len(heatmap), dtype=torch.float64 if heatmap.dtype == torch.float64 else torch.float32)
    return Measured(nothing).where(finite(heatmap), NOT_FINITE).where(ordered(heatmap), CONSTANT)
