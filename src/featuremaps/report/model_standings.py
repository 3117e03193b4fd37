"""The section on which model separates a class better: areas with intervals, and how a threshold carries over."""

from dataclasses import dataclass
from typing import ClassVar

from featuremaps.report.data import section
from featuremaps.report.encode import Json, plain
from featuremaps.survey.analysis.detector_evaluation import DetectorEvaluation
from featuremaps.survey.analysis.model_comparison import ModelComparison, Standing


@section
@dataclass(frozen=True, eq=False)
class StandingsSection:
    """A comparison of models, with the names of the two domains."""

    kind: ClassVar[str] = "standings"
    question: ClassVar[str] = "Over the dataset"

    comparison: ModelComparison
    source: str
    target: str = ""
    title: str = "Which model separates better"
    caption: str = ""

    @property
    def summary(self) -> str:
        """The models of the first class, the best first, by the area under the ROC curve in the first domain."""
        label = self.comparison.labels[0]
        areas = {model: _first_area(self.comparison.of(model, label)) for model in self.comparison.models}
        best = sorted(areas, key=lambda model: -areas[model])
        named = ", ".join(f"{model} {areas[model]:.2f}" for model in best)
        return f"Area under the ROC curve for {label}: {named}."

    def to_json(self) -> Json:
        """A row for each class and model, with one or two domains."""
        return {
            "caption": self.caption,
            "models": list(self.comparison.models),
            "domains": [self.source, self.target] if self.target else [self.source],
            "classes": [
                {"label": label, "rows": [_row(self.comparison.of(model, label)) for model in self.comparison.models]}
                for label in self.comparison.labels
            ],
        }


def _first_area(standing: Standing) -> float:
    return next(iter(standing.tests.values())).area.value


def _row(standing: Standing) -> Json:
    return {
        "model": standing.model,
        "proven": standing.proven is not False,
        "channels": len(standing.detector.channels),
        "shift": plain(standing.shift),
        "domains": [plain(_measured(detection)) for detection in standing.tests.values()],
    }


def _measured(detection: DetectorEvaluation) -> Json:
    return {
        "area": detection.area.value,
        **detection.area.interval._asdict(),
        "threshold": detection.threshold,
        "best": detection.best.value,
        "recall": detection.confusion.recall.value,
        "false_alarm_rate": detection.confusion.false_alarm_rate.value,
    }
