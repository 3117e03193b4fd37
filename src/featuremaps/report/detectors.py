"""The section on whether a class's channels can find it alone: scores and ROC curves, here and in other domains."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from featuremaps.report.data import section
from featuremaps.survey.analysis.detector_evaluation import Detection
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
    domains: Sequence[tuple[str, Detection, Rivalry | None]]
    words: Sequence[str]
    proven: bool = True

    def to_json(self) -> dict[str, object]:
        """The domains by name, each with its sentence."""
        domains = zip(self.domains, self.words, strict=True)
        return {
            "label": self.label,
            "layer": self.layer,
            "channels": list(self.channels),
            "proven": self.proven,
            "domains": [{"name": name, "words": words} for (name, _, _), words in domains],
        }

    def charts(self) -> list[tuple[Chart, Chart]]:
        """For each domain the distributions of the scores, and the ROC curve with the model's own answer."""
        return [
            (
                score_distributions_chart(detection.scored_pictures),
                roc_chart({self.label: detection.roc_curve}, rivals={} if rivalry is None else {MODEL: rivalry.model}),
            )
            for _, detection, rivalry in self.domains
        ]


@section
@dataclass(frozen=True, eq=False)
class DetectorsSection:
    """Detectors, a class each."""

    kind: ClassVar[str] = "detectors"

    detectors: tuple[TestedDetector, ...]
    title: str = "Can these channels find it alone?"
    caption: str = ""
    colormaps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The detectors, and their charts as `scores-0-1` and `roc-0-1`: of the first one in the second domain."""
        charts = {
            f"{kind}-{place}-{domain}": chart
            for place, detector in enumerate(self.detectors)
            for domain, pair in enumerate(detector.charts())
            for kind, chart in zip(("scores", "roc"), pair, strict=True)
        }
        bare, datasets = shared(charts)
        found = [one.to_json() for one in self.detectors]
        return {"caption": self.caption, "detectors": found, "charts": bare, "datasets": datasets}
