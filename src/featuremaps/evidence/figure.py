"""The figure of a trial: a row for each explanation, best first, and below them the references."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
from PIL import Image

from featuremaps.evidence.estimate import Estimate
from featuremaps.evidence.references import CHANCE
from featuremaps.plotting.class_colours import DOUBT, GREY, INK, PALETTE, bare, on_square, plain_figure
from featuremaps.plotting.figure_types import Axes, Figure

BLUE = PALETTE[0]
BAND = "#e8eef4"
ROW, COLUMN, NAMES = 0.46, 1.25, 2.0  # inches
THUMB = 192  # pixels
BEST = "greedy"


@dataclass(frozen=True, eq=False)
class FigureRow:
    """An explanation or a reference: its map over a picture, its mean rank if it has one, and its estimates.

    `doubted` if it does not pass a sanity check.
    """

    label: str
    overlay: Image.Image | None
    rank: Estimate | None
    estimates: tuple[Estimate, ...]
    doubted: bool = False


@dataclass(frozen=True)
class MeasureColumn:
    """A measure: its name, the end that is better, and what the numbers are."""

    name: str
    better: str
    unit: str


def trial_figure(rows: Sequence[FigureRow], columns: Sequence[MeasureColumn], conclusion: Sequence[str]) -> Figure:
    """The rank and every measure of each row as a dot with its 95% interval, and the map beside its name.

    One explanation alone has no rank.
    """
    ranked = int(sum(row.rank is not None for row in rows) > 1)
    width = NAMES + 0.7 + COLUMN * (len(columns) + ranked)
    words = "\n".join(fill(line, round(width * 15)) for line in conclusion)
    figure = plain_figure(width, ROW * len(rows) + 1.0 + 0.17 * (words.count("\n") + 1))
    figure.suptitle(words, fontsize=9, ha="left", x=0.01, color=INK)
    widths = [ROW, *[COLUMN] * (len(columns) + ranked)]
    axes = figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)[0]
    _pictures(axes[0], rows)
    if ranked:
        ranks = [row.rank or Estimate(np.nan, np.nan, np.nan, 0) for row in rows]
        _dots(axes[1], rows, ranks, "mean rank", "1 is best")
    for place, column in enumerate(columns):
        arrow = "higher is better →" if column.better == "higher" else "← lower is better"
        estimates = [row.estimates[place] for row in rows]
        _dots(axes[place + 1 + ranked], rows, estimates, column.name.replace("_", " "), f"{column.unit}\n{arrow}")
    return figure


def _pictures(axes: Axes, rows: Sequence[FigureRow]) -> None:
    bare(axes)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for place, row in enumerate(rows):
        if row.overlay is not None:
            axes.imshow(on_square(row.overlay, THUMB), extent=(0, 1, place + 0.46, place - 0.46), aspect="auto")
    axes.set_xticks([])
    axes.set_yticks(range(len(rows)), [f"{row.label}{' ✗' if row.doubted else ''}" for row in rows], fontsize=8)
    axes.tick_params(axis="y", length=0)
    for text, row in zip(axes.get_yticklabels(), rows, strict=True):
        text.set_color(DOUBT if row.doubted else INK if row.rank is not None else GREY)


def _dots(axes: Axes, rows: Sequence[FigureRow], estimates: Sequence[Estimate], title: str, unit: str) -> None:
    bare(axes, "bottom")
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_title(fill(title, 16), fontsize=8, color=INK, loc="left")
    explained = sum(row.rank is not None for row in rows)
    axes.axhline(explained - 0.5, color=GREY, linewidth=0.5)
    axes.set_xlabel(unit, fontsize=7, color=GREY, loc="left")
    by_label = {row.label: estimate.mean for row, estimate in zip(rows, estimates, strict=True)}
    chance, best = by_label.get(CHANCE, np.nan), by_label.get(BEST, np.nan)
    if np.isfinite(chance):
        axes.axvline(chance, color=GREY, linewidth=0.8, linestyle=":")
    if np.isfinite(chance) and np.isfinite(best):
        axes.axvspan(chance, best, color=BAND, linewidth=0, zorder=0)
    for place, (row, estimate) in enumerate(zip(rows, estimates, strict=True)):
        colour = BLUE if row.rank is not None else GREY
        if estimate.of:
            axes.plot([estimate.low, estimate.high], [place, place], color=colour, linewidth=1.2)
            axes.plot([estimate.mean], [place], "o", color=colour, markersize=3.6)
        elif row.rank is not None:
            axes.text(
                0.5, place, "undefined", transform=axes.get_yaxis_transform(), fontsize=6.5, color=GREY, ha="center"
            )
