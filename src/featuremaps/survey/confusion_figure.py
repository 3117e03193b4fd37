"""The figure of a confusion matrix: rows in shares of the true class, the numbers of pictures written in."""

from typing import TYPE_CHECKING

import numpy as np

from featuremaps.figures import Bar, add_bar
from featuremaps.survey.colours import bare, plain_figure, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from featuremaps.survey.confusion import Confusion

COLOURS = "Blues"
PALE = 0.55


def confusion_figure(found: "Confusion", most: int) -> "Figure":
    """The matrix; of more than `most` classes those that take part in most mistakes, in their order."""
    wrong = found.counts * ~np.eye(len(found.classes), dtype=bool)
    busiest = np.argsort(-(wrong.sum(0) + wrong.sum(1)), kind="stable")[:most]
    chosen = np.sort(busiest)
    totals = np.maximum(found.counts.sum(1, keepdims=True), 1)
    counts, shares = found.counts[np.ix_(chosen, chosen)], (found.counts / totals)[np.ix_(chosen, chosen)]
    filled = np.flatnonzero(found.counts[chosen].sum(1))
    counts, shares = counts[filled], shares[filled]
    names = [short(found.classes[number]) for number in chosen.tolist()]
    longest = 0.065 * max(map(len, names))
    cell = 0.34
    figure = plain_figure(max(3.6, cell * len(chosen) + longest + 1.3), max(2.2, cell * len(filled) + longest + 0.75))
    axes = figure.add_subplot()
    axes.pcolormesh(shares, cmap=COLOURS, vmin=0, vmax=1, edgecolors="white", linewidth=1.0)
    for (row, column), count in np.ndenumerate(counts):
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
    low, high = found.accuracy.interval()
    rest = (
        f", the {len(chosen)} of {len(found.classes)} classes most confused" if len(chosen) < len(found.classes) else ""
    )
    right = f"right: {found.accuracy.value:.1%} of {found.accuracy.of:,} ({low:.1%} to {high:.1%})"
    figure.suptitle(f"{right}{rest}", fontsize=9)
    add_bar(figure, [axes], Bar(COLOURS, 0.0, 1.0, "share of the true class"))
    return figure
