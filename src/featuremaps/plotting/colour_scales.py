"""What the colours of feature maps stand for: each map its own scale, one per layer, or fixed limits."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError, did_you_mean
from featuremaps.plotting.panels import number
from featuremaps.plotting.rendering import DIVERGING, SEQUENTIAL

MapScaling = Literal["map", "layer"] | tuple[float, float]
Range = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """How raw values become 0..1, or −1..1 where there are negative ones.

    Zero stays zero with `"map"` and `"layer"`: maps are divided by the largest magnitude of the map, or of the layer
    over all pictures shown. Fixed limits are stretched to 0..1 (limits that mirror each other to −1..1), and values
    beyond them are clipped.
    """

    scaling: MapScaling
    signed: bool

    def __call__(self, map: Float[Tensor, "height width"], of_map: float, of_layer: float) -> Tensor:
        """The map for drawing, given the largest magnitude of the raw map and of its layer."""
        if isinstance(self.scaling, tuple):
            low, high = self.scaling
            shares = ((map - low) / (high - low)).clamp(0, 1)
            return shares * 2 - 1 if self.signed else shares
        peak = of_map if self.scaling == "map" else of_layer
        return (map / peak).clamp(-1 if self.signed else 0, 1) if peak > 0 else torch.zeros_like(map)

    @property
    def colormap(self) -> str:
        """Sequential, or diverging with 0 in the middle where there are negative values."""
        return DIVERGING if self.signed else SEQUENTIAL

    def limits(self, of_layer: float | None) -> Range:
        """What the ends of the colour bar stand for: values, or shares where each map or layer has its own scale."""
        if isinstance(self.scaling, tuple):
            return self.scaling
        peak = of_layer if self.scaling == "layer" and of_layer else 1.0
        return (-peak if self.signed else 0.0, peak)

    def caption(self, of_layer: float | None) -> str:
        """What the colours mean, in words."""
        if isinstance(self.scaling, tuple):
            return f"fixed scale from {self.scaling[0]:g} to {self.scaling[1]:g}; values beyond it are clipped"
        if self.scaling == "map":
            ends = "± its largest magnitude" if self.signed else "0 to its largest value"
            return f"each map has its own scale: {ends}"
        if of_layer is None:
            return "one scale per layer, up to its largest value over all channels and pictures"
        ends = f"±{number(of_layer)}" if self.signed else f"0 to {number(of_layer)}"
        return f"one scale for all channels and pictures of the layer: {ends}"


def scale_for(scaling: MapScaling, lowest: float) -> Scale:
    """The scale asked for, for maps whose lowest value this is; `OptionError` for one that is not known."""
    if isinstance(scaling, tuple | list):
        if len(scaling) != 2 or not all(isinstance(end, int | float) for end in scaling) or not scaling[0] < scaling[1]:
            raise OptionError(f"scaling={scaling!r}: fixed limits are two numbers (low, high) with low below high.")
        low, high = map(float, scaling)
        return Scale((low, high), low == -high)
    if scaling not in ("map", "layer"):
        near = did_you_mean(str(scaling), ("map", "layer"))
        raise OptionError(
            f"scaling={scaling!r} is not known; choose 'map' (each map its own), 'layer' (one per layer) or limits "
            f"such as (0, 5).{near}"
        )
    return Scale(scaling, lowest < 0)
