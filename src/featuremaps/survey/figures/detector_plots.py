"""What the charts of detectors and of compared models share: distributions of scores, thresholds, square curves."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from featuremaps.plotting.class_colours import INK, WITH, WITHOUT, short
from featuremaps.plotting.figure_types import Axes
from featuremaps.plotting.panels import number
from featuremaps.survey.measures.scored_pictures import ScoredPictures

MUTED, FAINT = "#666666", "#dddddd"
BINS = 32


def plain(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Labels, and no more lines than needed."""
    axes.set_title(title, fontsize=9, loc="left", color=INK)
    axes.set_xlabel(x, fontsize=8, color=MUTED)
    axes.set_ylabel(y, fontsize=8, color=MUTED)
    axes.tick_params(labelsize=7, colors=MUTED)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)


def unit_square(axes: Axes) -> None:
    """Both axes from 0 to 100%, square."""
    from matplotlib.ticker import PercentFormatter

    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axis.set_ticks([0, 0.25, 0.5, 0.75, 1])
    axes.grid(color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)


def mirrored(axes: Axes, scored: ScoredPictures, edges: NDArray[np.float64]) -> float:
    """How scores are distributed: of the pictures with the class upwards, of the others downwards.

    Returns how far the axis reaches each way, with room for the words.
    """
    from matplotlib.ticker import FuncFormatter

    with_class, without = scored.scores[scored.positives], scored.scores[~scored.positives]
    top = 0.0
    for values, sign, colour in ((with_class, 1, WITH), (without, -1, WITHOUT)):
        shares = np.histogram(values, edges)[0] / max(1, len(values))
        axes.bar(edges[:-1], sign * shares, np.diff(edges), align="edge", color=colour, linewidth=0)
        top = max(top, 1.3 * float(shares.max()))
    axes.set_ylim(-top, top)
    axes.axhline(0, color=INK, linewidth=0.6)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):.0%}"))
    for text, colour, height, above in (
        (f"with {short(scored.label)} ({len(with_class)})", WITH, 0.98, "top"),
        (f"without ({len(without)})", WITHOUT, 0.02, "bottom"),
    ):
        axes.text(0.99, height, text, transform=axes.transAxes, ha="right", va=above, fontsize=8, color=colour)
    return top


def edges_of(*scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """The edges of bins that hold all of these scores."""
    low, high = min(float(s.min()) for s in scores), max(float(s.max()) for s in scores)
    return np.linspace(low, high if high > low else low + 1.0, BINS + 1)


def thresholds(axes: Axes, values: Sequence[tuple[str, float, str]]) -> None:
    """Vertical lines (what it is, where, line style), explained in a legend with their values."""
    for name, value, style in values:
        axes.axvline(value, color=INK, linewidth=1.3, linestyle=style, label=f"{name}: {number(value)}")
    axes.legend(
        fontsize=7, frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(values), borderaxespad=0.1
    )
