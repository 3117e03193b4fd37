"""The section on which model separates a class better: areas with intervals, and how a threshold carries over."""

from dataclasses import dataclass
from typing import ClassVar

from featuremaps.report.data import section
from featuremaps.report.sprites import rounded
from featuremaps.survey.analysis.detector_evaluation import Detection
from featuremaps.survey.analysis.model_comparison import ModelComparison, Standing


@section
@dataclass(frozen=True, eq=False)
class StandingsSection:
    """A comparison of models, with the names of the two domains."""

    kind: ClassVar[str] = "standings"

    comparison: ModelComparison
    source: str
    target: str = ""
    title: str = "Which model separates better"
    caption: str = ""
    colormaps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
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


def _row(standing: Standing) -> dict[str, object]:
    tested = [standing.source] if standing.target is None else [standing.source, standing.target]
    return {
        "model": standing.model,
        "proven": standing.proven is not False,
        "channels": len(standing.detector.channels),
        "shift": rounded(standing.shift),
        "domains": [_measured(detection) for detection in tested],
    }


def _measured(detection: Detection) -> dict[str, object]:
    area, here = detection.area, detection.confusion
    return {
        "area": rounded(area.value),
        "low": rounded(area.interval.low),
        "high": rounded(area.interval.high),
        "threshold": rounded(detection.threshold),
        "best": rounded(detection.best.value),
        "recall": rounded(here.recall.value),
        "false_alarm_rate": rounded(here.false_alarm_rate.value),
    }
