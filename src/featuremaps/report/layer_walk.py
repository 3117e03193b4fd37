"""The section that walks through the layers: a row for each, and a curve of how sparse the maps become with depth."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.plotting.colour_tables import check_colormap
from featuremaps.report.data import LayeredPicture, section
from featuremaps.report.encode import Json, alone, check_either, plain, plain_fields
from featuremaps.report.sprites import sprite

CELLS = 32
"""The longest side of a thumbnail, in cells."""


@dataclass(frozen=True, eq=False)
class TopMap:
    """One of a layer's strongest maps: its channel, the value it is ranked by, and the map."""

    channel: int
    value: float
    map: Float[Tensor, "height width"]


@dataclass(frozen=True, eq=False)
class WalkedLayer:
    """One layer for one picture: `shape` is (channel, *space); `zeros` and `silent` are shares of 0 to 1.

    `zeros` counts values that are exactly zero, `silent` the channels that are zero everywhere; None is unknown.
    Raises `OptionError` unless exactly one of `shape` and `failure` is given.
    """

    layer: str
    type: str = ""
    shape: tuple[int, ...] | None = None
    receptive_field: str = ""
    zeros: float | None = None
    silent: float | None = None
    mean: float | None = None
    top: tuple[TopMap, ...] = ()
    failure: str | None = None

    def __post_init__(self) -> None:
        check_either(f"WalkedLayer({self.layer!r})", "a shape", self.shape, self.failure)

    def to_json(self) -> Json:
        """The numbers, and the strongest maps as one sprite; where that cannot be made, this layer fails alone."""
        return alone(self, _layer_json)


@section
@dataclass(frozen=True, eq=False)
class LayerWalkSection:
    """Pictures with all layers they pass through. `ranked_by` says what the strongest maps are ranked by.

    Raises `OptionError` for a colormap that does not exist.
    """

    kind: ClassVar[str] = "layer_walk"
    question: ClassVar[str] = "What is inside"

    pictures: tuple[LayeredPicture[WalkedLayer], ...]
    title: str = "From pixels to concepts, layer by layer"
    ranked_by: str = "mean"
    colormap: str = "inferno"

    def __post_init__(self) -> None:
        check_colormap(self.colormap)

    @property
    def colormaps(self) -> tuple[str, ...]:
        """The one of its thumbnails."""
        return (self.colormap,)

    @property
    def summary(self) -> str:
        """How many layers there are, from which to which."""
        layers = [layer.layer for layer in self.pictures[0].layers] if self.pictures else []
        return f"{len(layers)} layers, from {layers[0]} to {layers[-1]}." if len(layers) > 1 else ""

    def to_json(self) -> Json:
        """The pictures in the order given. A picture that cannot be encoded fails alone."""
        pictures = list(map(alone, self.pictures))
        return {"pictures": pictures, "ranked_by": self.ranked_by, "colormap": self.colormap}


def _layer_json(layer: WalkedLayer) -> Json:
    numbers = {name: value for name, value in vars(layer).items() if name not in ("top", "receptive_field")}
    maps = [best.map.detach().cpu().double() for best in layer.top]
    return plain_fields(numbers) | {
        "field": layer.receptive_field,
        "channels": [best.channel for best in layer.top],
        "values": plain([best.value for best in layer.top]),
        "sprite": sprite(torch.stack(maps), CELLS) if maps else None,
    }
