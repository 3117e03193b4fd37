"""The figure of a walk: a row a layer with its strongest channels, and the sparsity curve along the same rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from featuremaps.figures import short_unit
from featuremaps.looks import DIVERGING, SEQUENTIAL, coloured
from featuremaps.scales import Scale
from featuremaps.sheets import PITCH, Tile, blank_figure, draw_sheet, inches, pixels_of, sheet_height
from featuremaps.sight import Seen

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from featuremaps.layer_walk import WalkRow

TILE = 0.58
LEFT, CURVE, TOP, BOTTOM = 2.5, 2.4, 0.75, 0.85


def walk_figure(rows: "Sequence[WalkRow]", seen: Seen, picture: int, model: str, most: int) -> "Figure":
    """The picture itself on top, then at most `most` layers evenly spread over the depth."""
    shown = _shown(rows, most)
    columns = max(len(rows[i].tops[picture]) for i in shown)
    height = sheet_height(len(shown) + 1, TILE)
    width = LEFT + columns * TILE
    figure = blank_figure(width + 0.35 + CURVE + 0.3, TOP + height + BOTTOM)
    tiles = [[Tile(pixels_of(seen.image))], *[_tiles(rows[i], picture) for i in shown]]
    sides = ["the picture", *[_side(rows[i]) for i in shown]]
    sheet = inches(figure, LEFT, TOP, columns * TILE, height)
    draw_sheet(sheet, tiles, columns, sides)
    curve = inches(figure, width + 0.35, TOP, CURVE, height)
    _draw_curve(curve, rows, shown, sheet.get_ylim())
    part = f", {len(shown)} of {len(rows)} layers shown" if len(shown) < len(rows) else ""
    whole_height = figure.get_size_inches()[1]
    figure.text(0.5, 1 - 0.3 / whole_height, f"{seen.picture.name} through {model}{part}", ha="center", fontsize=10)
    figure.text(0.5, 0.15 / whole_height, _caption(rows), ha="center", fontsize=7, color="#555555")
    return figure


def _shown(rows: "Sequence[WalkRow]", most: int) -> list[int]:
    """Which rows to draw: all but repetitions, or as many evenly spread, first those without negative values."""
    every = [i for i in range(len(rows)) if i == 0 or not _repeats(rows[i], rows[i - 1])]
    rectified = [i for i in every if rows[i].min >= 0]
    chosen = every if len(every) <= most or len(rectified) < most else rectified
    return sorted({chosen[round(i)] for i in np.linspace(0, len(chosen) - 1, min(most, len(chosen)))})


def _repeats(row: "WalkRow", before: "WalkRow") -> bool:
    """Whether a layer gives what the one before gave: a sequence, and its last part."""
    return all(getattr(row, name) == getattr(before, name) for name in ("size", "zeros", "silent", "mean", "max"))


def _tiles(row: "WalkRow", picture: int) -> list[Tile]:
    tiles = []
    scale = Scale("map", row.min < 0)
    for one in row.tops[picture]:
        peak = float(one.map.abs().max())
        image = coloured(scale(one.map, peak, peak), DIVERGING if scale.signed else SEQUENTIAL, scale.signed)
        tiles.append(Tile(pixels_of(image), one.unit.rpartition(":")[2]))
    return tiles


def _side(row: "WalkRow") -> str:
    return f"{short_unit(row.layer, 36)}\n{row.channels} × {row.size[0]}×{row.size[1]}"


def _draw_curve(axes: "Axes", rows: "Sequence[WalkRow]", shown: Sequence[int], limits: tuple[float, float]) -> None:
    """Shares over depth; layers that are not shown lie between their neighbours."""
    places = np.interp(range(len(rows)), shown, [(i + 1) * PITCH + 0.5 for i in range(len(shown))])
    signed = np.array([row.min < 0 for row in rows])
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
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"], fontsize=7)
    axes.set_yticks([])
    axes.tick_params(top=True, labeltop=True, length=2)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    for side in ("left", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1 - 0.5 * PITCH / abs(limits[0] - limits[1])), fontsize=7)


def _caption(rows: "Sequence[WalkRow]") -> str:
    signed = any(row.min < 0 for row in rows)
    negative = "; red above 0, blue below, where a layer has both" if signed else ""
    faint = " (faint: layers with negative values, such as those before a ReLU)" if signed else ""
    return (
        "left: the channels with the highest mean, each map on its own scale from 0 to its largest value"
        f"{negative}\nright: share of activations that are 0, and of channels that are 0 everywhere{faint}"
    )
