"""The section in which a reader browses the channels: for each picture and layer all maps, small, sorted as asked."""

from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.plotting.panels import counted
from featuremaps.report.data import LayeredPicture, section
from featuremaps.report.encode import Json, alone, check_either, picture_json, plain, rounded
from featuremaps.report.explanations import Display
from featuremaps.report.sprites import reduced, sprite

SCALINGS = ("map", "layer")
"""Each map by its own extremes, or all maps of a layer by those of the layer."""

SORTS = ("mean", "max", "name")
"""By mean or largest activation, highest first, or by channel number."""

SIZES = (32, 24, 16, 12, 8)
"""The longest sides that maps are averaged down to, tried in this order until all of them fit."""

BYTES_PER_CELL = 0.85
"""What a cell takes in the report: measured on real networks between 0.75 and 0.9 after packing and base64."""


@dataclass(frozen=True, eq=False)
class BrowsedLayer:
    """All channels of one layer for one picture: raw signed `maps`, or a `failure` that says why there are none.

    `shown` are those of signals and volumes as they lie on the picture. Raises `OptionError` unless exactly one of
    `maps` and `failure` is given.
    """

    layer: str
    maps: Float[Tensor, "channel *space"] | None = None
    type: str = ""
    failure: str | None = None
    shown: Float[Tensor, "channel height width"] | None = None

    def __post_init__(self) -> None:
        check_either(f"BrowsedLayer({self.layer!r})", "a stack of maps", self.maps, self.failure)

    @property
    def drawn(self) -> Float[Tensor, "channel height width"] | None:
        """The maps as pictures."""
        return self.maps if self.shown is None else self.shown


def statistics(maps: Float[Tensor, "channel *space"]) -> tuple[list[float | None], list[float | None]]:
    """Mean and maximum of each map over its finite values, with six digits; None where none is finite."""
    values = maps.detach().cpu().double().flatten(1)
    finite = values.isfinite()
    means = values.where(finite, values.new_tensor(float("nan"))).nanmean(1)
    maxima = values.where(finite, values.new_tensor(float("-inf"))).amax(1)
    return [rounded(mean) for mean in means.tolist()], [rounded(most) for most in maxima.tolist()]


@section
@dataclass(frozen=True, eq=False)
class ChannelsSection:
    """Pictures with every channel of the layers asked for; `megabytes` is about what its maps may take in the file.

    `sort` and `scaling` are where the reader starts. Raises `OptionError` for a value that does not exist.
    """

    kind: ClassVar[str] = "channels"
    question: ClassVar[str] = "What is inside"

    pictures: tuple[LayeredPicture[BrowsedLayer], ...]
    title: str = "What each channel responds to"
    display: Display = field(default_factory=Display)
    sort: str = "mean"
    scaling: str = "map"
    megabytes: float = 6.0

    def __post_init__(self) -> None:
        for name, value, known in (("sort", self.sort, SORTS), ("scaling", self.scaling, SCALINGS)):
            if value not in known:
                raise OptionError(f"{name}={value!r}: not known to the channel browser. Use one of {', '.join(known)}.")

    @property
    def colormaps(self) -> tuple[str, ...]:
        """The one that its display starts with."""
        return (self.display.colormap,)

    @property
    def summary(self) -> str:
        """How many channels there are in how many layers."""
        maps = [layer.maps for layer in self.pictures[0].layers if layer.maps is not None] if self.pictures else []
        return f"{sum(map(len, maps)):,} channels of {counted(len(maps), 'layer')}." if maps else ""

    @property
    def cells(self) -> int:
        """The longest side of a map as it is shown: the largest with which all of them take `megabytes` or less."""
        drawn = [layer.drawn for picture in self.pictures for layer in picture.layers]
        shapes = [maps.shape for maps in drawn if maps is not None]
        for cells in SIZES:
            total = sum(count * prod(reduced(height, width, cells)) for count, height, width in shapes)
            if total * BYTES_PER_CELL <= self.megabytes * 1e6:
                return cells
        return SIZES[-1]

    def to_json(self) -> Json:
        """The pictures, and how their maps look at first. A picture that cannot be encoded fails alone."""
        encode = partial(_picture_json, cells=self.cells)
        return {
            "pictures": [alone(picture, encode) for picture in self.pictures],
            "display": plain(self.display),
            "sort": self.sort,
            "scaling": self.scaling,
        }


def _picture_json(picture: LayeredPicture[BrowsedLayer], cells: int) -> Json:
    """The picture and every layer; a layer that cannot be encoded fails alone."""
    layers = [alone(layer, partial(_layer_json, cells=cells)) for layer in picture.layers]
    return {"name": picture.name, "seen": picture_json(picture.seen), "layers": layers}


def _layer_json(layer: BrowsedLayer, cells: int) -> Json:
    """The sprite of a layer's maps at no more than `cells` a side, with the mean and maximum of each full map."""
    names: Json = {"layer": layer.layer, "type": layer.type, "failure": layer.failure}
    if layer.maps is None or layer.drawn is None:
        return names
    means, maxima = statistics(layer.maps)
    _, height, width = layer.drawn.shape
    size, small = list(layer.maps.shape[1:]), sprite(layer.drawn, cells)
    return {**names, "height": height, "width": width, "size": size, "sprite": small, "means": means, "maxima": maxima}
