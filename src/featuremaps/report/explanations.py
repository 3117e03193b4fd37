"""The section that shows, for each picture, its top classes and its maps as a matrix of methods and layers."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from jaxtyping import Float
from PIL.Image import Image
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.plotting.colour_tables import check_colormap
from featuremaps.plotting.panels import counted
from featuremaps.report.data import section
from featuremaps.report.encode import Json, alone, check_either, plain, plain_fields
from featuremaps.report.palettes import is_diverging

SCALES = ("max", "minmax", "signed")
"""ReLU and divide by the maximum; lowest to highest; divide by the largest magnitude and keep the sign."""


@dataclass(frozen=True)
class ClassScore:
    """One class of a model's answer: its name, its index, and its probability between 0 and 1.

    `covers` is the share of the picture that a segmentation model gives the class; it is shown in place of the other.
    `box` is whether this is a box that a detector found, with its score.
    """

    label: str
    index: int
    probability: float
    covers: float | None = None
    box: bool = False


@dataclass(frozen=True, eq=False)
class HeatmapData:
    """One method's raw signed `map` at one layer for one target, or a `failure`.

    `warnings` say why the map should not be trusted, `remarks` what else a reader should know; `code` is the Python
    that makes it, after that of its picture; of a map that is `cut` the largest hundredth of magnitudes was. Raises
    `OptionError` unless exactly one of the two is given.
    """

    method: str
    layer: str
    target: str
    map: Float[Tensor, "height width"] | None = None
    warnings: tuple[str, ...] = ()
    failure: str | None = None
    remarks: tuple[str, ...] = ()
    code: str = ""
    cut: bool = False

    def __post_init__(self) -> None:
        where = f"HeatmapData({self.method!r}, {self.layer!r}, {self.target!r})"
        check_either(where, "a map", self.map, self.failure)


@dataclass(frozen=True, eq=False)
class ExplainedPicture:
    """One picture: what the model saw of it, what it answered, and the maps that explain the answer.

    `placement` is the box of `seen` in the pixels of `original`: left, top, right, bottom. It may reach beyond
    the picture (padding), and right may lie left of left (a flip). `code` is Python for `scope` and `picture`. `note`
    says why there is neither an answer nor a map.
    """

    name: str
    seen: Image
    original: Image | None = None
    placement: tuple[float, float, float, float] | None = None
    label: str | None = None
    top: tuple[ClassScore, ...] = ()
    maps: tuple[HeatmapData, ...] = ()
    code: str = ""
    note: str = ""

    def to_json(self) -> Json:
        """The fields; the original only with its placement."""
        placed = self.original is not None and self.placement is not None
        return plain_fields(vars(self if placed else replace(self, original=None, placement=None)))


@dataclass(frozen=True)
class Display:
    """How maps look until the reader changes it. Raises `OptionError` for a value that does not exist."""

    colormap: str = "inferno"
    strength: float = 0.7
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
    question: ClassVar[str] = "Where it looks"

    pictures: tuple[ExplainedPicture, ...]
    title: str = "What decided each picture"
    display: Display = field(default_factory=Display)

    @property
    def colormaps(self) -> tuple[str, ...]:
        """The one that its display starts with."""
        return (self.display.colormap,)

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.pictures)

    @property
    def summary(self) -> str:
        """What is shown of how many pictures."""
        maps = [heatmap for picture in self.pictures for heatmap in picture.maps]
        methods, layers = ({getattr(heatmap, of) for heatmap in maps} for of in ("method", "layer"))
        return f"{counted(len(methods), 'method')} on {counted(len(layers), 'layer')}." if maps else ""

    def to_json(self) -> Json:
        """The pictures, and how their maps look at first. A picture that cannot be encoded fails alone."""
        return {"pictures": list(map(alone, self.pictures)), "display": plain(self.display)}
