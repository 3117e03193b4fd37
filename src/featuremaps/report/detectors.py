"""The section on whether a class's channels can find it alone: scores and ROC curves, here and in other domains."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from featuremaps.report.sprites import rounded
from featuremaps.survey.against import Rivalry
from featuremaps.survey.detection import Detection

MOST_POINTS = 160
MOST_SCORES = 2000


@dataclass(frozen=True, eq=False)
class TestedDetector:
    """A detector of one class, tested on one or several domains; beside it the model's own answers, where known."""

    label: str
    layer: str
    channels: tuple[int, ...]
    domains: Sequence[tuple[str, Detection, Rivalry | None]]
    words: Sequence[str]
    proven: bool = True

    def to_json(self) -> dict[str, object]:
        """Curves and scores of every domain, and its sentence."""
        return {
            "label": self.label,
            "layer": self.layer,
            "channels": list(self.channels),
            "proven": self.proven,
            "domains": [
                _domain_json(name, detection, rivalry) | {"words": words}
                for (name, detection, rivalry), words in zip(self.domains, self.words, strict=True)
            ],
        }


@dataclass(frozen=True, eq=False)
class DetectorsSection:
    """Detectors, a class each."""

    kind: ClassVar[str] = "detectors"

    detectors: tuple[TestedDetector, ...]
    title: str = "Can these channels find it alone?"
    caption: str = ""
    colormaps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The detectors."""
        return {"caption": self.caption, "detectors": [one.to_json() for one in self.detectors]}


def _domain_json(name: str, detection: Detection, rivalry: Rivalry | None) -> dict[str, object]:
    curve, here = detection.roc, detection.confusion
    kept = np.unique(np.linspace(0, len(curve.thresholds) - 1, MOST_POINTS).round().astype(int))
    scores = {
        side: [rounded(value) for value in _thinned(np.sort(detection.scores[detection.positives == truth])).tolist()]
        for side, truth in (("positives", True), ("negatives", False))
    }
    model = None if rivalry is None else (rivalry.model.false_alarm_rate.value, rivalry.model.recall.value)
    return {
        "name": name,
        "threshold": rounded(detection.threshold),
        "best": rounded(detection.best.value),
        "here": [rounded(here.false_alarm_rate.value), rounded(here.recall.value)],
        "model": None if model is None else [rounded(model[0]), rounded(model[1])],
        "area": rounded(detection.area.value),
        "roc": [
            [rounded(float(column[point])) for column in (curve.false_alarm_rates, curve.recalls, curve.thresholds)]
            for point in kept.tolist()
        ],
        **scores,
    }


def _thinned(values: np.ndarray) -> np.ndarray:
    if len(values) <= MOST_SCORES:
        return values
    return np.asarray(values[np.linspace(0, len(values) - 1, MOST_SCORES).round().astype(int)])
