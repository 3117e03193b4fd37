"""The figures of summed activations: picture by picture, and as distributions, a panel for each group of channels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from featuremaps.plotting.class_colours import GREY, INK, RULE, bare, class_look, plain_figure, short
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.panels import number
from featuremaps.survey.measures.scored_pictures import SummedGroup

if TYPE_CHECKING:
    from matplotlib.text import Text

NAMED = 40
"""With more classes than this, their names no longer fit below an axis."""
MANY = 2000
"""Classes with more pictures than this are drawn by so many, evenly chosen."""
BINS, NAME, TITLE = 40, 18, 48


@dataclass(frozen=True, eq=False)
class ClassPictures:
    """A class, by its number (−1: no label) and name, and the rows of its pictures."""

    label: int
    name: str
    rows: Int[np.ndarray, " picture"]


def index_figure(
    groups: Sequence[SummedGroup],
    classes: Sequence[ClassPictures],
    *,
    layer: str,
    by: str,
    most: int,
    counted: str = "pictures",
) -> Figure:
    """Pictures across, grouped by true class, and their sums; a panel for each of the first `most` groups.

    `by` is what was summed, "mean" or "max" of each channel; `counted` says what is counted as pictures.
    """
    shown = groups[:most]
    columns = 1 if len(classes) > 12 or len(shown) == 1 else 2 if len(shown) in (2, 4) else min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    each = 9.0 if columns == 1 else 3.6
    below = (
        0.055 * max((len(short(pictures.name, NAME)) for pictures in classes), default=0) if len(classes) > 3 else 0.15
    )
    figure = plain_figure(each * columns + 0.4, (1.75 + below) * rows + 0.75)
    for axes, group in zip(_places(figure, rows, columns, len(shown)), shown, strict=True):
        _indexed(axes, group, classes)
    _words(
        figure, groups, layer, by, len(shown), f"{counted}, grouped by {'true ' if counted == 'pictures' else ''}class"
    )
    return figure


def distributions_figure(
    groups: Sequence[SummedGroup], classes: Sequence[ClassPictures], *, layer: str, by: str, most: int
) -> Figure:
    """For each of the first `most` groups the sums of each class's pictures, a ridge per class."""
    shown, classes = groups[:most], classes[:NAMED]
    columns = 2 if len(shown) in (2, 4) else min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = plain_figure(3.4 * columns + 0.3, (0.21 * len(classes) + 0.85) * rows + 0.75)
    for axes, group in zip(_places(figure, rows, columns, len(shown)), shown, strict=True):
        _ridges(axes, group, classes)
    across = "sum; each class's pictures as a smoothed histogram of its own height, with their median"
    _words(figure, groups, layer, by, len(shown), across)
    return figure


def _places(figure: Figure, rows: int, columns: int, count: int) -> list[Axes]:
    """The first places of a grid; the others stay empty."""
    places = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes in places[count:]:
        axes.set_axis_off()
    return places[:count]


def _indexed(axes: Axes, group: SummedGroup, classes: Sequence[ClassPictures]) -> None:
    if _is_empty(axes, group):
        return
    start, ticks = 0, list[float]()
    for pictures in classes:
        rows = pictures.rows
        colour, mark = class_look(pictures.label) if pictures.label >= 0 else (GREY, "x")
        meant = pictures.label == group.label
        drawn = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MANY)).astype(int))
        size = (3.4 if meant else 2.2) * (1.0 if len(group.sums) < 3000 else 0.5)
        edge = 0.7 if mark == "x" else 0.0
        (points,) = axes.plot(start + drawn, group.sums[rows[drawn]], mark, color=colour, markersize=size)
        points.set(markeredgewidth=edge, alpha=1.0 if meant else 0.75)
        if meant:
            axes.axvspan(start - 0.5, start + len(rows) - 0.5, color=colour, alpha=0.12, linewidth=0)
        ticks.append(start + (len(rows) - 1) / 2)
        start += len(rows)
    bare(axes, "left", "bottom")
    axes.set_xlim(-1, start)
    if group.threshold is not None:
        axes.axhline(group.threshold.value, color=RULE, linewidth=0.9, linestyle="--")
    if len(classes) <= NAMED:
        turn = 90 if len(classes) > 3 else 0
        axes.set_xticks(ticks, [short(pictures.name, NAME) for pictures in classes], rotation=turn, fontsize=6.5)
        axes.tick_params(axis="x", length=0)
        _stress(axes.get_xticklabels(), group, classes)
    else:
        axes.set_xlabel(f"{len(classes)} classes", fontsize=7)
    _title(axes, group)


def _ridges(axes: Axes, group: SummedGroup, classes: Sequence[ClassPictures]) -> None:
    if _is_empty(axes, group):
        return
    values = group.sums
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    for place, pictures in enumerate(classes):
        counts = np.histogram(values[pictures.rows], edges)[0]
        smooth = np.convolve(counts, (0.25, 0.5, 0.25), "same")
        height = smooth / smooth.max() * 0.85
        colour = class_look(pictures.label)[0] if pictures.label >= 0 else GREY
        alpha = 0.85 if pictures.label == group.label else 0.4
        across = np.concatenate([edges[:1], (edges[:-1] + edges[1:]) / 2, edges[-1:]])
        outline = place - np.concatenate([height[:1], height, height[-1:]])
        axes.fill_between(across, place, outline, color=colour, alpha=alpha, linewidth=0)
        axes.plot(np.median(values[pictures.rows]), place - 0.08, "|", color=INK, markersize=5, markeredgewidth=1.1)
    bare(axes, "bottom")
    axes.set_ylim(len(classes) - 0.7, -1.0)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(np.arange(len(classes)) - 0.25, [short(pictures.name, 16) for pictures in classes], fontsize=6.5)
    _stress(axes.get_yticklabels(), group, classes)
    if group.threshold is not None:
        axes.axvline(group.threshold.value, color=RULE, linewidth=0.9, linestyle="--")
    _title(axes, group)


def _is_empty(axes: Axes, group: SummedGroup) -> bool:
    """Whether the group has no channels, which is then said in its place."""
    if group.channels:
        return False
    bare(axes)
    axes.set(xticks=[], yticks=[], facecolor="#f5f5f5")
    axes.text(0.5, 0.5, "no channels of its own", transform=axes.transAxes, ha="center", va="center", fontsize=8)
    _title(axes, group)
    return True


def _stress(names: "Sequence[Text]", group: SummedGroup, classes: Sequence[ClassPictures]) -> None:
    """The name of the group's own class in bold."""
    for text, pictures in zip(names, classes, strict=True):
        text.set(color=INK, fontweight="bold" if pictures.label == group.label else "normal")


def _title(axes: Axes, group: SummedGroup) -> None:
    count, area, threshold = len(group.channels), group.area, group.threshold
    says = f", AUROC {area.value:.2f}, threshold {number(threshold.value)}" if area and threshold else ""
    name, rest = short(group.name, 40), f"{count} channel{'s' if count != 1 else ''}{says}"
    between = ": " if len(name) + len(rest) <= TITLE else "\n"
    axes.set_title(f"{name}{between}{rest}", fontsize=8, loc="left")


def _words(figure: Figure, groups: Sequence[SummedGroup], layer: str, by: str, shown: int, across: str) -> None:
    rest = f" (first {shown} of {len(groups)} groups)" if shown < len(groups) else ""
    kind = "means" if by == "mean" else "largest activations"
    figure.suptitle(f"{layer}: sum of each class's channels{rest}", fontsize=10)
    caption = (
        f"{across}\nsums are of the channels' {kind}; dashed: the threshold that tells the class from the rest best"
    )
    figure.supxlabel(caption, fontsize=7.5, color="#555555")
