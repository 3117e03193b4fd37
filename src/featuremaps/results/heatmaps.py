"""Heatmaps: where a picture speaks for a target. Raw values at the layer's own resolution, and how to look at them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.errors import FeatureMapsError, OptionError
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.files import LABEL, labelled_stems, write_files
from featuremaps.plotting.method_names import method_name
from featuremaps.plotting.panels import Panel, bar_for, counted, matrix_figure
from featuremaps.plotting.rendering import (
    DIVERGING,
    SEQUENTIAL,
    Scaling,
    enlarged,
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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Canvas = Literal["seen", "original"]


@dataclass(frozen=True, eq=False)
class Heatmaps(Explained):
    """One method's maps of one layer for one target, a map per picture.

    `maps[i]` is (height, width), of a signal (time,), of a volume (depth, height, width): raw and signed as the formula
    returned it, on the model's device. `targets[i]` names what is explained in picture i, and `answers[i]` is this
    class as the model answers it, where it is a class. `warnings[i]` says why a map should not be trusted, if so, and
    `reading` how the model was read, for all pictures. `regions[i]` are the places that a target is about, where it is
    not about the whole picture: how much of each of the output's places counts. They are outlined in pictures.
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
    by_picture = ("maps", "targets", "pictures", "warnings", "answers", "regions")

    @property
    def tensor(self) -> Float[Tensor, "batch *space"]:
        """All maps in one tensor; `OptionError` where pictures of different sizes have maps of different sizes."""
        return stacked(self.maps)

    def upsample(self, size: tuple[int, ...] | None = None) -> "Heatmaps":
        """The maps enlarged to the model's input, or to `size`: linear along each axis, nothing overshoots."""
        pairs = zip(self.maps, self.pictures, strict=True)
        return replace(self, maps=tuple(enlarged(map[None], size or seen.space)[0] for map, seen in pairs))

    def normalize(self, scaling: Scaling = "max") -> "Heatmaps":
        """The maps scaled for looking at.

        `"max"` (what speaks for the target, 0..1), `"minmax"` (0..1) or `"signed"` (−1..1).
        """
        return replace(self, maps=tuple(scaled(map, scaling) for map in self.maps), scaling=scaling)

    def overlay(
        self, alpha: float = 0.7, colormap: str | None = None, *, scaling: Scaling | None = None, on: Canvas = "seen"
    ) -> list[Image.Image]:
        """Each map laid over its picture.

        On what the model saw, or with `on="original"` on the whole original picture, crop and resize undone.
        `alpha` is the opacity where the map is strongest. The colour map is perceptually uniform ("inferno") unless
        another is named; a diverging one for `scaling="signed"`, which is also how a map is shown in
        which nothing speaks for the target, unless a scaling is asked for.
        """
        return list(self._overlays(alpha, colormap, scaling, on))

    def _overlays(
        self, alpha: float = 0.7, colormap: str | None = None, scaling: Scaling | None = None, on: Canvas = "seen"
    ) -> Iterator[Image.Image]:
        if on not in get_args(Canvas):
            raise OptionError(f"on={on!r} is not known; choose 'seen' or 'original'.")
        for map, seen, target, region in zip(self.maps, self.pictures, self.targets, self.regions, strict=True):
            kind = scaling_for(map, scaling or self.scaling)
            signed = kind == "signed"
            chosen = colormap or (DIVERGING if signed else SEQUENTIAL)
            shown, image = seen.looked_at(map, kind), seen.image
            if on == "original":
                image, shown = seen.original(shown)
            laid_over = overlay(image, shown, alpha=alpha, colormap=chosen, signed=signed)
            laid_over = seen.outlined(laid_over, region, original=on == "original")
            laid_over.info[LABEL] = target
            yield laid_over

    def figure(self, *, most: int = 16, **look: Any) -> "Figure":
        """Each picture beside its overlay, titled with the target; the first `most` of them.

        A signal is drawn as lines over time with the map as a band, a volume as the slices in which the map is
        strongest and a strip through all of it. `look` goes to `overlay`.
        """
        shown = self[:most]
        if len(self.pictures[0].space) != 2:
            return spatial_figure(shown.spatial_panels(**look), self._title(most))
        rows = [
            [Panel(seen.outlined(seen.image, region), seen.picture.name), Panel(picture, title, notes)]
            for seen, region, picture, title, notes in zip(
                shown.pictures, shown.regions, shown.overlay(**look), shown.titles, shown.warnings, strict=True
            )
        ]
        kinds = {scaling_for(map, look.get("scaling") or self.scaling) for map in shown.maps}
        scaling = kinds.pop() if len(kinds) == 1 else self.scaling
        return matrix_figure(rows, look, title=self._title(most), scaling=scaling)

    def animate(self, path: str | Path, *, fps: int | float = 6, **look: Any) -> Path:
        """Write a volume's slices with the map over them, one after the other, as a moving picture (GIF or WebP).

        `look` goes to `overlay`. `OptionError` for anything but a single volume.
        """
        if len(self) != 1 or len(self.pictures[0].space) != 3:
            raise OptionError(
                f"animate moves through one volume, and this is {counted(len(self), 'map')} of "
                f"{places(self.maps[0].shape)} places. Take one of several, heat[0]; save() writes still pictures."
            )
        bar = bar_for(look, self.scaling)
        return animate(self.pictures[0], self.maps[0], bar, Path(path), fps, **self._seen(look))

    def save(self, folder: str | Path = ".", **look: Any) -> list[Path]:
        """Write an overlay (PNG) and the raw map (`.npy`, float32) per picture; returns the files written.

        One picture may have a file, such as "cat.png", and one volume an animation, "heart.gif". Where a folder has the
        same picture explained for another label, this label is added to the name.
        """
        if Path(folder).suffix.lower() in MOVING and len(self) == 1 and len(self.pictures[0].space) == 3:
            return [self.animate(folder, **look)]
        stems = labelled_stems(folder, self._stems(self.method, self.layer), self.targets)
        parts = zip(stems, self._overlays(**look), self.maps, strict=True)
        return write_files(folder, (entry for stem, image, map in parts for entry in ((stem, image), (stem, map))))

    def spatial_panels(self, **look: Any) -> list[SpatialPanel]:
        """How a figure shows each signal or volume with its map; `look` as in `overlay`."""
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

    def __repr__(self) -> str:
        sizes = sorted({places(map.shape) for map in self.maps})
        doubtful = sum(map(bool, self.warnings))
        doubt = f", {doubtful} with warnings" if doubtful else ""
        pictures = counted(len(self), "picture")
        return f"<Heatmaps: {self.method} of {self.layer}, {pictures}, {', '.join(sizes)}{doubt}>"


def fuse(heatmaps: Sequence[Heatmaps], gamma: float = 2.0) -> Heatmaps:
    """Heatmaps of several layers as one, at the size of the model's input.

    Each map is cut at zero, divided by its maximum and passed through tanh(γ·x), then the largest value of all is
    kept (Jiang et al. 2021, LayerCAM, eq. 9).
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
