"""featuremaps: ask a vision model what it sees, and get an answer you can check."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from featuremaps.errors import FeatureMapsError, FeatureMapsWarning
from featuremaps.explain.attributions import Attributions
from featuremaps.explain.comparison import Comparison
from featuremaps.filters.filters import Filters
from featuremaps.maps.feature_maps import FeatureMaps
from featuremaps.maps.layer_maps import LayerMaps
from featuremaps.maps.layer_summary import LayerWalk
from featuremaps.methods import METHODS, method
from featuremaps.pictures.preprocess import preprocess
from featuremaps.results.heatmaps import Heatmaps, fuse
from featuremaps.runtime.detection_targets import Box, Query
from featuremaps.runtime.record import Record
from featuremaps.runtime.targets import Logit, Margin, Mask, Probability, Similarity
from featuremaps.scope import Scope
from featuremaps.sources import Loaded, load, source

if TYPE_CHECKING:
    from featuremaps.concepts.concept import Concept, open_concept
    from featuremaps.evidence.registry import MEASURES, measure
    from featuremaps.evidence.run import open_trial
    from featuremaps.evidence.trial import Trial
    from featuremaps.survey.analysis.detector import Detector
    from featuremaps.survey.analysis.model_comparison import compare_models
    from featuremaps.survey.survey import Survey, open_survey

__version__ = version("featuremaps")
__all__ = [
    "MEASURES",
    "METHODS",
    "Attributions",
    "Box",
    "Comparison",
    "Concept",
    "Detector",
    "FeatureMaps",
    "FeatureMapsError",
    "FeatureMapsWarning",
    "Filters",
    "Heatmaps",
    "LayerMaps",
    "LayerWalk",
    "Loaded",
    "Logit",
    "Margin",
    "Mask",
    "Probability",
    "Query",
    "Record",
    "Scope",
    "Similarity",
    "Survey",
    "Trial",
    "compare_models",
    "fuse",
    "load",
    "measure",
    "method",
    "open_concept",
    "open_survey",
    "open_trial",
    "preprocess",
    "source",
]

_WHEN_USED = {
    "MEASURES": "featuremaps.evidence.registry",
    "Concept": "featuremaps.concepts.concept",
    "Detector": "featuremaps.survey.analysis.detector",
    "Survey": "featuremaps.survey.survey",
    "Trial": "featuremaps.evidence.trial",
    "compare_models": "featuremaps.survey.analysis.model_comparison",
    "measure": "featuremaps.evidence.registry",
    "open_concept": "featuremaps.concepts.concept",
    "open_survey": "featuremaps.survey.survey",
    "open_trial": "featuremaps.evidence.run",
}
"""What brings the libraries for tables with it, which are loaded by those who ask for them."""


def __getattr__(name: str) -> object:
    if name in _WHEN_USED:
        return getattr(import_module(_WHEN_USED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
