"""The channels that respond most to a picture, as a person studies them: over the picture, by rank, with values."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.colour_scales import MapScaling, Range, Scale, scale_for
from featuremaps.plotting.files import file_name, png_of, unique_names
from featuremaps.plotting.panels import Bar, Panel, columns_for, in_rows, number, panels_figure, short_unit
from featuremaps.plotting.rendering import enlarged, overlay
from featuremaps.results.heatmaps import Canvas

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARK = "#d62728"


@dataclass(frozen=True, eq=False)
class RankedMap:
    """One channel over one picture: its mean or largest activation, and its rank among all channels, from 1."""

    unit: str
    value: float
    rank: int
    highlighted: bool
    map: Float[Tensor, "height width"]


@dataclass(frozen=True, eq=False)
class TopMaps:
    """The strongest channels of one layer for each picture, strongest first, then highlighted ones of lower rank."""

    ranked: tuple[tuple[RankedMap, ...], ...]
    layer: str
    by: str
    channels: int
    pictures: tuple[Seen, ...]
    ranges: Mapping[str, Range]
    scaling: MapScaling = "map"

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """For each picture the units shown, in order."""
        return tuple(tuple(one.unit for one in shown) for shown in self.ranked)

    @property
    def values(self) -> tuple[tuple[float, ...], ...]:
        """For each picture the values of `units`."""
        return tuple(tuple(one.value for one in shown) for shown in self.ranked)

    @property
    def ranks(self) -> tuple[tuple[int, ...], ...]:
        """For each picture the ranks of `units`, from 1."""
        return tuple(tuple(one.rank for one in shown) for shown in self.ranked)

    def overlay(
        self,
        alpha: float = 0.8,
        colormap: str | None = None,
        *,
        scaling: MapScaling | None = None,
        on: Canvas = "seen",
    ) -> list[list[Image.Image]]:
        """Each map, enlarged, laid over its picture: a list of channels for every picture. See `Heatmaps.overlay`."""
        scale = self._scale(scaling)
        result = []
        for shown, seen in zip(self.ranked, self.pictures, strict=True):
            tops = [largest(self.ranges, one.unit) for one in shown]
            result.append(over_picture(seen, [one.map for one in shown], tops, scale, alpha, colormap, on))
        return result

    def figure(self, *, most: int = 4, columns: int | None = None, **look: Any) -> "Figure":
        """For each of the first `most` pictures the picture itself, then its maps. `look` goes to `overlay`."""
        scale = self._scale(look.get("scaling"))
        rows = []
        count = columns or columns_for(1 + max(map(len, self.ranked)))
        overlays = self[:most].overlay(**look)
        for seen, shown, images in zip(self.pictures, self.ranked, overlays, strict=False):
            panels = [self.panel(one, image) for one, image in zip(shown, images, strict=True)]
            rows += in_rows([Panel(seen.image, seen.picture.name), *panels], count)
        peak = largest(self.ranges, self.units[0][0]) if len(self.ranges) == 1 else None
        rest = f", first {most} of {len(self)} pictures" if len(self) > most else ""
        title = f"{self.layer}: channels with the highest {self.by} activation, of {self.channels}{rest}"
        bar = bar_of(scale, peak, look.get("colormap"))
        return panels_figure(rows, bar, title=title, caption=scale.caption(peak))

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Write the figure of each picture (PNG) and its raw maps (`.npy`, float32); returns the files written."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        names = unique_names([seen.picture.name for seen in self.pictures])
        for i, (name, shown) in enumerate(zip(names, self.ranked, strict=True)):
            stem = file_name(name, "top", self.layer)
            (folder / f"{stem}.png").write_bytes(png_of(self[i].figure(**look)))
            np.save(folder / f"{stem}.npy", torch.stack([one.map for one in shown]).float().cpu().numpy())
            written += [folder / f"{stem}.png", folder / f"{stem}.npy"]
        return written

    def __len__(self) -> int:
        return len(self.ranked)

    def __getitem__(self, index: int | slice) -> "TopMaps":
        """The channels of one picture, or of several."""
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"picture {index} of {len(self)}: they count from 0 to {len(self) - 1}.")
        part = index if isinstance(index, slice) else slice(index, index + 1 or None)
        return replace(self, ranked=self.ranked[part], pictures=self.pictures[part])

    def __iter__(self) -> Iterator["TopMaps"]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        lines = [f"<TopMaps of {self.layer}, by {self.by}, of {self.channels} channels:"]
        for seen, shown in zip(self.pictures, self.ranked, strict=True):
            best = ", ".join(f"{one.unit} {number(one.value)}" for one in shown[:3])
            lines.append(f"  {seen.picture.name}: {best}{', …' if len(shown) > 3 else ''}")
        return "\n".join(lines) + ">"

    def _repr_png_(self) -> bytes:
        return png_of(self.figure())

    def panel(self, one: RankedMap, image: Image.Image) -> Panel:
        """How one channel stands in a figure: titled with its unit and value, framed with its rank if highlighted."""
        rank = f"  (rank {one.rank} of {self.channels})" if one.highlighted else ""
        return Panel(image, f"{short_unit(one.unit)}\n{number(one.value)}{rank}", frame=MARK if one.highlighted else "")

    def _scale(self, scaling: MapScaling | None) -> Scale:
        return scale_for(scaling or self.scaling, min(low for low, _ in self.ranges.values()))


def largest(ranges: Mapping[str, Range], unit: str) -> float:
    """The largest magnitude of a unit's layer, or of what stands under its own name."""
    low, high = ranges[unit] if unit in ranges else ranges[unit.rpartition(":")[0]]
    return max(abs(low), abs(high))


def over_picture(
    seen: Seen,
    maps: Sequence[Float[Tensor, "height width"]],
    of_layers: Sequence[float],
    scale: Scale,
    alpha: float,
    colormap: str | None,
    on: Canvas,
) -> list[Image.Image]:
    """Raw maps enlarged, scaled and laid over what the model saw, or over the whole original picture."""
    if on not in get_args(Canvas):
        raise OptionError(f"on={on!r} is not known; choose 'seen' or 'original'.")
    image = seen.image if on == "seen" else None
    overlays = []
    for map, of_layer in zip(maps, of_layers, strict=True):
        drawn = drawing(map, seen.size, scale, of_layer)
        canvas, drawn = seen.original(drawn) if image is None else (image, drawn)
        look: dict[str, Any] = {"colormap": colormap or scale.colormap, "signed": scale.signed}
        overlays.append(overlay(canvas, drawn, alpha=alpha, **look))
    return overlays


def drawing(map: Float[Tensor, "height width"], size: tuple[int, int], scale: Scale, of_layer: float) -> Tensor:
    """One raw map enlarged to `size` and scaled for drawing, on the CPU."""
    map = map.detach().float().cpu()
    return scale(enlarged(map[None], size)[0], float(map.abs().max()), of_layer)


def bar_of(scale: Scale, of_layer: float | None, colormap: str | None) -> Bar:
    """The colour bar of feature maps."""
    shares = scale.scaling == "map" or (scale.scaling == "layer" and not of_layer)
    low, high = scale.limits(of_layer)
    label = "activation (share of the largest)" if shares else "activation"
    return Bar(colormap or scale.colormap, low, high, label)
