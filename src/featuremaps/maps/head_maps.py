"""Attention as pictures: what every head of every layer attends to."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor, stack

from featuremaps.errors import OptionError, did_you_mean
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import png_of, write_files
from featuremaps.plotting.panels import Bar, Panel, counted, panels_figure, short_unit
from featuremaps.plotting.rendering import SEQUENTIAL, overlay, places
from featuremaps.results.by_picture import ByPicture


@dataclass(frozen=True, eq=False, repr=False)
class AttentionMaps(ByPicture):
    """What each head attends to: `maps[i][n]` is (head, height, width) for picture i and layer n.

    The values are attention probabilities: what a head gives class, register and other tokens is not in them. `query`
    says whose attention it is, `warnings` why it should not be trusted, if so.
    """

    maps: tuple[tuple[Float[Tensor, "_head *_grid"], ...], ...]
    layers: tuple[str, ...]
    query: str
    pictures: tuple[Seen, ...]
    warnings: tuple[str, ...] = ()
    by_picture = ("maps", "pictures")

    @property
    def tensor(self) -> Float[Tensor, "batch layer head *grid"]:
        """All maps in one tensor; `OptionError` where layers have several sizes or numbers of heads."""
        shapes = {tuple(map.shape) for map in self.maps[0]}
        if len(shapes) > 1:
            sizes = ", ".join(f"{shape[0]} heads of {places(shape[1:])}" for shape in sorted(shapes))
            raise OptionError(
                f"the layers differ ({sizes}), so that their maps do not fit into one array. Take one, .of(layer), or "
                ".maps[picture][layer]."
            )
        return stack([stack(list(of_picture)) for of_picture in self.maps])

    def numpy(self) -> "np.ndarray[Any, np.dtype[np.float32]]":
        """The same as an array (batch, layer, head, height, width)."""
        return self.tensor.detach().cpu().numpy()

    def of(self, layer: str) -> "AttentionMaps":
        """The part of one layer; `OptionError` for one that is not here."""
        if layer not in self.layers:
            raise OptionError(
                f"there is no attention of {layer!r} here.{did_you_mean(layer, self.layers)} "
                f"There are: {', '.join(self.layers)}."
            )
        number = self.layers.index(layer)
        return replace(self, maps=tuple((of_picture[number],) for of_picture in self.maps), layers=(layer,))

    def mean(self) -> "AttentionMaps":
        """The mean over the heads of each layer, as its only one."""
        return replace(
            self, maps=tuple(tuple(map.mean(0, keepdim=True) for map in of_picture) for of_picture in self.maps)
        )

    def overlay(self, picture: int = 0, *, alpha: float = 0.75, colormap: str | None = None) -> list[list[Image.Image]]:
        """Each head laid over one picture, each by its own scale: heads for every layer."""
        seen = self.pictures[picture]
        look: dict[str, Any] = {"alpha": alpha, "colormap": colormap or SEQUENTIAL}
        return [
            [overlay(seen.image, seen.looked_at(head, "max"), **look) for head in layer] for layer in self.maps[picture]
        ]

    def figure(self, picture: int = 0, *, most: int = 12, **look: Any) -> Figure:
        """One picture: a row for each of the last `most` layers, with the mean and the first `most` heads.

        `look` goes to `overlay`.
        """
        shown = replace(self, maps=tuple(some[-most:] for some in self.maps), layers=self.layers[-most:])
        seen, means = self.pictures[picture], shown.mean().overlay(picture, **look)
        heads = shown.overlay(picture, **look)
        rows = []
        for name, (mean,), images, maps in zip(shown.layers, means, heads, shown.maps[picture], strict=True):
            values = maps.flatten(1).sum(1).tolist()
            panels = [
                Panel(image, f"head {number}   {value:.0%}")
                for number, (image, value) in enumerate(zip(images[:most], values[:most], strict=True))
            ]
            rows.append([Panel(seen.image, side=short_unit(name, 26)), Panel(mean, "mean of heads"), *panels])
        bar = Bar(look.get("colormap") or SEQUENTIAL, 0.0, 1.0, "attention (share of the head's strongest)")
        title = f"{seen.picture.name}: attention {self.query}"
        return panels_figure(rows, bar, title=title, caption=self._caption())

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Write a figure (PNG) per picture and the raw maps (`.npy`) per layer; returns the files written."""
        stems = enumerate(self._stems("attention"))
        contents: list[tuple[str, bytes | Tensor]] = [(stem, png_of(self.figure(i, **look))) for i, stem in stems]
        for index, name in enumerate(self.layers):
            raw = zip(self._stems("attention", name), self.maps, strict=True)
            contents += [(stem, of_picture[index]) for stem, of_picture in raw]
        return write_files(folder, contents)

    def _caption(self) -> str:
        words = "Beside each head: how much of its attention goes to patches, not to class or other tokens."
        return "\n".join([words, *(f"⚠ {warning}" for warning in self.warnings)])

    def __repr__(self) -> str:
        sizes = dict.fromkeys(f"{len(map)} heads of {places(map.shape[1:])}" for map in self.maps[0])
        doubt = f", {counted(len(self.warnings), 'warning')}" if self.warnings else ""
        pictures, layers = counted(len(self), "picture"), counted(len(self.layers), "layer")
        return f"<AttentionMaps {self.query}: {pictures}, {layers}, {', '.join(sizes)}{doubt}>"
