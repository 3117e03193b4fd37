"""Feature maps: what a layer, or some of its channels, turns pictures into. Raw values, and how to look at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.errors import check_choice, check_least
from featuremaps.maps.pca_colours import ColourMaps, colour_maps
from featuremaps.maps.top_channels import MARK, RankedMap, TopMaps, bar_of, drawing, largest, over_picture
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.colour_scales import MapScaling, Range, Scale, scale_for
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import write_files
from featuremaps.plotting.panels import Panel, counted, number, panels_figure, short_unit
from featuremaps.plotting.rendering import bars, blocks, captioned, coloured, places, stacked, tiled
from featuremaps.plotting.sheets import plainly
from featuremaps.results.by_picture import ByPicture
from featuremaps.results.heatmaps import Canvas

By = Literal["mean", "max"]
SMALLEST_TILE, SMALLEST_BARS = 32, (512, 14)


@dataclass(frozen=True, eq=False)
class FeatureMaps(ByPicture):
    """Channels of one layer, or single units, over pictures.

    Attributes:
        maps: For each picture (channel, height, width), or `(channel, *space)` of a signal or a volume; raw, on the
            model's device.
        units: The names of the channels, such as "layer4:12".
        layer: The layer's address.
        pictures: The pictures as the model saw them.
        ranges: The lowest and highest value of each layer over all its channels and pictures.
        whole: Whether the channels are all those of one layer.
        highlight: Units that are always shown.
        scaling: How they are looked at: `"map"` (each its own), `"layer"` (one for all of a layer) or (low, high).
        note: What is said below the figures.
    """

    maps: tuple[Float[Tensor, "channel *_space"], ...]
    units: tuple[str, ...]
    layer: str
    pictures: tuple[Seen, ...]
    ranges: Mapping[str, Range]
    whole: bool = True
    highlight: tuple[str, ...] = ()
    scaling: MapScaling = "map"
    note: str = field(default="", kw_only=True)
    by_picture = ("maps", "pictures")

    @property
    def tensor(self) -> Float[Tensor, "batch channel *space"]:
        """All maps in one tensor; `OptionError` where pictures of different sizes have maps of different sizes."""
        return stacked(self.maps)

    def values(self, by: By = "mean") -> Float[Tensor, "batch channel"]:
        """One number for every channel and picture.

        Args:
            by: "mean" or "max" activation over the picture.

        Returns:
            (batch, channel), in units of the activation.
        """
        check_choice("by", by, get_args(By))
        return torch.stack([map.flatten(1).mean(1) if by == "mean" else map.flatten(1).amax(1) for map in self.maps])

    def top(self, n: int = 16, by: By = "mean") -> TopMaps:
        """The channels that respond most to each picture, strongest first; equal ones in order of channel.

        Highlighted units that are not among them are appended, with their true rank.

        Args:
            n: How many channels.
            by: "mean" or "max" activation over the picture.

        Returns:
            The strongest maps, with their figure.
        """
        check_least("n", n, "how many of the strongest channels are shown")
        values = self.values(by)
        orders = values.argsort(dim=1, descending=True, stable=True).tolist()
        shown = []
        for map, value, order in zip(self.maps, values.tolist(), orders, strict=True):
            ranks = {channel: rank for rank, channel in enumerate(order, 1)}
            marked = sorted((self.units.index(unit) for unit in self.highlight), key=ranks.__getitem__)
            kept = dict.fromkeys([*order[:n], *marked])
            shown.append(tuple(RankedMap(self.units[c], value[c], ranks[c], c in marked, map[c].clone()) for c in kept))
        return TopMaps(tuple(shown), self.layer, by, len(self.units), self.pictures, self.ranges, self.scaling)

    def mean(self) -> "FeatureMaps":
        """The mean over the channels: one map per picture."""
        return self._collapsed("mean", [map.mean(0, keepdim=True) for map in self.maps])

    def max(self) -> "FeatureMaps":
        """The largest channel at each position: one map per picture."""
        return self._collapsed("max", [map.amax(0, keepdim=True) for map in self.maps])

    def sum(self) -> "FeatureMaps":
        """The sum over the channels: one map per picture."""
        return self._collapsed("sum", [map.sum(0, keepdim=True) for map in self.maps])

    def rgb(self, over: Literal["picture", "all"] = "picture") -> ColourMaps:
        """The three leading principal components of the channels as red, green and blue.

        Args:
            over: "picture" finds them for each picture; "all" over all of them together, so that colours can be
                compared.

        Returns:
            The coloured maps.
        """
        return colour_maps(self.maps, self.layer, self.pictures, over)

    def grid(
        self, columns: int | None = None, *, colormap: str | None = None, scaling: MapScaling | None = None
    ) -> list[Image.Image]:
        """Every channel beside the next, in order; small maps are enlarged in blocks.

        Args:
            columns: How many stand in a row; about a square without it.
            colormap: A colour map of matplotlib.
            scaling: As for `Scope.maps`.

        Returns:
            One picture for each picture.
        """
        scale = self._scale(scaling)
        sheets = []
        for maps in self.maps:
            tiles = [
                coloured(drawing(map, plainly, scale, top), colormap or scale.colormap, scale.signed)
                for map, top in zip(maps, self._of_layers(), strict=True)
            ]
            if maps.ndim == 2:  # signals below each other, time along time
                sheet = tiled([bars(tile, *SMALLEST_BARS) for tile in tiles], columns or 1)
            else:
                sheet = tiled([blocks(tile, SMALLEST_TILE) for tile in tiles], columns)
            sheets.append(captioned(sheet, f"{self.layer}: {self._caption(scale)}"))
        return sheets

    def overlay(
        self, alpha: float = 0.8, colormap: str | None = None, *, scaling: MapScaling | None = None, on: Canvas = "seen"
    ) -> list[list[Image.Image]]:
        """Each channel, enlarged, laid over its picture.

        Args:
            alpha: The opacity where the map is strongest, 0 to 1.
            colormap: A colour map of matplotlib.
            scaling: As for `Scope.maps`.
            on: "seen" for what the model saw, "original" for the whole picture, crop and resize undone.

        Returns:
            For each picture a list with one picture for each channel.
        """
        scale = self._scale(scaling)
        tops = self._of_layers()
        return [
            over_picture(seen, list(maps), tops, scale, alpha, colormap, on)
            for maps, seen in zip(self.maps, self.pictures, strict=True)
        ]

    def figure(self, *, most: int = 16, **look: Any) -> Figure:
        """A whole layer as its strongest channels (see `top`); single units as a row for each picture.

        Beside each picture stand the sum of its units, where there are several, and each of them.

        Args:
            most: How many channels, or pictures, are shown.
            **look: See `overlay`.

        Returns:
            A figure of matplotlib.
        """
        if self.whole and len(self.units) > 1:
            return self.top(most).figure(**look)
        shown = replace(self, maps=self.maps[:most], pictures=self.pictures[:most])
        parts = [shown.sum(), shown] if len(self.units) > 1 else [shown]
        overlays = [part.overlay(**look) for part in parts]
        values = [part.values("max").tolist() for part in parts]
        names = [*(["sum"] if len(parts) > 1 else []), *self.units]
        rows = []
        for i, seen in enumerate(shown.pictures):
            images = [image for part in overlays for image in part[i]]
            peaks = [value for part in values for value in part[i]]
            row = [Panel(seen.image, seen.picture.name)]
            for image, name, peak in zip(images, names, peaks, strict=True):
                frame = MARK if name in self.highlight else ""
                row.append(Panel(image, f"{short_unit(name)}\nlargest {number(peak)}", frame=frame))
            rows.append(row)
        rest = f" (first {most} of {len(self)} pictures)" if len(self) > most else ""
        scale = self._scale(look.get("scaling"))
        bar = bar_of(scale, self._peak(), look.get("colormap"))
        return panels_figure(rows, bar, title=f"{self.layer}{rest}", caption=self._caption(scale))

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Write the raw maps (`.npy`, float32) of each picture, and pictures (PNG) of them.

        A whole layer is drawn as its `grid`, single units as overlays.

        Args:
            folder: Where they are written.
            **look: What `grid` or `overlay` take.

        Returns:
            The files written.
        """
        raw = zip(self._stems("maps", self.layer), self.maps, strict=True)
        return write_files(folder, [*raw, *self._images(look)])

    def __repr__(self) -> str:
        sizes = ", ".join(sorted({places(map.shape[1:]) for map in self.maps}))
        counts = f"{counted(len(self.units), 'channel')}, {counted(len(self), 'picture')}"
        return f"<FeatureMaps: {self.layer}, {counts}, {sizes}, scaling {self.scaling}>"

    def _images(self, look: Mapping[str, Any]) -> list[tuple[str, Image.Image]]:
        """The pictures to save, each with its file's stem."""
        if self.whole and len(self.units) > 1:
            return list(zip(self._stems("maps", self.layer), self.grid(**look), strict=True))
        parts = [self.sum(), self] if len(self.units) > 1 else [self]
        return [
            (part._stems("maps", unit)[picture], image)
            for part in parts
            for picture, images in enumerate(part.overlay(**look))
            for unit, image in zip(part.units, images, strict=True)
        ]

    def _collapsed(self, how: str, maps: Sequence[Tensor]) -> "FeatureMaps":
        name = f"{how} of {self.layer}"
        ends = (float(min(map.min() for map in maps)), float(max(map.max() for map in maps)))
        return replace(
            self, maps=tuple(maps), units=(name,), layer=name, ranges={name: ends}, whole=False, highlight=()
        )

    def _scale(self, scaling: MapScaling | None) -> Scale:
        return scale_for(scaling or self.scaling, min(low for low, _ in self.ranges.values()))

    def _of_layers(self) -> list[float]:
        return [largest(self.ranges, unit) for unit in self.units]

    def _peak(self) -> float | None:
        return largest(self.ranges, self.units[0]) if len(self.ranges) == 1 else None

    def _caption(self, scale: Scale) -> str:
        return "; ".join(filter(None, [scale.caption(self._peak()), self.note]))
