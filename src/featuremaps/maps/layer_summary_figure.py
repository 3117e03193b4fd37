"""The figure of a walk: a row a layer with its strongest channels, and the sparsity curve along the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.plotting.colour_scales import Scale
from featuremaps.plotting.contact_sheet import PITCH, Tile, blank_figure, draw_sheet, inches, pixels_of, sheet_height
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.panels import short_unit
from featuremaps.plotting.rendering import coloured, places

TILE = 0.58
LEFT, CURVE, TOP, BOTTOM = 2.5, 2.4, 0.75, 0.85


@dataclass(frozen=True, eq=False)
class LayerRow:
    """One layer: its channels, the size of its maps, its strongest channels over a picture with their maps.

    `zeros` is the share of activations that are 0, `silent` of channels that are 0 everywhere. `signed` is whether any
    value is negative; `repeats` whether the layer gives what the one before gave: a sequence, and its last part.
    """

    layer: str
    channels: int
    size: tuple[int, ...]
    zeros: float
    silent: float
    signed: bool
    repeats: bool
    strongest: Sequence[tuple[str, Float[Tensor, "height width"]]]


def walk_figure(rows: Sequence[LayerRow], image: Image.Image, *, picture: str, model: str, most: int) -> Figure:
    """The picture itself on top, then at most `most` layers evenly spread over the depth."""
    shown = _shown(rows, most)
    columns = max(len(rows[i].strongest) for i in shown)
    height = sheet_height(len(shown) + 1, TILE)
    width = LEFT + columns * TILE
    figure = blank_figure(width + 0.35 + CURVE + 0.3, TOP + height + BOTTOM)
    tiles = [[Tile(pixels_of(image))], *[_tiles(rows[i]) for i in shown]]
    sides = ["the picture", *[_side(rows[i]) for i in shown]]
    sheet = inches(figure, LEFT, TOP, columns * TILE, height)
    draw_sheet(sheet, tiles, columns, sides)
    curve = inches(figure, width + 0.35, TOP, CURVE, height)
    _draw_curve(curve, rows, shown, sheet.get_ylim())
    part = f", {len(shown)} of {len(rows)} layers shown" if len(shown) < len(rows) else ""
    whole_height = figure.get_size_inches()[1]
    figure.text(0.5, 1 - 0.3 / whole_height, f"{picture} through {model}{part}", ha="center", fontsize=10)
    figure.text(0.5, 0.15 / whole_height, _caption(rows), ha="center", fontsize=7, color="#555555")
    return figure


def _shown(rows: Sequence[LayerRow], most: int) -> list[int]:
    """Which rows to draw: all but repetitions, or as many evenly spread, first those without negative values."""
    every = [i for i, row in enumerate(rows) if not row.repeats]
    rectified = [i for i in every if not rows[i].signed]
    chosen = every if len(every) <= most or len(rectified) < most else rectified
    return sorted({chosen[round(i)] for i in np.linspace(0, len(chosen) - 1, min(most, len(chosen)))})


def _tiles(row: LayerRow) -> list[Tile]:
    tiles = []
    scale = Scale("map", row.signed)
    for channel, map in row.strongest:
        peak = float(map.abs().max())
        image = coloured(scale(map, peak, peak), scale.colormap, scale.signed)
        tiles.append(Tile(pixels_of(image), channel))
    return tiles


def _side(row: LayerRow) -> str:
    return f"{short_unit(row.layer, 36)}\n{row.channels} × {places(row.size)}"


def _draw_curve(axes: Axes, rows: Sequence[LayerRow], shown: Sequence[int], limits: tuple[float, float]) -> None:
    """Shares over depth; layers that are not shown lie between their neighbours."""
    places = np.interp(range(len(rows)), shown, [(i + 1) * PITCH + 0.5 for i in range(len(shown))])
    signed = np.array([row.signed for row in rows])
    for values, sign, colour, label in (
        ([row.zeros for row in rows], "o", "#1f4e79", "zeros"),
        ([row.silent for row in rows], "s", "#d9822b", "silent channels"),
    ):
        curve = ~signed if (~signed).sum() > 1 else signed | True
        shares = np.array(values)
        style: dict[str, Any] = {"marker": sign, "color": colour, "markersize": 2.5, "linewidth": 1.2}
        axes.plot(shares[curve], places[curve], label=label, **style)
        axes.plot(shares[~curve], places[~curve], **{**style, "linewidth": 0, "alpha": 0.3})
    axes.set(xlim=(-0.02, 1.02), ylim=limits)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"], fontsize=7)
    axes.set_yticks([])
    axes.tick_params(top=True, labeltop=True, length=2)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    for side in ("left", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1 - 0.5 * PITCH / abs(limits[0] - limits[1])), fontsize=7)


def _caption(rows: Sequence[LayerRow]) -> str:
    signed = any(row.signed for row in rows)
    negative = "; red above 0, blue below, where a layer has both" if signed else ""
    faint = " (faint: layers with negative values, such as those before a ReLU)" if signed else ""
    slices = ", of a volume its strongest slice" if len(rows[0].size) == 3 else ""
    return (
        f"left: the channels with the highest mean{slices}, each map on its own scale from 0 to its largest value"
        f"{negative}\nright: share of activations that are 0, and of channels that are 0 everywhere{faint}"
    )
