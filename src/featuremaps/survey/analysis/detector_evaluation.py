"""How well a detector does on a dataset: at the threshold it brought along, at the best one here, and at all others."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isclose, isnan
from pathlib import Path
from typing import Any

import numpy as np

from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.files import png_of
from featuremaps.plotting.panels import number
from featuremaps.results.shown import Shown
from featuremaps.survey.charts.detections import roc_chart, score_distributions_chart, scores_chart
from featuremaps.survey.charts.page import save_page
from featuremaps.survey.charts.theme import Chart
from featuremaps.survey.figures.detector_evaluation import detection_figure
from featuremaps.survey.measures.scored_pictures import ScoredPictures


@dataclass(frozen=True, eq=False, repr=False)
class DetectorEvaluation(ScoredPictures, Shown):
    """A detector's scores on pictures whose truth is known.

    `threshold` is the one it brought along, `chosen` says how and on what that was chosen, and `before` what it did
    there (recall, false_alarm, area). `probabilities` are None where the detector was never calibrated.
    """

    detector: str = ""
    chosen: str = ""
    before: Mapping[str, float] = field(default_factory=dict)

    @property
    def mistakes(self) -> tuple[tuple[str, float], ...]:
        """Names and scores of the pictures it gets wrong, the furthest from the threshold first."""
        called = self.scores >= self.threshold
        wrong = np.flatnonzero(called != self.positives)
        order = wrong[np.argsort(-np.abs(self.scores[wrong] - self.threshold), kind="stable")]
        return tuple((self.names[row], float(self.scores[row])) for row in order.tolist())

    def table(self) -> list[dict[str, Any]]:
        """One row for the threshold brought along and one for the best here, with shares and 95% intervals."""
        rows = []
        for which, value, counts in (
            ("carried", self.threshold, self.confusion),
            ("best here", self.best.value, self.best.counts),
        ):
            row: dict[str, Any] = {"which": which, "threshold": value}
            for name in ("recall", "false_alarm_rate", "precision", "accuracy"):
                row |= getattr(counts, name).row(name)
            rows.append(row | vars(counts))
        return rows

    def figure(self) -> Figure:
        """The scores with the thresholds, the ROC and precision-recall curves, the confusion and the calibration."""
        return detection_figure(self, f"{self.detector}; threshold: {self.chosen or 'given'}")

    def charts(self) -> dict[str, Chart]:
        """The scores, their distributions and the ROC curve as charts to hover over, by name."""
        return {
            "scores": scores_chart(self),
            "distributions": score_distributions_chart(self),
            "roc": roc_chart({self.data: self}),
        }

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
            f"{self.label} in {self.data}: AUROC {self.area}. At a threshold of {number(self.threshold)} it finds "
            f"{now.recall} and calls {now.false_alarm_rate} of the others {self.label}."
        )
        if isclose(best.value, self.threshold, rel_tol=1e-6):
            return text
        here = best.counts
        return text + (
            f" The best threshold here would be {number(best.value)}: {here.recall.brief()} found, "
            f"{here.false_alarm_rate.brief()} false alarms."
        )

    def __repr__(self) -> str:
        return f"<DetectorEvaluation: {self}>"

    def _summary(self) -> dict[str, Any]:
        calibration = self.calibration
        low, high = (None if isnan(end) else end for end in self.area.interval)
        said = calibration and {"brier": calibration.brier, "expected_error": calibration.expected_error}
        return {
            "label": self.label,
            "detector": self.detector,
            "data": self.data,
            "pictures": len(self.names),
            "positives": int(self.positives.sum()),
            "chosen": self.chosen,
            "before": dict(self.before),
            "area": {"value": self.area.value, "low": low, "high": high},
            "average_precision": self.precision_recall.average_precision,
            "thresholds": self.table(),
            "calibration": said,
        }
