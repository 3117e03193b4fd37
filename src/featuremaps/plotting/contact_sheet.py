"""Sheets of many small labelled pictures in rows on one set of matplotlib axes: fast, and exactly aligned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from featuremaps.plotting.figure_types import Axes, Figure

PITCH = 1.3
"""How far rows are apart, in tiles: a tile, and a label above it."""

Pixels = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, eq=False)
class Tile:
    """A small picture, the text above it, and the colour of a frame around it."""

    pixels: Pixels
    label: str = ""
    frame: str = ""


def pixels_of(image: Image.Image) -> Pixels:
    """A picture's values as red, green and blue."""
    return np.asarray(image.convert("RGB"))


def one_line(text: str) -> str:
    """A name as it stands in a figure: breaks of lines, which names of classes may have, are spaces."""
    return " ".join(text.splitlines())


def blank_figure(width: int | float, height: int | float, layout: Literal["constrained"] | None = None) -> Figure:
    """A figure of this size in inches, outside matplotlib's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from featuremaps.plotting.plain_figure import PlainFigure

    figure = PlainFigure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def inches(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at this place, in inches from the upper left corner of the figure."""
    whole_width, whole_height = figure.get_size_inches()
    place = (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    return figure.add_axes(place)


def draw_sheet(
    axes: Axes, rows: Sequence[Sequence[Tile]], columns: int, sides: Sequence[str] = (), wide: float = 1.0
) -> None:
    """Rows of tiles from the upper left, in cells 1 high; the middle of row i is at y = i · PITCH + 0.5.

    `sides` are written left of the rows. A cell is `wide` times as wide as high on paper.
    """
    for i, row in enumerate(rows):
        for j, tile in enumerate(row):
            _place(axes, tile, float(j), i * PITCH, wide)
    for i, side in enumerate(sides):
        axes.text(-0.12, i * PITCH + 0.5, side, ha="right", va="center", fontsize=7, linespacing=1.3)
    axes.set(xlim=(0, columns), ylim=((len(rows) - 1) * PITCH + 1.02, -0.3), aspect="auto")
    axes.set_axis_off()


def sheet_height(rows: int, tile: float) -> float:
    """The height in inches of axes for so many rows whose tiles are `tile` inches high."""
    return ((rows - 1) * PITCH + 1.32) * tile


def _place(axes: Axes, tile: Tile, x: float, y: float, wide: float) -> None:
    """One tile with its own proportions, centred in its cell."""
    from matplotlib.patches import Rectangle

    height, width = tile.pixels.shape[:2]
    scale = 0.94 * min(wide / width, 1 / height)
    across, high = scale * width / wide, scale * height
    left, top = x + (0.94 - across) / 2, y + (0.94 - high) / 2
    extent = (left, left + across, top + high, top)
    style: dict[str, Any] = {"interpolation": "nearest", "aspect": "auto", "interpolation_stage": "rgba"}
    axes.imshow(tile.pixels, extent=extent, **style)
    edge = (tile.frame, 1.6) if tile.frame else ("#bbbbbb", 0.4)
    axes.add_patch(Rectangle((left, top), across, high, fill=False, edgecolor=edge[0], linewidth=edge[1]))
    if tile.label:
        colour = tile.frame or "#444444"
        axes.text(left, top - 0.03, tile.label, ha="left", va="bottom", fontsize=5.5, color=colour)
