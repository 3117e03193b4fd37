"""Heatmaps: where a picture speaks for a target. Raw values at the layer's own resolution, and how to look at them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from featuremaps.errors import FeatureMapsError, OptionError, check_choice
from featuremaps.outputs.detections import DetectedBox
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import LABEL, labelled_stems, write_files
from featuremaps.plotting.method_names import method_name
from featuremaps.plotting.panels import Panel, bar_for, counted, in_rows, matrix_figure
from featuremaps.plotting.rendering import (
    DIVERGING,
    SAVED,
    SEQUENTIAL,
    Scaling,
    enlarged,
    large,
    looked_at,
    overlay,
    places,
    scaled,
    scaling_for,
    stacked,
)
from featuremaps.results.answer import Answer
from featuremaps.results.by_picture import Explained
from featuremaps.results.spatial_figures import MOVING, SpatialPanel, animate, spatial_figure, spatial_panel

Canvas = Literal["seen", "original"]


@dataclass(frozen=True, eq=False)
class Heatmaps(Explained):
    """One method's maps of one layer for one target, a map per picture.

    Attributes:
        maps: For each picture (height, width), of a signal (time,), of a volume (depth, height, width); raw and signed
            as the formula returned it, on the model's device.
        method: The name of the method.
        layer: The layer's address.
        targets: What was explained in each picture, in words.
        pictures: The pictures as the model saw them.
        warnings: For each picture, why its map should not be trusted; empty where nothing is known against it.
        scaling: How the maps were scaled for looking at; `None` for raw ones.
        answers: For each picture, the explained class as the model answers it: probability, score and rank.
        reading: What was read from the model and what was assumed, in sentences.
        regions: For each picture the places that its target is about, how much each counts, where that is not the whole
            picture; they are outlined in pictures.
        boxes: For each row what a detector found that is explained there; `None` for other models.
        picture_numbers: For each row the number of the picture that it is of; a detector's pictures may have several
            rows, or none.
        levels: For each row the share that each of several layers has in its map, where they were added up.
        unexplained: The pictures in which a detector found nothing to explain.
    """

    maps: tuple[Float[Tensor, "*_space"], ...]
    method: str
    layer: str
    targets: tuple[str, ...]
    pictures: tuple[Seen, ...]
    warnings: tuple[tuple[str, ...], ...]
    scaling: Scaling | None = None
    answers: tuple[Answer | None, ...] = ()
    reading: tuple[str, ...] = ()
    regions: tuple[Float[Tensor, "*_grid"] | None, ...] = ()
    boxes: tuple[DetectedBox | None, ...] = ()
    picture_numbers: tuple[int, ...] = ()
    levels: tuple[Mapping[str, float], ...] = ()
    unexplained: tuple[Seen, ...] = ()
    by_picture = ("maps", "targets", "pictures", "warnings", "answers", "regions", "boxes", "picture_numbers", "levels")

    @property
    def tensor(self) -> Float[Tensor, "batch *space"]:
        """All maps in one tensor; `OptionError` where pictures of different sizes have maps of different sizes."""
        return stacked(self.maps)

    def numpy(self) -> NDArray[np.float32]:
        """All maps as an array (batch, height, width), of a signal (batch, time).

        Returns:
            Raw values, float32.

        Raises:
            OptionError: Pictures of different sizes have maps of different sizes.
        """
        return self.tensor.detach().float().cpu().numpy()

    def upsample(self, size: tuple[int, ...] | None = None) -> "Heatmaps":
        """The maps enlarged, linearly along each axis, so that nothing overshoots.

        Args:
            size: (height, width) in pixels; the model's input without it.

        Returns:
            New heatmaps, raw values kept.
        """
        pairs = zip(self.maps, self.pictures, strict=True)
        return replace(self, maps=tuple(enlarged(map[None], size or seen.space)[0] for map, seen in pairs))

    def normalize(self, scaling: Scaling = "max") -> "Heatmaps":
        """The maps scaled for looking at.

        Args:
            scaling: `"max"` (what speaks for the target, 0 to 1), `"minmax"` (0 to 1) or `"signed"` (−1 to 1).

        Returns:
            New heatmaps.
        """
        return replace(self, maps=tuple(scaled(map, scaling) for map in self.maps), scaling=scaling)

    def overlay(
        self, alpha: float = 0.7, colormap: str | None = None, *, scaling: Scaling | None = None, on: Canvas = "seen"
    ) -> list[Image.Image]:
        """Each map laid over its picture.

        Args:
            alpha: The opacity where the map is strongest, 0 to 1.
            colormap: A colour map of matplotlib; a perceptually uniform one without it, a diverging one for "signed".
            scaling: As for `normalize`; a map in which nothing speaks for the target is signed without it.
            on: "seen" for what the model saw, "original" for the whole picture, crop and resize undone.

        Returns:
            A picture for each map.

        Raises:
            OptionError: An argument is not understood.
        """
        return list(self._overlays(alpha, colormap, scaling, on))

    def _overlays(
        self, alpha: float = 0.7, colormap: str | None = None, scaling: Scaling | None = None, on: Canvas = "seen"
    ) -> Iterator[Image.Image]:
        check_choice("on", on, get_args(Canvas))
        laid_over = self._laid_over(alpha, colormap, scaling, on)
        for image, target in zip(self.boxed(laid_over, on), self.targets, strict=True):
            image.info[LABEL] = target
            yield image

    def _laid_over(
        self, alpha: float, colormap: str | None, scaling: Scaling | None, on: Canvas
    ) -> Iterator[Image.Image]:
        for map, seen, region in zip(self.maps, self.pictures, self.regions, strict=True):
            kind = scaling_for(map, scaling or self.scaling)
            signed = kind == "signed"
            chosen = colormap or (DIVERGING if signed else SEQUENTIAL)
            shown, image = seen.looked_at(map, kind), seen.image
            if on == "original":
                image, shown = seen.original(shown)
            laid = overlay(image, shown, alpha=alpha, colormap=chosen, signed=signed)
            yield seen.outlined(laid, region, original=on == "original")

    def figure(self, *, most: int = 16, **look: Any) -> Figure:
        """Each picture beside its overlay, titled with the target; of many pictures two or three in a row.

        A signal is drawn as lines over time with the map as a band, a volume as the slices in which the map is
        strongest and a strip through all of it.

        Args:
            most: How many pictures are shown, from the first on.
            **look: How overlays look; see `overlay`.

        Returns:
            A figure of matplotlib.
        """
        if not len(self):
            return self.nothing_found()
        shown = self[:most]
        if len(self.pictures[0].space) != 2:
            return spatial_figure(shown.spatial_panels(**look), self._title(most))
        panels = [
            panel
            for image, seen, picture, title, notes in zip(
                shown.marked(), shown.pictures, shown.overlay(**look), shown.headings, shown.warnings, strict=True
            )
            for panel in (Panel(image, seen.picture.name), Panel(picture, title, notes))
        ]
        beside = 1 if len(shown) < 4 else 2 if len(shown) < 9 else 3  # pictures in a row, each with its map
        return matrix_figure(
            in_rows(panels, 2 * beside), look, title=self._title(most), scalings=scalings_of(shown, look)
        )

    def animate(self, path: str | Path, *, fps: int | float = 6, **look: Any) -> Path:
        """Write a volume's slices with the map over them, one after the other, as a moving picture.

        Args:
            path: A file that ends in .gif or .webp.
            fps: Slices per second.
            **look: How overlays look; see `overlay`.

        Returns:
            The path of the file.

        Raises:
            OptionError: This is not a single volume.
        """
        if len(self) != 1 or len(self.pictures[0].space) != 3:
            raise OptionError(
                f"animate moves through one volume, and this is {counted(len(self), 'map')} of "
                f"{places(self.maps[0].shape)} places. Take one of several, heat[0]; save() writes still pictures."
            )
        bar = bar_for(look, self.scaling)
        return animate(self.pictures[0], self.maps[0], bar, Path(path), fps, **self._seen(look))

    def save(self, folder: str | Path = ".", *, size: int = SAVED, **look: Any) -> list[Path]:
        """Write an overlay (PNG) and the raw map (`.npy`, float32) for each picture.

        Where a folder has the same picture explained for another label, this label is added to the name.

        Args:
            folder: A folder. One picture may have a file, such as "cat.png", and one volume an animation, "heart.gif".
            size: Overlays are enlarged until their shorter side has so many pixels, but not those on the original.
            **look: How overlays look; see `overlay`.

        Returns:
            The files written.
        """
        if Path(folder).suffix.lower() in MOVING and len(self) == 1 and len(self.pictures[0].space) == 3:
            return [self.animate(folder, **look)]
        stems = labelled_stems(folder, self._stems(self.method, self.layer), self.targets)
        parts = zip(stems, enlarged_overlays(self, self._overlays(**look), size, look), self.maps, strict=True)
        return write_files(folder, (entry for stem, image, map in parts for entry in ((stem, image), (stem, map))))

    def spatial_panels(self, **look: Any) -> list[SpatialPanel]:
        """How a figure shows each signal or volume with its map.

        Args:
            **look: How overlays look; see `overlay`.

        Returns:
            A panel for each.
        """
        bar, seen_as = bar_for(look, self.scaling), self._seen(look)
        return [
            spatial_panel(seen, map, f"{seen.picture.name}   {title}".rstrip(), notes, bar, **seen_as)
            for seen, map, title, notes in zip(self.pictures, self.maps, self.titles, self.warnings, strict=True)
        ]

    def _seen(self, look: Mapping[str, Any]) -> dict[str, Any]:
        """How a signal or a volume is looked at; `OptionError` where that is asked for on the original."""
        if look.get("on", "seen") != "seen":
            raise OptionError("on='original' is for pictures; signals and volumes are drawn as the model saw them.")
        return {"scaling": look.get("scaling") or self.scaling or "max", "alpha": look.get("alpha", 0.7)}

    def _title(self, most: int) -> str:
        rest = f" (first {most} of {len(self)})" if len(self) > most else ""
        return f"{method_name(self.method)} of {self.layer}{rest}"

    def how(self) -> str:
        """See `Explained`; and which of several layers each map comes from."""
        lines = [super().how()]
        for name, levels in zip(self.titles, self.levels, strict=False):
            shares = ", ".join(f"{layer} {share:.0%}" for layer, share in levels.items() if share >= 0.005)
            lines += [f"{name}: {shares}"] if shares else []
        return "\n".join(lines)

    def __repr__(self) -> str:
        sizes = sorted({places(map.shape) for map in self.maps})
        doubtful = sum(map(bool, self.warnings))
        doubt = f", {doubtful} with warnings" if doubtful else ""
        return f"<Heatmaps: {', '.join([f'{self.method} of {self.layer}', self.counted, *sizes])}{doubt}>"


def fuse(heatmaps: Sequence[Heatmaps], gamma: float = 2.0) -> Heatmaps:
    """Heatmaps of several layers as one, at the size of the model's input (Jiang et al. 2021, LayerCAM, eq. 9).

    Each map is cut at zero, divided by its maximum and passed through tanh(γ·x); the largest value of all is kept.

    Args:
        heatmaps: Of the same pictures and targets, each of another layer.
        gamma: The γ of the formula.

    Returns:
        The fused heatmaps.
    """
    if not heatmaps or len({len(heat) for heat in heatmaps}) != 1:
        raise FeatureMapsError("fuse needs one or more Heatmaps of the same pictures.")
    first = heatmaps[0]
    parts = [
        [
            torch.tanh(gamma * looked_at(m, partial(enlarged, size=s.space), "max"))
            for m, s in zip(h.maps, h.pictures, strict=True)
        ]
        for h in heatmaps
    ]
    fused = tuple(torch.stack(layers).amax(0) for layers in zip(*parts, strict=True))
    layers = " + ".join(dict.fromkeys(heat.layer for heat in heatmaps))
    doubts = tuple(tuple(dict.fromkeys(sum(notes, ()))) for notes in zip(*(h.warnings for h in heatmaps), strict=True))
    return replace(first, maps=fused, layer=layers, warnings=doubts, scaling="max")


def enlarged_overlays(
    explained: Explained, overlays: Iterable[Image.Image], size: int, look: Mapping[str, Any]
) -> Iterator[Image.Image]:
    """Overlays of pictures as they are written: large enough to look at, where they are not on the original."""
    for image, seen in zip(overlays, explained.pictures, strict=True):
        yield large(image, size) if len(seen.space) == 2 and look.get("on", "seen") == "seen" else image


def scalings_of(heat: Heatmaps, look: Mapping[str, Any]) -> set[Scaling]:
    """How maps are scaled where they are looked at this way: "signed" also where nothing speaks for the target."""
    return {scaling_for(map, look.get("scaling") or heat.scaling) for map in heat.maps} or {"max"}
