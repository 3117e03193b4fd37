"""The figure of separation: each class's best channels with their intervals, from chance to perfect."""

import math
from typing import TYPE_CHECKING

from featuremaps.survey.colours import GREY, PALETTE, bare, plain_figure, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from featuremaps.survey.separation import Separation

BEYOND_DOUBT = 0.05


def separation_figure(found: "Separation", most: int, n: int) -> "Figure":
    """A panel for each class: its `n` best channels, a point for the area and a line for the interval."""
    having = [row for row in range(len(found.classes)) if found.pictures[row]]
    shown = having[:most]
    columns = min(len(shown), 4 if len(shown) > 6 else 3)
    rows = math.ceil(len(shown) / columns)
    figure = plain_figure(2.5 * columns + 0.3, (0.165 * n + 0.55) * rows + 0.95)
    places = figure.subplots(rows, columns, squeeze=False, sharex=True).flatten().tolist()
    lowest = min(0.45, *(min(one.interval.low for one in found.best(row, n)) - 0.03 for row in shown))
    for axes, row in zip(places, shown, strict=False):
        _panel(axes, found, row, n)
        axes.set_xlim(max(0.0, lowest), 1.02)
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    rest = f" (first {len(shown)} of {len(having)} classes)" if len(shown) < len(having) else ""
    figure.suptitle(f"{found.layer}: the channels that separate each class best{rest}", fontsize=10)
    caption = (
        f"area under the ROC curve, ½ is chance; lines: {found.level:.0%} intervals\n"
        f"filled: differs from ½ beyond doubt (p ≤ {BEYOND_DOUBT}, Holm over {found.areas.shape[1]:,} channels)"
    )
    figure.supxlabel(caption, fontsize=8, color="#555555")
    return figure


def _panel(axes: "Axes", found: "Separation", row: int, n: int) -> None:
    best = found.best(row, n)
    for place, one in enumerate(best):
        sure = one.p_value <= BEYOND_DOUBT
        colour = PALETTE[0] if sure else GREY
        axes.plot(one.interval, (place, place), color=colour, linewidth=1.4, solid_capstyle="butt")
        axes.plot(one.area, place, "o", color=colour, markersize=4.5, markerfacecolor=colour if sure else "white")
    axes.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(len(best) - 0.4, -0.6)
    bare(axes, "bottom")
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=True)
    axes.set_yticks(range(len(best)), [str(one.channel) for one in best])
    axes.set_title(f"{short(found.classes[row])} ({found.pictures[row]:,})", fontsize=8, loc="left")
