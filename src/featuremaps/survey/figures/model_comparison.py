"""Charts of compared models: the sums with and without a class, the areas of all classes, and matched channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from featuremaps.plotting.class_colours import INK, class_look, plain_figure, short
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.survey.figures.detector_plots import FAINT, MUTED, edges_of, mirrored, plain, thresholds
from featuremaps.survey.measures.auc import FEWEST, Area
from featuremaps.survey.measures.scored_pictures import ScoredPictures


@dataclass(frozen=True)
class ModelRow:
    """A model, how many of its channels were added up, and the sums in the source and, if there is one, the target."""

    model: str
    channels: int
    panels: Sequence[ScoredPictures]


def sums_figure(label: str, rows: Sequence[ModelRow]) -> Figure:
    """A row for each model, a column for the source and one for the target; a model's scale is the same in both."""
    columns = len(rows[0].panels)
    figure = plain_figure(2.2 + 4.6 * columns, 0.9 + 2.0 * len(rows))
    axes = figure.subplots(len(rows), columns, squeeze=False, sharey="row").tolist()
    for places, row in zip(axes, rows, strict=True):
        edges = edges_of(*(panel.scores for panel in row.panels))
        top = max(_sums(place, panel, edges) for place, panel in zip(places, row.panels, strict=True))
        name = f"{short(row.model)}\n{row.channels} channel{'s' if row.channels != 1 else ''}"
        places[0].set_ylabel(name, fontsize=9, color=INK)
        places[0].set_ylim(-top, top)
    for place in axes[-1]:
        place.set_xlabel("sum of the model's channels", fontsize=8, color=MUTED)
    where = "" if columns == 1 else "; left: where channels and threshold were chosen"
    figure.suptitle(f"How well each model's own channels separate {short(label, 40)}{where}", fontsize=11, color=INK)
    return figure


def areas_figure(
    labels: Sequence[str], models: Sequence[str], areas: Mapping[tuple[str, str], Sequence[Area]]
) -> Figure:
    """The area of every class and model with its interval: filled on the source, open on the target.

    `areas[model, label]` are that on the source and, if there is one, that on the target.
    """
    figure = plain_figure(7.5, 1.5 + len(labels) * (0.25 + 0.2 * len(models)))
    axes = figure.subplots()
    axes.axvline(0.5, color=MUTED, linewidth=1)
    axes.text(0.5, -0.6, " chance", fontsize=7, color=MUTED)
    for number, model in enumerate(models):
        colour, _ = class_look(number)
        for row, label in enumerate(labels):
            y = row + 0.7 * ((number + 0.5) / len(models) - 0.5)
            for area, fill, lift in zip(areas[model, label], (colour, "white"), (-0.05, 0.05), strict=False):
                axes.plot(area.interval, (y + lift, y + lift), color=colour, linewidth=1.2)
                axes.plot(
                    area.value, y + lift, "osD^v"[number % 5], color=colour, markerfacecolor=fill,
                    label=model if row == 0 and fill == colour else "_", markersize=6,
                )  # fmt: skip
    plain(axes, "", f"area under the ROC curve (AUROC); lines: 95% intervals, from {FEWEST} pictures on")
    axes.set_yticks(range(len(labels)), [short(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.7)
    axes.tick_params(axis="y", labelsize=9, colors=INK, length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=min(4, len(models)), fontsize=8, frameon=False)
    with_target = any(len(pair) == 2 for pair in areas.values())
    figure.suptitle(
        "How well each model's own channels separate each class"
        + ("\nfilled: where they were chosen; open: in the other domain" if with_target else ""),
        fontsize=10,
        color=INK,
    )
    return figure


def matches_figure(
    models: tuple[str, str],
    correlations: tuple[Float[np.ndarray, " first"], Float[np.ndarray, " second"]],
    mutual: Sequence[tuple[int, int, float]],
) -> Figure:
    """Each channel's best correlation with one of the other model, in falling order; NaN is left out.

    `mutual` are pairs of channels that are each other's best, and their correlation; they are marked.
    """
    figure = plain_figure(8.0, 3.4)
    panels = figure.subplots(1, 2, sharey=True)
    for number, (axes, values) in enumerate(zip(panels, correlations, strict=True)):
        paired = {pair[number] for pair in mutual}
        known = np.flatnonzero(~np.isnan(values))
        order = known[np.argsort(-values[known], kind="stable")]
        colour, _ = class_look(number)
        axes.plot(range(len(order)), values[order], color=colour, linewidth=1.2)
        marked = [place for place, channel in enumerate(order.tolist()) if channel in paired]
        axes.plot(marked, values[order][marked], "o", color=colour, markersize=4, label=f"mutual ({len(marked)})")
        plain(
            axes,
            f"{short(models[number])}: best match in {short(models[1 - number])}",
            f"{len(order)} channels, best matched first",
        )
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.legend(fontsize=8, frameon=False, loc="lower left")
    panels[0].set_ylim(
        min(0.0, *(float(value) for values in correlations for value in values[~np.isnan(values)])), 1.02
    )
    panels[0].set_ylabel("correlation over the pictures", fontsize=8, color=MUTED)
    figure.suptitle("Channels that rise and fall together", fontsize=11, color=INK)
    return figure


def _sums(axes: Axes, panel: ScoredPictures, edges: np.ndarray) -> float:
    """One distribution; returns how far its axis reaches."""
    top = mirrored(axes, panel, edges)
    lines = [("threshold", panel.threshold, "-")]
    best = panel.best.value
    if abs(best - panel.threshold) > 1e-6 * abs(panel.threshold):
        lines.append(("best here", best, ":"))
    plain(axes, f"{short(panel.data, 40)}\nAUROC {panel.area.value:.3f} ({panel.area.interval.words()})")
    thresholds(axes, lines)
    return top
