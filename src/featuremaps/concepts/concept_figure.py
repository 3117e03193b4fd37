"""The figure of a concept: pictures of both kinds in order along it, and how well each way tells them apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from featuremaps.concepts.held_out import HeldOut
from featuremaps.pictures.seen import Seen
from featuremaps.plotting.class_colours import GREY, INK, WITH, WITHOUT, bare, on_square, plain_figure, short
from featuremaps.plotting.figure_types import Axes
from featuremaps.plotting.panels import three_digits
from featuremaps.survey.figures.detector_plots import MUTED, edges_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

WIDE = 8


@dataclass(frozen=True, eq=False)
class ShownConcept:
    """What the figure needs of a concept; `ways` are what is held out, the cosine, and whether it is the one used."""

    name: str
    against: str
    layer: str
    has: Bool[np.ndarray, " picture"]
    strengths: Float[np.ndarray, " picture"]
    ways: Mapping[str, tuple[HeldOut, float, bool]]
    pictures: Sequence[Seen]


def concept_figure(shown: ShownConcept) -> "Figure":
    """Rows of pictures from the strongest to the weakest, where there are any; below them the held-out pictures."""
    rows = 2 if shown.pictures else 0
    figure = plain_figure(9.2, 1.45 * rows + 2.5)
    below: Figure | SubFigure = figure
    if rows:
        above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.45 * rows, 2.1)).flat
        places = above.subplots(2, WIDE, squeeze=False)
        for axes, side, title in zip(places, (shown.has, ~shown.has), (shown.name, shown.against), strict=True):
            _pictures(axes.tolist(), shown, in_order(shown.strengths, side), title)
    histogram, accuracies = below.subplots(1, 2, width_ratios=(1.25, 1))
    _histogram(histogram, shown)
    _accuracies(accuracies, shown)
    figure.suptitle(f"{short(shown.name, 40)} in {shown.layer}", fontsize=10)
    return figure


def in_order(
    strengths: Float[np.ndarray, " picture"], side: Bool[np.ndarray, " picture"], most: int = WIDE
) -> Int[np.ndarray, " shown"]:
    """So many pictures of a side at most, evenly spaced from the strongest to the weakest."""
    places = np.flatnonzero(side)
    places = places[np.argsort(-strengths[places], kind="stable")]
    spaced = np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int)
    return places[spaced]


def _pictures(places: Sequence[Axes], shown: ShownConcept, order: Int[np.ndarray, " shown"], title: str) -> None:
    for axes in places:
        axes.set_axis_off()
    for axes, row in zip(places, order.tolist(), strict=False):
        axes.imshow(on_square(shown.pictures[row].image, 128))
        axes.set_title(three_digits(float(shown.strengths[row])).replace("-", "−"), fontsize=7, color=MUTED, pad=2)
    side: dict[str, Any] = {"ha": "right", "va": "center", "rotation": 90, "transform": places[0].transAxes}
    places[0].text(-0.08, 0.5, short(title, 20), fontsize=8, color=INK, **side)


def _histogram(axes: Axes, shown: ShownConcept) -> None:
    (told,) = [told for told, _, used in shown.ways.values() if used]
    edges = edges_of(told.scores)
    for side, colour, name in ((~shown.has, WITHOUT, shown.against), (shown.has, WITH, shown.name)):
        label = f"{short(name, 22)} ({int(side.sum())})"
        axes.hist(told.scores[side], edges.tolist(), color=colour, alpha=0.65, label=label)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_xlabel("held out, along the direction (−1 and 1: where both kinds lie on average)", fontsize=7.5)
    axes.set_ylabel("pictures", fontsize=7.5)
    axes.legend(fontsize=7, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.1)
    bare(axes, "bottom", "left")


def _accuracies(axes: Axes, shown: ShownConcept) -> None:
    for place, (way, (told, cosine, used)) in enumerate(shown.ways.items()):
        low, high = told.interval
        colour = INK if used else GREY
        axes.plot([low, high], [place, place], color=colour, linewidth=1.6)
        axes.plot(told.accuracy, place, "o", color=colour, markersize=6)
        words = "used" if used else f"cosine {cosine:.2f}"
        label = f"{way.replace('_', ' ')}: {told.accuracy:.0%}, {words}"
        axes.text(0, place - 0.22, label, fontsize=7, color=colour, va="bottom")
    axes.axvline(0.5, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 1.02), ylim=(len(shown.ways) - 0.6, -0.75), yticks=[])
    axes.set_xticks([0, 0.5, 1], ["0%", "50% (chance)", "100%"])
    axes.set_xlabel("held-out pictures told right, with 95% interval", fontsize=7.5)
    bare(axes, "bottom")
