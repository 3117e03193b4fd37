"""The figure of separation: each class's best channels with their intervals, from chance to perfect."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from featuremaps.plotting.class_colours import GREY, INK, bare, plain_figure, short
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.survey.measures.auc import FEWEST, Separating

BEYOND_DOUBT = 0.05


@dataclass(frozen=True)
class ClassPanel:
    """A class, how many pictures it has, and its best channels, the best first."""

    label: str
    pictures: int
    best: Sequence[Separating]


def separation_figure(
    panels: Sequence[ClassPanel],
    *,
    n: int,
    layer: str,
    channels: int,
    classes: int,
    level: float,
    counted: str = "pictures",
) -> Figure:
    """A panel for each class: a point for each channel's area and a line for its interval.

    A panel has room for `n` channels. `channels` is how many the layer has, `classes` how many have pictures, `level`
    the confidence of the intervals; `counted` says what is counted as pictures.
    """
    columns = min(len(panels), 4 if len(panels) > 6 else 3)
    rows = math.ceil(len(panels) / columns)
    figure = plain_figure(2.5 * columns + 0.3, (0.165 * n + 0.55) * rows + 0.95)
    places = figure.subplots(rows, columns, squeeze=False, sharex=True).flatten().tolist()
    lowest = min(0.45, *(channel.interval.low - 0.03 for panel in panels for channel in panel.best))
    for axes, panel in zip(places, panels, strict=False):
        _draw(axes, panel)
        axes.set_xlim(max(0.0, lowest), 1.02)
    for axes in places[len(panels) :]:
        axes.set_axis_off()
    rest = f" (first {len(panels)} of {classes} classes)" if len(panels) < classes else ""
    figure.suptitle(f"{layer}: the channels that separate each class best{rest}", fontsize=10)
    caption = (
        f"area under the ROC curve (AUROC), ½ is chance; lines: {level:.0%} intervals, from {FEWEST} {counted} on\n"
        f"filled: differs from ½ beyond doubt (p ≤ {BEYOND_DOUBT}, Holm over {channels:,} channels)"
    )
    figure.supxlabel(caption, fontsize=8, color="#555555")
    return figure


def _draw(axes: Axes, panel: ClassPanel) -> None:
    for place, channel in enumerate(panel.best):
        sure = channel.p_value <= BEYOND_DOUBT
        colour = INK if sure else GREY
        axes.plot(channel.interval, (place, place), color=colour, linewidth=1.4, solid_capstyle="butt")
        axes.plot(channel.area, place, "o", color=colour, markersize=4.5, markerfacecolor=colour if sure else "white")
    axes.axvline(0.5, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(len(panel.best) - 0.4, -0.6)
    bare(axes, "bottom")
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelbottom=True)
    axes.set_yticks(range(len(panel.best)), [str(channel.channel) for channel in panel.best])
    axes.set_title(f"{short(panel.label)} ({panel.pictures:,})", fontsize=8, loc="left")
