"""Signals with their maps: each channel as a line over time, shaded where the map is strong, and the map as a band."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.plotting.class_colours import DOUBT, INK, bare
from featuremaps.plotting.contact_sheet import blank_figure, inches
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.panels import Bar, bar_beside
from featuremaps.plotting.paper import wrapped
from featuremaps.plotting.sheets import envelope, lanes, strongest

LEFT, WIDE, RIGHT, TOP = 0.75, 6.6, 0.95, 0.5
HEADING, LANE, FURTHER, BAND, FOOT = 0.24, 1.0, 0.36, 0.14, 0.5
"""Inches: of a heading, the first line of a signal, each further one, a row of the band, and the axis below."""
FINEST, BARS = 2400, 660
"""A longer signal is drawn as its lowest and highest values of so many parts, a longer map as so many bars."""
STRONG, FOR, AGAINST, SHADE = (0.93, 0.42, 0.06), (0.70, 0.09, 0.17), (0.13, 0.40, 0.67), 0.5


@dataclass(frozen=True, eq=False)
class SignalPanel:
    """One signal: its `values`, its scaled `map` for all channels together or for each, and what is written above.

    `bar` says what the band's colours mean.
    """

    values: Float[Tensor, "channel time"]
    map: Float[Tensor, "_bands time"]
    title: str
    bar: Bar
    notes: tuple[str, ...] = ()

    @property
    def heights(self) -> tuple[float, float]:
        """Of the lines and of the band, in inches."""
        return LANE + FURTHER * (len(self.values) - 1), BAND * max(1.2, len(self.map) * 0.7)


def signal_figure(panels: Sequence[SignalPanel], title: str) -> Figure:
    """Signals below each other, time in samples, with a colour bar beside each whose colours are new."""
    blocks = [HEADING + sum(panel.heights) + FOOT for panel in panels]
    height = TOP + sum(blocks)
    figure = blank_figure(LEFT + WIDE + RIGHT, height)
    figure.text(0.5, 1 - 0.22 / height, title, ha="center", va="center", fontsize=10)
    top = TOP
    for panel, before, block in zip(panels, (None, *panels), blocks, strict=False):
        _draw(figure, panel, top)
        if before is None or before.bar != panel.bar:
            bar_beside(figure, panel.bar, LEFT + WIDE + 0.14, top + HEADING, min(block - HEADING - FOOT, 2.6))
        top += block
    return figure


def _draw(figure: Figure, panel: SignalPanel, top: float) -> None:
    (lines, band), bar, shown = panel.heights, panel.bar, strongest(panel.map, BARS)
    above = inches(figure, LEFT, top + HEADING, WIDE, lines)
    below = inches(figure, LEFT, top + HEADING + lines + 0.03, WIDE, band)
    above.set_title(panel.title, fontsize=8, loc="left", pad=4)
    _draw_lines(above, panel, shown)
    edges = (-0.5, panel.map.shape[1] - 0.5)
    look: dict[str, Any] = {"cmap": bar.colormap, "vmin": bar.low, "vmax": bar.high, "interpolation": "nearest"}
    below.imshow(shown.numpy(), extent=(*edges, 0, 1), aspect="auto", **look)
    for axes in (above, below):
        axes.set_xlim(edges)
        bare(axes, *(("left",) if axes is above else ()))
    above.set_xticks([])
    below.set_yticks([])
    notes = wrapped(f"⚠ {panel.notes[0]}", WIDE - 0.6, 7) if panel.notes else []
    below.set_xlabel("sample" if not notes else "\n".join(notes[:2]), fontsize=7, labelpad=2)
    below.xaxis.label.set_color(DOUBT if notes else "#555555")


def _draw_lines(axes: Axes, panel: SignalPanel, map: Float[Tensor, "_bands _shorter"]) -> None:
    """A single channel in its own units; several below each other on one scale, by number."""
    count, length = panel.values.shape
    drawn = envelope(panel.values, FINEST)
    across = np.linspace(0, length - 1, drawn.shape[1])
    if count == 1:
        low, high = (float(end) for end in panel.values.aminmax())
        room = 0.08 * (high - low) or 1.0
        rows, ends = drawn, (low - room, high + room)
    else:
        rows = lanes(drawn) * 0.9 + 0.05 + torch.arange(count, device="cpu").flip(0)[:, None]
        ends = (0.0, float(count))
        axes.set_yticks(np.arange(count) + 0.5, [str(number) for number in reversed(range(count))])
    axes.imshow(
        _shade(map, panel.bar.low < 0), extent=(-0.5, length - 0.5, *ends), aspect="auto", interpolation="nearest"
    )
    for row in rows:
        axes.plot(across, row, color=INK, linewidth=0.9 if count < 6 else 0.7)
    axes.set(ylim=ends)
    axes.set_ylabel("value" if count == 1 else "channel", fontsize=7, color="#555555")


def _shade(map: Float[Tensor, "_bands time"], signed: bool) -> np.ndarray:
    """A map as transparent colours on white paper, where those of the band would be too pale or too dark."""
    values = map.numpy()[..., None]
    colours = np.where(values >= 0, np.array(FOR if signed else STRONG), np.array(AGAINST))
    return np.concatenate([colours, SHADE * np.abs(values).clip(0, 1)], -1)
