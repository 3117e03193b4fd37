"""What a measure says of each picture: a number, or that there is none, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float
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
