"""Charts of compared models: the sums with and without a class, the areas of all classes, and matched channels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from featuremaps.survey.colours import INK, class_look, plain_figure, short
from featuremaps.survey.matching import ChannelMatches
from featuremaps.survey.plots import FAINT, MUTED, edges_of, mirrored, plain, thresholds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from featuremaps.survey.detection import Detection
    from featuremaps.survey.models import ModelComparison, Standing


def sums_figure(label: str, standings: "Sequence[Standing]") -> "Figure":
    """A row for each model, a column for the source and one for the target; a model's scale is the same in both."""
    columns = 1 if standings[0].target is None else 2
    figure = plain_figure(2.2 + 4.6 * columns, 0.9 + 2.0 * len(standings))
    axes = figure.subplots(len(standings), columns, squeeze=False, sharey="row").tolist()
    for row, standing in zip(axes, standings, strict=True):
        tested = [found for found in (standing.source, standing.target) if found is not None]
        edges = edges_of(*(found.scores for found in tested))
        top = max(_sums(place, found, edges) for place, found in zip(row, tested, strict=True))
        count = len(standing.detector.channels)
        row[0].set_ylabel(f"{short(standing.model)}\n{count} channel{'s' if count != 1 else ''}", fontsize=9, color=INK)
        row[0].set_ylim(-top, top)
    for place in axes[-1]:
        place.set_xlabel("sum of the model's channels", fontsize=8, color=MUTED)
    where = "" if columns == 1 else "; left: where channels and threshold were chosen"
    figure.suptitle(f"How well each model's own channels separate {label}{where}", fontsize=11, color=INK)
    return figure


def areas_figure(comparison: "ModelComparison") -> "Figure":
    """The area of every class and model with its interval: filled on the source, open on the target."""
    labels, models = comparison.labels, comparison.models
    figure = plain_figure(7.5, 1.5 + len(labels) * (0.25 + 0.2 * len(models)))
    axes = figure.subplots()
    axes.axvline(0.5, color=MUTED, linewidth=1)
    axes.text(0.5, -0.6, " chance", fontsize=7, color=MUTED)
    for number, model in enumerate(models):
        colour, _ = class_look(number)
        for row, label in enumerate(labels):
            standing = comparison.of(model, label)
            y = row + 0.7 * ((number + 0.5) / len(models) - 0.5)
            for found, fill, lift in ((standing.source, colour, -0.05), (standing.target, "white", 0.05)):
                if found is not None:
                    axes.plot(found.area.interval, (y + lift, y + lift), color=colour, linewidth=1.2)
                    axes.plot(
                        found.area.value, y + lift, "osD^v"[number % 5], color=colour, markerfacecolor=fill,
                        label=model if row == 0 and fill == colour else "_", markersize=6,
                    )  # fmt: skip
    plain(axes, "", "area under the ROC curve, with its 95 % interval")
    axes.set_yticks(range(len(labels)), [short(label) for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.7)
    axes.tick_params(axis="y", labelsize=9, colors=INK, length=0)
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=min(4, len(models)), fontsize=8, frameon=False)
    with_target = comparison.standings[0].target is not None
    figure.suptitle(
        "How well each model's own channels separate each class"
        + ("\nfilled: where they were chosen; open: in the other domain" if with_target else ""),
        fontsize=10,
        color=INK,
    )
    return figure


def matches_figure(found: ChannelMatches) -> "Figure":
    """Best correlations in falling order; those of mutual pairs are marked."""
    figure = plain_figure(8.0, 3.4)
    panels = figure.subplots(1, 2, sharey=True)
    pairs = found.mutual
    sides = (
        (found.first, found.second, found.forward_values, {i for i, _, _ in pairs}),
        (found.second, found.first, found.backward_values, {j for _, j, _ in pairs}),
    )
    for number, (axes, (own, other, values, mutual)) in enumerate(zip(panels, sides, strict=True)):
        known = np.flatnonzero(~np.isnan(values))
        order = known[np.argsort(-values[known], kind="stable")]
        colour, _ = class_look(number)
        axes.plot(range(len(order)), values[order], color=colour, linewidth=1.2)
        marked = [place for place, channel in enumerate(order.tolist()) if channel in mutual]
        axes.plot(marked, values[order][marked], "o", color=colour, markersize=4, label=f"mutual ({len(marked)})")
        plain(axes, f"{short(own)}: best match in {short(other)}", f"{len(order)} channels, best matched first")
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.legend(fontsize=8, frameon=False, loc="lower left")
    panels[0].set_ylim(min(0.0, *(float(v) for _, _, vs, _ in sides for v in vs if v == v)), 1.02)
    panels[0].set_ylabel("correlation over the pictures", fontsize=8, color=MUTED)
    figure.suptitle("Channels that rise and fall together", fontsize=11, color=INK)
    return figure


def _sums(axes: "Axes", found: "Detection", edges: np.ndarray) -> float:
    """One distribution; returns how far its axis reaches."""
    top = mirrored(axes, found.scores, found.positives, found.label, edges)
    lines = [("threshold", found.threshold, "-")]
    if abs(found.best.value - found.threshold) > 1e-6 * abs(found.threshold):
        lines.append(("best here", found.best.value, ":"))
    low, high = found.area.interval
    plain(axes, f"{found.data}\narea {found.area.value:.3f} [{low:.3f}, {high:.3f}]")
    thresholds(axes, lines)
    return top
