"""The section that shows, for each picture, its top classes and its maps as a matrix of methods and layers."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.report.data import section
from featuremaps.report.encode import alone, picture_json, quantise
from featuremaps.report.palettes import check_colormap, is_diverging

SCALES = ("max", "minmax", "signed")
"""ReLU and divide by the maximum; lowest to highest; divide by the largest magnitude and keep the sign."""


@dataclass(frozen=True)
class ClassScore:
    """One class of a model's answer: its name, its index, and its probability between 0 and 1."""

    label: str
    index: int
    probability: float

    def to_json(self) -> dict[str, object]:
        """The fields under their own names; a probability that is not finite becomes null."""
        probability = self.probability if math.isfinite(self.probability) else None
        return {"label": self.label, "index": self.index, "probability": probability}


@dataclass(frozen=True, eq=False)
class HeatmapData:
    """One method's map at one layer for one target: raw signed `values` (height, width), or a `failure`.

    `warnings` say why the map should not be trusted. Raises `OptionError` unless exactly one of the two is given.
    """

    method: str
    layer: str
    target: str
    values: Float[Tensor, "height width"] | None = None
    warnings: tuple[str, ...] = ()
    failure: str | None = None

    def __post_init__(self) -> None:
        where = f"HeatmapData({self.method!r}, {self.layer!r}, {self.target!r})"
        if (self.values is None) == (self.failure is None):
            given = "neither" if self.values is None else "both"
            raise OptionError(f"{where}: give either values or a failure; {given} given.")
        if self.values is not None and self.values.numel() == 0:
            raise OptionError(f"{where}: the map is empty, shape {tuple(self.values.shape)}. Give a failure instead.")

    def to_json(self) -> dict[str, object]:
        """The names, and either the quantised map or the failure."""
        return {
            "method": self.method,
            "layer": self.layer,
            "target": self.target,
            "map": None if self.values is None else quantise(self.values).to_json(),
            "warnings": list(self.warnings),
            "failure": self.failure,
        }


@dataclass(frozen=True, eq=False)
class ExplainedPicture:
    """One picture: what the model saw of it, what it answered, and the maps that explain the answer.

    `placement` is the box of `seen` in the pixels of `original`: left, top, right, bottom. It may reach beyond
    the picture (padding), and right may lie left of left (a flip).
    """

    name: str
    seen: Image
    original: Image | None = None
    placement: tuple[float, float, float, float] | None = None
    label: str | None = None
    top: tuple[ClassScore, ...] = ()
    maps: tuple[HeatmapData, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The pictures as data URIs, the answer, and the maps in the order given."""
        shown = self.original is not None and self.placement is not None
        return {
            "name": self.name,
            "seen": picture_json(self.seen),
            "original": picture_json(self.original) if shown and self.original else None,
            "placement": list(self.placement) if shown and self.placement else None,
            "label": self.label,
            "top": [score.to_json() for score in self.top],
            "maps": [heatmap.to_json() for heatmap in self.maps],
        }


@dataclass(frozen=True)
class Display:
    """How maps look until the reader changes it. Raises `OptionError` for a value that does not exist."""

    colormap: str = "inferno"
    strength: float = 0.5
    scale: str = "max"

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise OptionError(f"scale={self.scale!r}: not a way to scale a map. Use one of {', '.join(SCALES)}.")
        if not 0 <= self.strength <= 1:
            raise OptionError(f"strength={self.strength}: the strength of an overlay lies between 0 and 1.")
        check_colormap(self.colormap)
        if is_diverging(self.colormap) != (self.scale == "signed"):
            fitting = "RdBu_r" if self.scale == "signed" else "inferno"
            raise OptionError(
                f"colormap={self.colormap!r} with scale={self.scale!r}: signed maps need a diverging colormap, "
                f"the others a sequential one. Use colormap={fitting!r}."
            )


@section
@dataclass(frozen=True, eq=False)
class Explanations:
    """Pictures with the maps that explain them."""

    kind: ClassVar[str] = "explanations"

    pictures: tuple[ExplainedPicture, ...]
    title: str = "What decided each picture"
    display: Display = field(default_factory=Display)

    @property
    def colormaps(self) -> tuple[str, ...]:
        """The one that its display starts with."""
        return (self.display.colormap,)

    def to_json(self) -> dict[str, object]:
        """The pictures, and how their maps look at first. A picture that cannot be encoded fails alone."""
        return {
            "pictures": [alone({"name": picture.name}, picture.to_json) for picture in self.pictures],
            "display": dict(vars(self.display)),
        }
