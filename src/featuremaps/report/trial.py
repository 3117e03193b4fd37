"""The section on which explanation deserves belief: a trial's table as small pictures, curves, ranks and intervals."""

from dataclasses import dataclass
from typing import ClassVar

from PIL import Image

from featuremaps.evidence.estimate import Estimate
from featuremaps.evidence.explainer import Key
from featuremaps.evidence.registry import MEASURES
from featuremaps.evidence.trial import Trial
from featuremaps.evidence.words import label
from featuremaps.plotting.class_colours import on_square
from featuremaps.report.data import section
from featuremaps.report.encode import Json, picture_uri, plain

PICTURES, SIDE = 3, 112
"""Of so many pictures each method's maps are shown, and how large (pixels)."""


@section
@dataclass(frozen=True, eq=False)
class TrialSection:
    """A trial; its conclusion stands first, then a row for each explanation, best first, then the references."""

    kind: ClassVar[str] = "trial"
    question: ClassVar[str] = "Can I trust it"

    trial: Trial
    title: str = "Which explanation to believe"

    @property
    def summary(self) -> str:
        """The first sentence of its conclusion."""
        return next(iter(self.trial.conclusion), "")

    def to_json(self) -> Json:
        """Every row with its maps, curves, rank and estimates, and every measure with what chance and greedy get."""
        trial = self.trial
        overlays = [trial.overlays(picture) for picture in range(min(PICTURES, trial.shown))]
        return {
            "conclusion": trial.conclusion,
            "pictures": len(trial.pictures),
            "passes": trial.passes,
            "explanations": len(trial.explanations),
            "measures": [
                {
                    "name": name.replace("_", " "),
                    "better": MEASURES[name].better,
                    "unit": MEASURES[name].unit,
                    "about": MEASURES[name].summary,
                    "counts": name in trial.counted,
                }
                for name in trial.measures
            ],
            "rows": [self._row(row, [maps[row] for maps in overlays if row in maps]) for row in trial.order]
            + [self._row(row, []) for row in trial.references],
        }

    def _row(self, row: Key, maps: list[Image.Image]) -> Json:
        trial, explained = self.trial, row in self.trial.explanations
        return {
            "label": label(row),
            "explained": explained,
            "rank": _estimate(trial.rank(row)) if explained and trial.measured(row) else None,
            "failed": [MEASURES[name].failure for name in trial.failed(row)] if explained else [],
            "maps": [picture_uri(on_square(image, SIDE), SIDE) for image in maps],
            "curves": [
                {"order": order, "fill": fill, "points": plain(points.tolist())}
                for (key, order, fill), points in trial.curves.items()
                if key == row
            ],
            "estimates": [_estimate(trial.estimate(row, name)) for name in trial.measures],
        }


def _estimate(estimate: Estimate) -> Json:
    return {
        "mean": plain(estimate.mean),
        "low": plain(estimate.low),
        "high": plain(estimate.high),
        "text": str(estimate),
        "why": estimate.why,
    }
