"""How well a detector does on a dataset: at the threshold it brought along, at the best one here, and at all others."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from featuremaps.plotting.files import png_of
from featuremaps.plotting.panels import number
from featuremaps.survey.charts.detections import (
    RocCurve,
    ScoredPictures,
    roc_chart,
    score_distributions_chart,
    scores_chart,
)
from featuremaps.survey.charts.page import save_page
from featuremaps.survey.charts.theme import Chart
from featuremaps.survey.figures.detector_evaluation import detection_figure
from featuremaps.survey.figures.detector_plots import ScorePanel
from featuremaps.survey.measures.auc import Area, auc
from featuremaps.survey.measures.calibration import Reliability, reliability
from featuremaps.survey.measures.proportions import Counts, counts_at
from featuremaps.survey.measures.roc import PrecisionRecall, Roc, Threshold, choose_threshold, precision_recall, roc

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Detection:
    """A detector's scores on pictures whose truth is known.

    `threshold` is the one it brought along, `chosen` says how and on what that was chosen, and `before` what it did
    there (recall, false_alarm, area). `probabilities` are None where the detector was never calibrated.
    """

    label: str
    detector: str
    data: str
    names: tuple[str, ...]
    positives: Bool[np.ndarray, " picture"]
    scores: Float[np.ndarray, " picture"]
    threshold: float
    chosen: str = ""
    before: Mapping[str, float] = field(default_factory=dict)
    probabilities: Float[np.ndarray, " picture"] | None = None

    @cached_property
    def area(self) -> Area:
        """The area under the ROC curve: how well the score tells the class apart, whatever the threshold."""
        return auc(self.scores, self.positives)

    @cached_property
    def roc(self) -> Roc:
        """Recall against false alarms, for every threshold."""
        return roc(self.scores, self.positives)

    @cached_property
    def precision_recall(self) -> PrecisionRecall:
        """Precision against recall, for every threshold."""
        return precision_recall(self.scores, self.positives)

    @cached_property
    def confusion(self) -> Counts:
        """What the threshold it brought along gets right and wrong here."""
        return counts_at(self.scores, self.positives, self.threshold)

    @cached_property
    def best(self) -> Threshold:
        """The threshold that would have been best here (Youden), which only somebody who knows the truth can take."""
        return choose_threshold(self.scores, self.positives)

    @cached_property
    def calibration(self) -> Reliability | None:
        """Whether the probabilities mean what they say here; None where there are none."""
        return None if self.probabilities is None else reliability(self.probabilities, self.positives)

    @property
    def mistakes(self) -> tuple[tuple[str, float], ...]:
        """Names and scores of the pictures it gets wrong, the furthest from the threshold first."""
        called = self.scores >= self.threshold
        wrong = np.flatnonzero(called != self.positives)
        order = wrong[np.argsort(-np.abs(self.scores[wrong] - self.threshold), kind="stable")]
        return tuple((self.names[row], float(self.scores[row])) for row in order.tolist())

    def table(self) -> list[dict[str, Any]]:
        """One row for the threshold brought along and one for the best here, with shares and 95 % intervals."""
        rows = []
        for which, value, counts in (
            ("carried", self.threshold, self.confusion),
            ("best here", self.best.value, self.best.counts),
        ):
            row: dict[str, Any] = {"which": which, "threshold": value}
            for name in ("recall", "false_alarm_rate", "precision", "accuracy"):
                rate = getattr(counts, name)
                low, high = rate.interval()
                row |= {name: rate.value, f"{name}_low": low, f"{name}_high": high}
            for name in ("true_positives", "false_positives", "false_negatives", "true_negatives"):
                row[name] = getattr(counts, name)
            rows.append(row)
        return rows

    def figure(self) -> "Figure":
        """The scores with the thresholds, the ROC and precision-recall curves, the confusion and the calibration."""
        return detection_figure(
            self.score_panel,
            carried=self.confusion,
            best=self.best.counts,
            roc=self.roc,
            precision_recall=self.precision_recall,
            calibration=self.calibration,
            caption=f"{self.detector}; threshold: {self.chosen or 'given'}",
        )

    def charts(self) -> dict[str, Chart]:
        """The scores, their distributions and the ROC curve as charts to hover over, by name."""
        return {
            "scores": scores_chart(self.scored_pictures),
            "distributions": score_distributions_chart(self.scored_pictures),
            "roc": roc_chart({self.data: self.roc_curve}),
        }

    @property
    def score_panel(self) -> ScorePanel:
        """The scores with both thresholds, as figures draw them."""
        values = (self.label, self.data, self.scores, self.positives, self.area)
        return ScorePanel(*values, self.threshold, self.best.value)

    @property
    def scored_pictures(self) -> ScoredPictures:
        """Every picture's score and both thresholds, as charts take them."""
        values = (self.label, self.data, self.names, self.scores, self.positives)
        return ScoredPictures(*values, self.threshold, self.best.value)

    @property
    def roc_curve(self) -> RocCurve:
        """The ROC curve with the threshold brought along, as charts take it."""
        return RocCurve(self.roc, self.confusion)

    def save(self, folder: str | Path = ".") -> list[Path]:
        """Write `detection.png`, `detection.json` (all figures), `scores.csv` (a row a picture), and `charts.html`.

        The last is to hover over, without a network: the score of every picture, and the ROC curve.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / name for name in ("detection.png", "detection.json", "scores.csv")]
        files[0].write_bytes(png_of(self.figure()))
        files[1].write_text(json.dumps(self._summary(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with files[2].open("w", newline="", encoding="utf-8") as file:
            out = csv.writer(file)
            out.writerow(["picture", self.label, "score", "detected", "probability"])
            shown = ["" for _ in self.names] if self.probabilities is None else map(float, self.probabilities)
            for name, truth, score, chance in zip(self.names, self.positives, self.scores, shown, strict=True):
                out.writerow([name, int(truth), float(score), int(score >= self.threshold), chance])
        page = save_page(self.charts(), folder / "charts.html", f"{self.label} in {self.data}")
        return [*files, page]

    def __str__(self) -> str:
        """The finding in a sentence or two."""
        now, best = self.confusion, self.best
        text = (
            f"{self.label} in {self.data}: area {self.area}. From {number(self.threshold)} on it finds "
            f"{now.recall} and calls {now.false_alarm_rate} of the others {self.label}."
        )
        if isclose(best.value, self.threshold, rel_tol=1e-6):
            return text
        here = best.counts
        return text + (
            f" The best threshold here would be {number(best.value)}: {here.recall.value:.1%} found, "
            f"{here.false_alarm_rate.value:.1%} false alarms."
        )

    def __repr__(self) -> str:
        return f"<Detection: {self}>"

    def _repr_png_(self) -> bytes:
        return png_of(self.figure())

    def _summary(self) -> dict[str, Any]:
        calibration = self.calibration
        return {
            "label": self.label,
            "detector": self.detector,
            "data": self.data,
            "pictures": len(self.names),
            "positives": int(self.positives.sum()),
            "chosen": self.chosen,
            "before": dict(self.before),
            "area": {"value": self.area.value, "low": self.area.interval.low, "high": self.area.interval.high},
            "average_precision": self.precision_recall.average_precision,
            "thresholds": self.table(),
            "calibration": None
            if calibration is None
            else {"brier": calibration.brier, "expected_error": calibration.expected_error},
        }
