"""The section that shows what every attention head looks at: for each picture a row a layer, a map a head."""

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.plotting.panels import counted
from featuremaps.report.data import LayeredPicture, section
from featuremaps.report.encode import Json, alone, picture_json, plain, rounded
from featuremaps.report.explanations import Display
from featuremaps.report.sprites import sprite

CELLS = 24
"""The longest side of a map in the file, in cells."""


@dataclass(frozen=True, eq=False)
class AttendingLayer:
    """One layer for one picture: what each head attends to, as it is drawn, and how much of it goes to patches."""

    layer: str
    heads: Float[Tensor, "head height width"]
    to_patches: Float[Tensor, " head"]


@section
@dataclass(frozen=True, eq=False)
class AttentionSection:
    """Pictures with the attention of every head. `query` says from where it is seen, `notes` what to beware of.

    The first map of a layer is the mean over its heads.
    """

    kind: ClassVar[str] = "attention"
    question: ClassVar[str] = "What is inside"

    pictures: tuple[LayeredPicture[AttendingLayer], ...]
    query: str
    notes: tuple[str, ...] = ()
    title: str = "What each attention head looks at"
    display: Display = field(default_factory=Display)

    @property
    def colormaps(self) -> tuple[str, ...]:
        """The one that its display starts with."""
        return (self.display.colormap,)

    @property
    def summary(self) -> str:
        """How many heads there are."""
        layers = self.pictures[0].layers if self.pictures else ()
        heads = sum(len(layer.heads) for layer in layers)
        return f"{counted(heads, 'head')} in {counted(len(layers), 'layer')}, {self.query}."

    def to_json(self) -> Json:
        """The pictures, and how their maps look at first. A picture that cannot be encoded fails alone."""
        pictures = [alone(picture, _picture_json) for picture in self.pictures]
        return {
            "pictures": pictures,
            "query": self.query,
            "notes": list(self.notes),
            "display": plain(self.display),
        }


def _picture_json(picture: LayeredPicture[AttendingLayer]) -> Json:
    return {
        "name": picture.name,
        "seen": picture_json(picture.seen),
        "layers": [_layer_json(layer) for layer in picture.layers],
    }


def _layer_json(layer: AttendingLayer) -> Json:
    """The sprite of a layer's maps, the mean over its heads first."""
    maps = layer.heads.detach().cpu()
    every = sprite(torch.cat([maps.mean(0, keepdim=True), maps]), CELLS)
    shares = [rounded(float(share)) for share in (layer.to_patches.mean(), *layer.to_patches)]
    return {"layer": layer.layer, "size": list(maps.shape[1:]), "sprite": every, "shares": shares}
