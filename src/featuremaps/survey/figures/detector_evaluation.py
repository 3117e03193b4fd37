"""One figure of how a detector does: its scores with both thresholds, the curves, the confusion, the calibration."""

from textwrap import wrap

import numpy as np

from featuremaps.plotting.class_colours import INK, WITH, WITHOUT, plain_figure, short
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.survey.figures.detector_plots import (
    FAINT,
    MUTED,
    edges_of,
    mirrored,
    plain,
    thresholds,
    unit_square,
)
from featuremaps.survey.measures.calibration import Reliability
from featuremaps.survey.measures.proportions import Counts
from featuremaps.survey.measures.scored_pictures import ScoredPictures


def detection_figure(scored: ScoredPictures, caption: str) -> Figure:
    """Above the scores and the confusion matrix, below ROC, precision-recall and calibration."""
    figure = plain_figure(10.5, 7.0)
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1, 1.12), hspace=0.04)[:, 0].tolist()
    scores, confusion = above.subplots(1, 2, width_ratios=(2.1, 1))
    curves = below.subplots(1, 3)
    _scores(scores, scored)
    _confusion(confusion, scored.label, scored.confusion)
    _roc(curves[0], scored)
    _precision_recall(curves[1], scored)
    _calibration(curves[2], scored.calibration)
    figure.suptitle(f"Finding {short(scored.label, 60)} in {short(scored.data, 40)}", fontsize=12, color=INK)
    figure.supxlabel("\n".join(wrap(caption, 150)), fontsize=7.5, color=MUTED)
    return figure


def _scores(axes: Axes, scored: ScoredPictures) -> None:
    mirrored(axes, scored, edges_of(np.append(scored.scores, np.float32(scored.threshold))))
    thresholds(axes, [("threshold brought along", scored.threshold, "-"), ("best here", scored.best.value, ":")])
    plain(axes, "Scores", "score", "share of pictures")


def _confusion(axes: Axes, label: str, counts: Counts) -> None:
    """Counts and the share of each row, on the colour of the row, stronger where it is right."""
    cells = (
        (counts.true_positives, counts.recall.of, 0, 0, WITH, 0.42),
        (counts.false_negatives, counts.recall.of, 1, 0, WITH, 0.12),
        (counts.false_positives, counts.false_alarm_rate.of, 0, 1, WITHOUT, 0.12),
        (counts.true_negatives, counts.false_alarm_rate.of, 1, 1, WITHOUT, 0.36),
    )
    from matplotlib.patches import Rectangle

    for count, of, x, y, colour, strength in cells:
        axes.add_patch(Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, color=colour, alpha=strength, linewidth=0))
        axes.text(x + 0.5, y + 0.44, f"{count}", ha="center", va="center", fontsize=15, color=INK)
        axes.text(x + 0.5, y + 0.72, f"{count / of:.1%}", ha="center", va="center", fontsize=8, color=INK)
    plain(axes, "At the threshold brought along")
    axes.set(xlim=(0, 2), ylim=(2, 0), xticks=(0.5, 1.5), yticks=(0.5, 1.5))
    axes.set_xticklabels(["detected", "not detected"])
    axes.set_yticklabels([f"with\n{short(label, 16)}", "without"])
    axes.tick_params(length=0, labelsize=8, colors=INK)
    for side in axes.spines.values():
        side.set_visible(False)


def _roc(axes: Axes, scored: ScoredPictures) -> None:
    roc, carried, best = scored.roc, scored.confusion, scored.best.counts
    axes.plot((0, 1), (0, 1), color=FAINT, linewidth=1.2)
    axes.step(roc.false_alarm_rates, roc.recalls, where="post", color=INK, linewidth=1.4)
    for counts, kept, name in ((carried, True, "brought along"), (best, False, "best here")):
        _point(axes, counts.false_alarm_rate.value, counts.recall.value, kept, name)
    recall, alarms = carried.recall, carried.false_alarm_rate
    axes.plot(alarms.interval(), (recall.value,) * 2, color=MUTED, linewidth=1)
    axes.plot((alarms.value,) * 2, recall.interval(), color=MUTED, linewidth=1)
    unit_square(axes)
    title = f"ROC curve: AUROC {scored.area.value:.3f} ({scored.area.interval.words()})"
    plain(axes, title, "false alarms among those without", f"{short(scored.label)} found")
    axes.legend(fontsize=7, frameon=False, loc="lower right")


def _point(axes: Axes, x: float, y: float, kept: bool, name: str = "") -> None:
    """Where a threshold stands on a curve: a disc for the one brought along, an open diamond for the best here."""
    mark, fill = ("o", INK) if kept else ("D", "white")
    axes.plot(x, y, mark, color=INK, markerfacecolor=fill, markersize=7, label=name, clip_on=False, zorder=4)


def _precision_recall(axes: Axes, scored: ScoredPictures) -> None:
    curve = scored.precision_recall
    axes.axhline(curve.prevalence, color=FAINT, linewidth=1.2)
    axes.text(0.01, curve.prevalence + 0.015, "everything called positive", fontsize=6.5, color=MUTED)
    axes.step(np.append(0, curve.recalls), np.append(curve.precisions[:1], curve.precisions), color=INK, linewidth=1.4)
    for counts, kept in ((scored.confusion, True), (scored.best.counts, False)):
        if counts.precision.of:
            _point(axes, counts.recall.value, counts.precision.value, kept)
    unit_square(axes)
    title = f"Precision and recall: average precision {curve.average_precision:.3f}"
    plain(axes, title, f"{short(scored.label)} found (recall)", "right among those detected (precision)")


def _calibration(axes: Axes, calibration: Reliability | None) -> None:
    if calibration is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "not calibrated", ha="center", transform=axes.transAxes, fontsize=9, color=MUTED)
        return
    axes.plot((0, 1), (0, 1), color=FAINT, linewidth=1.2)
    filled = np.flatnonzero(calibration.counts > 0)
    intervals = calibration.intervals()
    largest = float(calibration.counts.max())
    axes.plot(calibration.probabilities[filled], calibration.shares[filled], color=INK, linewidth=1)
    for b in filled.tolist():
        x, y = float(calibration.probabilities[b]), float(calibration.shares[b])
        axes.plot((x, x), intervals[b], color=MUTED, linewidth=1)
        axes.plot(x, y, "o", color=INK, clip_on=False, markersize=3 + 7 * float(calibration.counts[b] / largest) ** 0.5)
    unit_square(axes)
    title = f"Calibration: off by {calibration.expected_error:.1%}, Brier {calibration.brier:.3f}"
    plain(axes, title, "probability said", "share that came true")
