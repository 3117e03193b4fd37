"""What a measure says of each picture: a number, or that there is none, and why; and which heatmaps it can judge."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.errors import MethodError


@dataclass(frozen=True, eq=False)
class Measured:
    """A number for each picture; `undefined[i]` says why picture i has none, and `values[i]` is then not a number."""

    values: Float[Tensor, " batch"]
    undefined: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        values, reasons = self.values, tuple(self.undefined)
        if not isinstance(values, Tensor) or values.ndim != 1 or len(reasons) not in (0, len(values)):
            shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise MethodError(
                "a measure says a number for each picture, values (batch,), or a text for each that tells why there is "
                f"none; got values {shape} and {len(reasons)} texts."
            )
        if any(reasons):
            nothing = torch.tensor([bool(reason) for reason in reasons], device=values.device)
            object.__setattr__(self, "values", _real(values).masked_fill(nothing, torch.nan))
        else:
            object.__setattr__(self, "values", _real(values))
        object.__setattr__(self, "undefined", reasons or ("",) * len(values))

    @property
    def defined(self) -> Bool[Tensor, " batch"]:
        """The pictures that have a number."""
        return torch.tensor([not reason for reason in self.undefined], device=self.values.device)

    def where(self, defined: Bool[Tensor, " batch"], reason: str) -> "Measured":
        """The same, undefined for this reason where `defined` is false, unless there was a reason before."""
        reasons = [
            known or ("" if holds else reason) for known, holds in zip(self.undefined, defined.tolist(), strict=True)
        ]
        return Measured(self.values.masked_fill(~defined, torch.nan), tuple(reasons))

    def of(self, values: Float[Tensor, " batch"]) -> "Measured":
        """Other numbers, undefined where these are."""
        return Measured(values.masked_fill(~self.defined, torch.nan), self.undefined)


def _real(values: Tensor) -> Tensor:
    return values if values.is_floating_point() else values.real.float()


def together(parts: Sequence[Measured], values: Float[Tensor, " batch"]) -> Measured:
    """A number made of several measures: undefined, for the first reason, where one of them is."""
    reasons = zip(*(part.undefined for part in parts), strict=True)
    return Measured(values, tuple(next(filter(None, each), "") for each in reasons)).where(
        torch.stack([part.defined for part in parts]).all(0), "undefined"
    )


def mean_of(parts: Sequence[Measured], *, where_defined: bool = False) -> Measured:
    """The mean of several measures; undefined where one of them is, or only where all are."""
    values = torch.stack([part.values for part in parts])
    if not where_defined:
        return together(parts, values.mean(0))
    reasons = zip(*(part.undefined for part in parts), strict=True)
    return Measured(values.nanmean(0), tuple(each[0] if all(each) else "" for each in reasons))


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
