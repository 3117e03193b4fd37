"""Feature maps of several layers at once: each layer's own, and all of them in one figure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from featuremaps.errors import did_you_mean
from featuremaps.maps.feature_maps import FeatureMaps
from featuremaps.maps.top_channels import bar_of
from featuremaps.plotting.colour_scales import scale_for
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import folder_for
from featuremaps.plotting.panels import Panel, panels_figure
from featuremaps.results.shown import Shown


@dataclass(frozen=True, eq=False, repr=False)
class LayerMaps(Mapping[str, FeatureMaps], Shown):
    """Feature maps keyed by layer, in the order in which the layers run, all from one pass.

    Attributes:
        layers: By address, the `FeatureMaps` of each layer.
    """

    layers: Mapping[str, FeatureMaps]

    def __getitem__(self, layer: str) -> FeatureMaps:
        if layer in self.layers:
            return self.layers[layer]
        raise KeyError(f"no maps of layer {layer!r}.{did_you_mean(str(layer), self)} There are: {', '.join(self)}.")

    def __iter__(self) -> Iterator[str]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def figure(self, picture: int = 0, *, most: int = 5, **look: Any) -> Figure:
        """One picture through the layers: a row a layer, with its strongest channels.

        Args:
            picture: The number of the picture.
            most: How many channels of each layer.
            **look: See `FeatureMaps.top`.

        Returns:
            A figure of matplotlib.
        """
        rows = []
        ranges = {name: ends for maps in self.values() for name, ends in maps.ranges.items()}
        for name, maps in self.items():
            best = replace(maps[picture].top(most), ranges=ranges)  # one kind of colours for all
            overlays = zip(best.ranked[0], best.overlay(**look)[0], strict=True)
            panels = [best.panel(channel, image) for channel, image in overlays]
            panels += [Panel(None)] * (most - len(panels))
            rows.append([Panel(maps.pictures[picture].image, side=name), *panels])
        first = next(iter(self.values()))
        scale = scale_for(look.get("scaling") or first.scaling, min(low for low, _ in ranges.values()))
        title = f"{first.pictures[picture].picture.name}: the strongest channels of {len(self)} layers"
        return panels_figure(rows, bar_of(scale, None, look.get("colormap")), title=title, caption=scale.caption(None))

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Save the maps of every layer, as `FeatureMaps.save` does.

        Args:
            folder: Where they are written.
            **look: See `FeatureMaps.save`.

        Returns:
            The files written.
        """
        folder = folder_for(folder, len(self), "layers")
        return [path for maps in self.values() for path in maps.save(folder, **look)]

    def __repr__(self) -> str:
        return f"<LayerMaps of {len(self)} layers:\n" + "\n".join(f"  {maps!r}" for maps in self.values()) + ">"
