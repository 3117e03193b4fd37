"""The figures of summed activations: picture by picture, and as distributions, a panel for each group of channels."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from featuremaps.figures import number
from featuremaps.survey.colours import GREY, INK, RULE, bare, class_look, plain_figure, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    from featuremaps.survey.sums import Sums

NAMED = 40
"""With more classes than this, their names no longer fit below an axis."""
MANY = 2000
"""Classes with more pictures than this are drawn by so many, evenly chosen."""
BINS, NAME = 40, 18


def index_figure(found: "Sums", most: int) -> "Figure":
    """Pictures across, grouped by true class, and their sums; a panel for each group."""
    shown = range(min(most, len(found)))
    present = _present(found)
    columns = 1 if len(present) > 12 or len(shown) == 1 else 2 if len(shown) in (2, 4) else min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    each = 9.0 if columns == 1 else 3.6
    below = 0.055 * max((len(short(name, NAME)) for _, name, _ in present), default=0) if len(present) > 3 else 0.15
    figure = plain_figure(each * columns + 0.4, (1.75 + below) * rows + 0.75)
    places = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes, group in zip(places, shown, strict=False):
        _indexed(axes, found, group, present)
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    _words(figure, found, len(shown), "pictures, grouped by true class")
    return figure


def distributions_figure(found: "Sums", most: int) -> "Figure":
    """For each group the sums of each class's pictures, a ridge per class."""
    shown = range(min(most, len(found)))
    present = _present(found)[:NAMED]
    columns = 2 if len(shown) in (2, 4) else min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = plain_figure(3.4 * columns + 0.3, (0.21 * len(present) + 0.85) * rows + 0.75)
    places = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes, group in zip(places, shown, strict=False):
        _ridges(axes, found, group, present)
    for axes in places[len(shown) :]:
        axes.set_axis_off()
    _words(
        figure,
        found,
        len(shown),
        "sum; each class's pictures as a smoothed histogram of its own height, with their median",
    )
    return figure


Present = list[tuple[int, str, np.ndarray]]


def _present(found: "Sums") -> Present:
    """The classes that have pictures: number, name, and the rows of their pictures."""
    rows = {label: np.flatnonzero(found.labels == label) for label in [*range(len(found.classes)), -1]}
    names = {**dict(enumerate(found.classes)), -1: "no label"}
    return [(label, names[label], where) for label, where in rows.items() if len(where)]


def _indexed(axes: "Axes", found: "Sums", group: int, present: Present) -> None:
    if _is_empty(axes, found, group):
        return
    start, ticks = 0, list[float]()
    for label, _, rows in present:
        colour, mark = class_look(label) if label >= 0 else (GREY, "x")
        own = label == found.own(group)
        drawn = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MANY)).astype(int))
        size = (3.4 if own else 2.2) * (1.0 if len(found.labels) < 3000 else 0.5)
        edge = 0.7 if mark == "x" else 0.0
        (points,) = axes.plot(start + drawn, found.values[rows[drawn], group], mark, color=colour, markersize=size)
        points.set(markeredgewidth=edge, alpha=1.0 if own else 0.75)
        if own:
            axes.axvspan(start - 0.5, start + len(rows) - 0.5, color=colour, alpha=0.12, linewidth=0)
        ticks.append(start + (len(rows) - 1) / 2)
        start += len(rows)
    bare(axes, "left", "bottom")
    axes.set_xlim(-1, start)
    threshold = found.thresholds[group]
    if threshold is not None:
        axes.axhline(threshold.value, color=RULE, linewidth=0.9, linestyle="--")
    if len(present) <= NAMED:
        turn = 90 if len(present) > 3 else 0
        axes.set_xticks(ticks, [short(name, NAME) for _, name, _ in present], rotation=turn, fontsize=6.5)
        axes.tick_params(axis="x", length=0)
        _stress(axes.get_xticklabels(), found, group, present)
    else:
        axes.set_xlabel(f"{len(present)} classes", fontsize=7)
    _title(axes, found, group)


def _ridges(axes: "Axes", found: "Sums", group: int, present: Present) -> None:
    if _is_empty(axes, found, group):
        return
    values = found.values[:, group]
    low, high = float(values.min()), float(values.max())
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    for place, (label, _, rows) in enumerate(present):
        counts = np.histogram(values[rows], edges)[0]
        smooth = np.convolve(counts, (0.25, 0.5, 0.25), "same")
        height = smooth / smooth.max() * 0.85
        colour = class_look(label)[0] if label >= 0 else GREY
        alpha = 0.85 if label == found.own(group) else 0.4
        across = np.concatenate([edges[:1], (edges[:-1] + edges[1:]) / 2, edges[-1:]])
        outline = place - np.concatenate([height[:1], height, height[-1:]])
        axes.fill_between(across, place, outline, color=colour, alpha=alpha, linewidth=0)
        axes.plot(np.median(values[rows]), place - 0.08, "|", color=INK, markersize=5, markeredgewidth=1.1)
    bare(axes, "bottom")
    axes.set_ylim(len(present) - 0.7, -1.0)
    axes.tick_params(axis="y", length=0)
    axes.set_yticks(np.arange(len(present)) - 0.25, [short(name, 16) for _, name, _ in present], fontsize=6.5)
    _stress(axes.get_yticklabels(), found, group, present)
    threshold = found.thresholds[group]
    if threshold is not None:
        axes.axvline(threshold.value, color=RULE, linewidth=0.9, linestyle="--")
    _title(axes, found, group)


def _is_empty(axes: "Axes", found: "Sums", group: int) -> bool:
    """Whether the group has no channels, which is then said in its place."""
    if found.channels[group]:
        return False
    bare(axes)
    axes.set(xticks=[], yticks=[], facecolor="#f5f5f5")
    axes.text(0.5, 0.5, "no channels of its own", transform=axes.transAxes, ha="center", va="center", fontsize=8)
    _title(axes, found, group)
    return True


def _stress(names: "Sequence[Text]", found: "Sums", group: int, present: Present) -> None:
    """The name of the group's own class in bold."""
    for text, (label, _, _) in zip(names, present, strict=True):
        text.set(color=INK, fontweight="bold" if label == found.own(group) else "normal")


def _title(axes: "Axes", found: "Sums", group: int) -> None:
    count = len(found.channels[group])
    area = found.areas[group]
    threshold = found.thresholds[group]
    says = f", area {area.value:.2f}, threshold {number(threshold.value)}" if area and threshold else ""
    name = f"{short(found.groups[group])}: {count} channel{'s' if count != 1 else ''}"
    axes.set_title(f"{name}{says}", fontsize=8, loc="left")


def _words(figure: "Figure", found: "Sums", shown: int, across: str) -> None:
    rest = f" (first {shown} of {len(found)} groups)" if shown < len(found) else ""
    kind = "means" if found.by == "mean" else "largest activations"
    figure.suptitle(f"{found.layer}: sum of each class's channels{rest}", fontsize=10)
    caption = (
        f"{across}\nsums are of the channels' {kind}; dashed: the threshold that tells the class from the rest best"
    )
    figure.supxlabel(caption, fontsize=7.5, color="#555555")
