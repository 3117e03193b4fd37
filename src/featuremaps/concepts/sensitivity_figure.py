"""The figure of sensitivities: each class's effect beside the band of random concepts."""

from collections.abc import Sequence
from dataclasses import dataclass

from featuremaps.plotting.class_colours import GREY, INK, bare, plain_figure, short
from featuremaps.plotting.figure_types import Figure
from featuremaps.survey.figures.detector_plots import MUTED
from featuremaps.survey.measures.proportions import Interval, Rate

BAND = "#e3e3e3"
MOST = 40
"""So many rows are drawn at most, the surest first where there are more."""


@dataclass(frozen=True)
class ShownSensitivity:
    """A class's effect along a concept, and what random concepts give."""

    concept: str
    label: str
    effect: float
    shuffled: Interval
    share: Rate
    p_value: float
    sure: bool


def sensitivity_figure(rows: Sequence[ShownSensitivity], layers: Sequence[str], model: str) -> Figure:
    """A row for each class: a dot where its effect is, on a band that holds 95 of 100 random concepts."""
    shown = rows if len(rows) <= MOST else sorted(rows, key=lambda row: row.p_value)[:MOST]
    figure = plain_figure(7.6, 0.34 * len(shown) + 1.25)
    axes = figure.subplots()
    several = len({row.concept for row in shown}) > 1
    for place, row in enumerate(shown):
        low, high = row.shuffled
        axes.barh(place, high - low, 0.62, left=low, color=BAND, linewidth=0)
        colour = INK if row.sure else GREY
        axes.plot([0, row.effect], [place, place], color=colour, linewidth=1.4)
        axes.plot(row.effect, place, "o", color=colour, markersize=6)
        told = f"p = {row.p_value:.3f}" if row.p_value >= 0.001 else "p < 0.001"
        axes.text(
            1.02,
            place,
            f"{told}   rises in {row.share.value:.0%} of {row.share.of}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=7.5,
            color=INK if row.sure else MUTED,
        )
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.use_sticky_edges = False
    names = [f"{short(row.label, 18)}, {short(row.concept, 18)}" if several else short(row.label, 26) for row in shown]
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.45, -0.55)
    bare(axes, "bottom")
    axes.tick_params(axis="y", length=0, labelsize=8, labelcolor=INK)
    axes.set_xlabel(
        "change of the class score from pictures without it to pictures with it, to first order", fontsize=8
    )
    concepts = ", ".join(f"“{name}”" for name in dict.fromkeys(row.concept for row in shown))
    of = f" of {model}" if model else ""
    rest = f"  ({len(shown)} of {len(rows)} rows)" if len(shown) < len(rows) else ""
    figure.suptitle(f"Which classes rest on {short(concepts, 60)}, {', '.join(layers)}{of}{rest}", fontsize=10)
    figure.supxlabel(
        "grey band: 95 of 100 random concepts; grey dot: no more than by chance", fontsize=7.5, color=MUTED
    )
    return figure
