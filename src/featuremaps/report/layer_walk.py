"""The section that walks through the layers: a row for each, and a curve of how sparse the maps become with depth."""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.report.data import section
from featuremaps.report.encode import alone, picture_json
from featuremaps.report.palettes import check_colormap
from featuremaps.report.sprites import rounded, sprite

CELLS = 32
"""The longest side of a thumbnail, in cells."""


@dataclass(frozen=True, eq=False)
class TopMap:
    """One of a layer's strongest maps: its channel, the value it is ranked by, and the map."""

    channel: int
    value: float
    values: Float[Tensor, "height width"]


@dataclass(frozen=True, eq=False)
class WalkedLayer:
    """One layer for one picture: `shape` is (channel, height, width); `zeros` and `silent` are shares of 0 to 1.

    `zeros` counts values that are exactly zero, `silent` the channels that are zero everywhere; None is unknown.
    Raises `OptionError` unless exactly one of `shape` and `failure` is given.
    """

    layer: str
    type: str = ""
    shape: tuple[int, int, int] | None = None
    receptive_field: str = ""
    zeros: float | None = None
    silent: float | None = None
    mean: float | None = None
    top: tuple[TopMap, ...] = ()
    failure: str | None = None

    def __post_init__(self) -> None:
        if (self.shape is None) == (self.failure is None):
            given = "neither" if self.shape is None else "both"
            raise OptionError(f"WalkedLayer({self.layer!r}): give either a shape or a failure; {given} given.")

    def to_json(self) -> dict[str, object]:
        """The numbers, and the strongest maps as one sprite."""
        maps = torch.stack([best.values.detach().cpu().double() for best in self.top]) if self.top else None
        return {
            "layer": self.layer,
            "type": self.type,
            "shape": None if self.shape is None else list(self.shape),
            "field": self.receptive_field,
            "zeros": rounded(self.zeros),
            "silent": rounded(self.silent),
            "mean": rounded(self.mean),
            "channels": [best.channel for best in self.top],
            "values": [rounded(best.value) for best in self.top],
            "sprite": None if maps is None else sprite(maps, CELLS).to_json(),
            "failure": self.failure,
        }


@dataclass(frozen=True, eq=False)
class WalkedPicture:
    """One picture: what the model saw of it, and its layers in the order in which they run."""

    name: str
    seen: Image
    layers: tuple[WalkedLayer, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The picture as a data URI and every layer; a layer that cannot be encoded fails alone."""
        layers = [_layer_json(layer) for layer in self.layers]
        return {"name": self.name, "seen": picture_json(self.seen), "layers": layers}


@section
@dataclass(frozen=True, eq=False)
class LayerWalkSection:
    """Pictures with all layers they pass through. `ranked_by` says what the strongest maps are ranked by.

    Raises `OptionError` for a colormap that does not exist.
    """

    kind: ClassVar[str] = "layer_walk"

    pictures: tuple[WalkedPicture, ...]
    title: str = "From pixels to concepts, layer by layer"
    ranked_by: str = "mean"
    colormap: str = "inferno"

    def __post_init__(self) -> None:
        check_colormap(self.colormap)

    @property
    def colormaps(self) -> tuple[str, ...]:
        """The one of its thumbnails."""
        return (self.colormap,)

    def to_json(self) -> dict[str, object]:
        """The pictures in the order given. A picture that cannot be encoded fails alone."""
        pictures = [alone({"name": picture.name}, picture.to_json) for picture in self.pictures]
        return {"pictures": pictures, "ranked_by": self.ranked_by, "colormap": self.colormap}


def _layer_json(layer: WalkedLayer) -> dict[str, object]:
    try:
        return layer.to_json()
    except Exception as error:
        return replace(layer, shape=None, top=(), failure=f"{type(error).__name__}: {error}").to_json()
