"""The section on whether a class's channels can find it alone: scores and ROC curves, here and in other domains."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from featuremaps.report.data import section
from featuremaps.report.encode import Json
from featuremaps.survey.analysis.detector_evaluation import DetectorEvaluation
from featuremaps.survey.analysis.detector_vs_model import Rivalry
from featuremaps.survey.charts.detections import roc_chart, score_distributions_chart
from featuremaps.survey.charts.theme import Chart, shared

MODEL = "the model's own answer"


@dataclass(frozen=True, eq=False)
class TestedDetector:
    """A detector of one class, tested on one or several domains; beside it the model's own answers, where known."""

    label: str
    layer: str
    channels: tuple[int, ...]
    domains: Sequence[tuple[str, DetectorEvaluation, Rivalry | None]]
    words: Sequence[str]
    proven: bool = True

    def to_json(self) -> Json:
        """The domains by name, each with its sentence."""
        domains = zip(self.domains, self.words, strict=True)
        known = {name: getattr(self, name) for name in ("label", "layer", "channels", "proven")}
        return known | {"domains": [{"name": name, "words": words} for (name, _, _), words in domains]}

    def charts(self) -> list[tuple[Chart, Chart]]:
        """For each domain the distributions of the scores, and the ROC curve with the model's own answer."""
        return [
            (
                score_distributions_chart(detection),
                roc_chart({self.label: detection}, rivals={} if rivalry is None else {MODEL: rivalry.model}),
            )
            for _, detection, rivalry in self.domains
        ]


@section
@dataclass(frozen=True, eq=False)
class DetectorsSection:
    """Detectors, a class each."""

    kind: ClassVar[str] = "detectors"
    question: ClassVar[str] = "Over the dataset"

    detectors: tuple[TestedDetector, ...]
    title: str = "Can these channels find it alone?"
    caption: str = ""

    @property
    def summary(self) -> str:
        """What the first detector finds, in words."""
        return next((words for detector in self.detectors for words in detector.words), "")

    def to_json(self) -> Json:
        """The detectors, and their charts as `scores-0-1` and `roc-0-1`: of the first one in the second domain."""
        charts = {
            f"{kind}-{place}-{domain}": chart
            for place, detector in enumerate(self.detectors)
            for domain, pair in enumerate(detector.charts())
            for kind, chart in zip(("scores", "roc"), pair, strict=True)
        }
        bare, datasets = shared(charts)
        detectors = [detector.to_json() for detector in self.detectors]
        return {"caption": self.caption, "detectors": detectors, "charts": bare, "datasets": datasets}
