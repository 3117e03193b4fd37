"""The figure of a confusion matrix: rows in shares of the true class, the numbers of pictures written in."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from featuremaps.plotting.class_colours import bare, plain_figure, short
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.panels import Bar, add_bar
from featuremaps.survey.measures.proportions import Rate

COLOURS = "Blues"
PALE = 0.55


def most_confused(counts: Int[np.ndarray, "true predicted"], most: int) -> Int[np.ndarray, " class"]:
    """The classes that take part in the most mistakes, at most `most`, in order of class."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    return np.sort(np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:most])


def confusion_figure(
    counts: Int[np.ndarray, "true predicted"], classes: Sequence[str], accuracy: Rate, *, most: int
) -> Figure:
    """The matrix; of more than `most` classes those that take part in most mistakes, in their order."""
    chosen = most_confused(counts, most)
    totals = np.maximum(counts.sum(1, keepdims=True), 1)
    filled = np.flatnonzero(counts[chosen].sum(1))
    shown = np.ix_(chosen[filled], chosen)
    shares = (counts / totals)[shown]
    names = [short(classes[number]) for number in chosen.tolist()]
    longest = 0.065 * max(map(len, names))
    cell = 0.34
    figure = plain_figure(max(3.6, cell * len(chosen) + longest + 1.3), max(2.2, cell * len(filled) + longest + 0.75))
    axes = figure.add_subplot()
    axes.pcolormesh(shares, cmap=COLOURS, vmin=0, vmax=1, edgecolors="white", linewidth=1.0)
    for (row, column), count in np.ndenumerate(counts[shown]):
        if count:
            ink = "white" if shares[row, column] > PALE else "#333333"
            axes.text(column + 0.5, row + 0.5, f"{count:,}", ha="center", va="center", fontsize=6.5, color=ink)
    axes.invert_yaxis()
    bare(axes)
    axes.tick_params(length=0)
    turn = 90 if len(names) > 4 or max(map(len, names)) > 8 else 0
    axes.set_xticks(np.arange(len(names)) + 0.5, names, rotation=turn)
    axes.set_yticks(np.arange(len(filled)) + 0.5, [names[row] for row in filled])
    axes.set_xlabel("the model says", fontsize=8)
    axes.set_ylabel("true class", fontsize=8)
    low, high = accuracy.interval()
    rest = f", the {len(chosen)} of {len(classes)} classes most confused" if len(chosen) < len(classes) else ""
    right = f"right: {accuracy.value:.1%} of {accuracy.of:,} ({low:.1%} to {high:.1%})"
    figure.suptitle(f"{right}{rest}", fontsize=9)
    add_bar(figure, [axes], Bar(COLOURS, 0.0, 1.0, "share of the true class"))
    return figure
