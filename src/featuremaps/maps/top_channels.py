"""The channels that respond most to a picture, as a person studies them: over the picture, by rank, with values."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.errors import check_choice
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.colour_scales import MapScaling, Range, Scale, scale_for
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import png_of, write_files
from featuremaps.plotting.panels import (
    Bar,
    Panel,
    columns_for,
    in_rows,
    panels_figure,
    short_unit,
    three_digits,
)
from featuremaps.plotting.rendering import overlay
from featuremaps.results.by_picture import ByPicture
from featuremaps.results.heatmaps import Canvas

MARK = "#d62728"


@dataclass(frozen=True, eq=False)
class RankedMap:
    """One channel over one picture: its mean or largest activation, and its rank among all channels, from 1."""

    unit: str
    value: float
    rank: int
    highlighted: bool
    map: Float[Tensor, "*space"]


@dataclass(frozen=True, eq=False)
class TopMaps(ByPicture):
    """The strongest channels of one layer for each picture, strongest first, then highlighted ones of lower rank."""

    ranked: tuple[tuple[RankedMap, ...], ...]
    layer: str
    by: str
    channels: int
    pictures: tuple[Seen, ...]
    ranges: Mapping[str, Range]
    scaling: MapScaling = "map"
    by_picture = ("ranked", "pictures")

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """For each picture the units shown, in order."""
        return tuple(tuple(channel.unit for channel in shown) for shown in self.ranked)

    @property
    def values(self) -> tuple[tuple[float, ...], ...]:
        """For each picture the values of `units`."""
        return tuple(tuple(channel.value for channel in shown) for shown in self.ranked)

    @property
    def ranks(self) -> tuple[tuple[int, ...], ...]:
        """For each picture the ranks of `units`, from 1."""
        return tuple(tuple(channel.rank for channel in shown) for shown in self.ranked)

    def overlay(
        self, alpha: float = 0.8, colormap: str | None = None, *, scaling: MapScaling | None = None, on: Canvas = "seen"
    ) -> list[list[Image.Image]]:
        """Each map, enlarged, laid over its picture: a list of channels for every picture. See `Heatmaps.overlay`."""
        scale = self._scale(scaling)
        result = []
        for shown, seen in zip(self.ranked, self.pictures, strict=True):
            tops = [largest(self.ranges, channel.unit) for channel in shown]
            result.append(over_picture(seen, [channel.map for channel in shown], tops, scale, alpha, colormap, on))
        return result

    def figure(self, *, most: int = 4, columns: int | None = None, **look: Any) -> Figure:
        """For each of the first `most` pictures the picture itself, then its maps. `look` goes to `overlay`."""
        scale = self._scale(look.get("scaling"))
        rows = []
        count = columns or columns_for(1 + max(map(len, self.ranked)))
        overlays = self[:most].overlay(**look)
        for seen, shown, images in zip(self.pictures, self.ranked, overlays, strict=False):
            panels = [self.panel(channel, image) for channel, image in zip(shown, images, strict=True)]
            rows += in_rows([Panel(seen.image, seen.picture.name), *panels], count)
        peak = largest(self.ranges, self.units[0][0]) if len(self.ranges) == 1 else None
        rest = f", first {most} of {len(self)} pictures" if len(self) > most else ""
        title = f"{self.layer}: channels with the highest {self.by} activation, of {self.channels}{rest}"
        bar = bar_of(scale, peak, look.get("colormap"))
        return panels_figure(rows, bar, title=title, caption=scale.caption(peak))

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Write the figure of each picture (PNG) and its raw maps (`.npy`, float32); returns the files written."""
        contents: list[tuple[str, bytes | Tensor]] = []
        for i, (stem, shown) in enumerate(zip(self._stems("top", self.layer), self.ranked, strict=True)):
            maps = torch.stack([channel.map for channel in shown])
            contents += [(stem, png_of(self[i].figure(**look))), (stem, maps)]
        return write_files(folder, contents)

    def __repr__(self) -> str:
        lines = [f"<TopMaps of {self.layer}, by {self.by}, of {self.channels} channels:"]
        for seen, shown in zip(self.pictures, self.ranked, strict=True):
            best = ", ".join(f"{channel.unit} {three_digits(channel.value)}" for channel in shown[:3])
            lines.append(f"  {seen.picture.name}: {best}{', …' if len(shown) > 3 else ''}")
        return "\n".join(lines) + ">"

    def panel(self, channel: RankedMap, image: Image.Image) -> Panel:
        """How one channel stands in a figure: titled with its unit and value, framed with its rank if highlighted."""
        rank = f"  (rank {channel.rank} of {self.channels})" if channel.highlighted else ""
        title = f"{short_unit(channel.unit)}\n{three_digits(channel.value)}{rank}"
        return Panel(image, title, frame=MARK if channel.highlighted else "")

    def _scale(self, scaling: MapScaling | None) -> Scale:
        return scale_for(scaling or self.scaling, min(low for low, _ in self.ranges.values()))


def largest(ranges: Mapping[str, Range], unit: str) -> float:
    """The largest magnitude of a unit's layer, or of what stands under its own name."""
    low, high = ranges[unit] if unit in ranges else ranges[unit.rpartition(":")[0]]
    return max(abs(low), abs(high))


def over_picture(
    seen: Seen,
    maps: Sequence[Float[Tensor, "*_grid"]],
    of_layers: Sequence[float],
    scale: Scale,
    alpha: float,
    colormap: str | None,
    on: Canvas,
) -> list[Image.Image]:
    """Raw maps enlarged, scaled and laid over what the model saw, or over the whole original picture."""
    check_choice("on", on, get_args(Canvas))
    image = seen.image if on == "seen" else None
    overlays = []
    for map, of_layer in zip(maps, of_layers, strict=True):
        drawn = drawing(map, seen.sheet.lay, scale, of_layer)
        canvas, drawn = seen.original(drawn) if image is None else (image, drawn)
        look: dict[str, Any] = {"colormap": colormap or scale.colormap, "signed": scale.signed}
        overlays.append(overlay(canvas, drawn, alpha=alpha, **look))
    return overlays


def drawing(
    map: Float[Tensor, "*grid"], lay: Callable[[Tensor], Tensor], scale: Scale, of_layer: float
) -> Float[Tensor, "height width"]:
    """One raw map laid out on a sheet and scaled for drawing, on the CPU."""
    map = map.detach().float().cpu()
    return scale(lay(map[None])[0], float(map.abs().max()), of_layer)


def bar_of(scale: Scale, of_layer: float | None, colormap: str | None) -> Bar:
    """The colour bar of feature maps."""
    shares = scale.scaling == "map" or (scale.scaling == "layer" and not of_layer)
    low, high = scale.limits(of_layer)
    label = "activation (share of the largest)" if shares else "activation"
    return Bar(colormap or scale.colormap, low, high, label)
