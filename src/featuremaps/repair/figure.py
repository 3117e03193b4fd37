"""The figure of what an edit changed: groups as bars, and beside them pictures of the worst with the same map twice."""

from collections.abc import Sequence
from dataclasses import dataclass

from featuremaps.plotting.class_colours import bare, plain_figure, short
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.panels import Panel, draw_panel
from featuremaps.survey.measures.proportions import Rate

BEFORE, AFTER = "#9aa0a6", "#0072b2"
BARS, COLUMN, LOWEST = 5.4, 1.55, 5.1
"""Widths of the bars and of a column of pictures, and the height that pictures need at least, in inches."""


@dataclass(frozen=True, eq=False)
class ShownGroup:
    """A group's name, and how many of it are called right before and after."""

    name: str
    before: Rate
    after: Rate


@dataclass(frozen=True, eq=False)
class ShownPictures:
    """Rows of panels, all of one length, under a title."""

    title: str
    rows: Sequence[Sequence[Panel]]


def change_figure(groups: Sequence[ShownGroup], pictures: ShownPictures | None) -> Figure:
    """Bars for each group before and after, with intervals, and the pictures to their right, where there are any."""
    height = 0.9 + 0.42 * len(groups)
    if pictures is None:
        figure = plain_figure(BARS + 1.2, height)
        _bars(figure.subplots(), groups)
        return figure
    wide = COLUMN * len(pictures.rows[0]) + 0.4
    figure = plain_figure(BARS + wide, max(height, LOWEST))
    left, right = figure.subfigures(1, 2, squeeze=False, width_ratios=(BARS, wide))[0]
    _bars(left.subplots(), groups)
    right.suptitle(pictures.title, fontsize=9)
    axes = right.subplots(len(pictures.rows), len(pictures.rows[0]), squeeze=False).tolist()
    for row, places in zip(pictures.rows, axes, strict=True):
        for panel, place in zip(row, places, strict=True):
            draw_panel(place, panel)
    return figure


def _bars(axes: Axes, groups: Sequence[ShownGroup]) -> None:
    from matplotlib.ticker import PercentFormatter

    for place, group in enumerate(groups):
        for offset, rate, colour in ((-0.18, group.before, BEFORE), (0.18, group.after, AFTER)):
            low, high = rate.interval()
            reach = [[rate.value - low], [high - rate.value]]
            axes.barh(place + offset, rate.value, 0.34, color=colour)
            axes.errorbar(rate.value, place + offset, xerr=reach, color="#333333", linewidth=0.8, capsize=2)
    axes.set_yticks(range(len(groups)), [f"{short(group.name, 34)} ({group.before.of})" for group in groups])
    axes.set(xlim=(0, 1.02), ylim=(len(groups) - 0.4, -0.6))
    axes.set_xlabel("called right, with 95% intervals; grey: before, blue: after (pictures)", fontsize=8)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    bare(axes, "left", "bottom")
