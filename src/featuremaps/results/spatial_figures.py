"""Maps over signals and volumes as figures and moving pictures: what `Heatmaps` shows of them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.panels import Bar
from featuremaps.plotting.rendering import Scaling, blocks, captioned, enlarged, looked_at, overlay
from featuremaps.plotting.signal_figure import SignalPanel, signal_figure
from featuremaps.plotting.volume_figure import VolumePanel, volume_figure

SpatialPanel = SignalPanel | VolumePanel
MOVING = (".gif", ".webp")
FRAME = 288
"""Slices of an animation are enlarged, by a whole number, to at most so many pixels a side."""


def spatial_panel(
    seen: Seen,
    map: Tensor,
    title: str,
    notes: tuple[str, ...],
    bar: Bar,
    *,
    scaling: Scaling,
    alpha: float = 0.7,
) -> SpatialPanel:
    """How a figure shows one signal, or one volume, with its map."""
    if len(seen.space) == 1:
        shown = looked_at(map, partial(enlarged, size=seen.space), scaling)
        return SignalPanel(seen.input.detach().float().cpu(), shown[None], title, bar, notes)
    return VolumePanel(seen.slices, *_slices(seen, map, bar, scaling, alpha), title, bar, notes)


def spatial_figure(panels: Sequence[SpatialPanel], title: str) -> Figure:
    """Signals, or volumes, with their maps, below each other."""
    signals = [panel for panel in panels if isinstance(panel, SignalPanel)]
    if signals:
        return signal_figure(signals, title)
    return volume_figure([panel for panel in panels if isinstance(panel, VolumePanel)], title)


def animate(
    seen: Seen, map: Tensor, bar: Bar, path: Path, fps: int | float, *, scaling: Scaling, alpha: float = 0.7
) -> Path:
    """Write a volume's slices with the map over them as a GIF or WebP, `fps` of them a second, again and again."""
    if path.suffix.lower() not in MOVING:
        raise OptionError(f"{path} is to move, and its name ends in {path.suffix!r}; give one in .gif or .webp.")
    if not fps > 0:
        raise OptionError(f"fps is how many slices are shown a second, above 0; got {fps}.")
    laid, _ = _slices(seen, map, bar, scaling, alpha)
    smallest = min(laid[0].size) * max(1, FRAME // max(laid[0].size))
    last = len(laid) - 1
    frames = [captioned(blocks(slice, smallest), f"slice {number} of 0 to {last}") for number, slice in enumerate(laid)]
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=round(1000 / fps), loop=0)
    return path


def by_channel(panel: SpatialPanel, values: Tensor, scaling: Scaling) -> SpatialPanel:
    """A signal's panel with a map (channel, time) that tells its channels apart; a volume's as it is."""
    if isinstance(panel, VolumePanel) or len(values) == 1:
        return panel
    return replace(panel, map=looked_at(values, lambda maps: maps, scaling))


def _slices(seen: Seen, map: Tensor, bar: Bar, scaling: Scaling, alpha: float) -> tuple[list[Image.Image], list[float]]:
    """Each slice with the map over it, and the largest magnitude of the map there."""
    shown = looked_at(map, partial(enlarged, size=seen.space), scaling)
    look: dict[str, Any] = {"alpha": alpha, "colormap": bar.colormap, "signed": scaling == "signed"}
    laid = [overlay(slice, part, **look) for slice, part in zip(seen.slices, shown, strict=True)]
    return laid, shown.abs().flatten(1).amax(1).tolist()
