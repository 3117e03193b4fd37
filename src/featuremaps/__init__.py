"""featuremaps: ask a vision model what it sees, and get an answer you can check."""

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featuremaps.concepts.concept import Concept, open_concept
    from featuremaps.errors import FeatureMapsError, FeatureMapsWarning
    from featuremaps.evidence.registry import MEASURES, measure
    from featuremaps.evidence.run import open_trial
    from featuremaps.evidence.trial import Trial
    from featuremaps.explain.attributions import Attributions
    from featuremaps.explain.comparison import Comparison
    from featuremaps.filters.filters import Filters
    from featuremaps.maps.feature_maps import FeatureMaps
    from featuremaps.maps.layer_maps import LayerMaps
    from featuremaps.maps.layer_summary import LayerWalk
    from featuremaps.methods import METHODS, method
    from featuremaps.pictures.preprocess import preprocess
    from featuremaps.results.heatmaps import Heatmaps, fuse
    from featuremaps.runtime.record import Record
    from featuremaps.scope import Scope
    from featuremaps.sources import Loaded, load, source
    from featuremaps.survey.analysis.detector import Detector
    from featuremaps.survey.analysis.model_comparison import compare_models
    from featuremaps.survey.survey import Survey, open_survey
    from featuremaps.targets.detection_targets import Box, Detection, Query
    from featuremaps.targets.segmentation_targets import Mask, Point, Region
    from featuremaps.targets.targets import Logit, Margin, Probability, Similarity

__version__ = version("featuremaps")
__all__ = [
    "MEASURES",
    "METHODS",
    "Attributions",
    "Box",
    "Comparison",
    "Concept",
    "Detection",
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
    "Point",
    "Probability",
    "Query",
    "Record",
    "Region",
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

_WHERE = {
    "Attributions": "featuremaps.explain.attributions",
    "Box": "featuremaps.targets.detection_targets",
    "Comparison": "featuremaps.explain.comparison",
    "Concept": "featuremaps.concepts.concept",
    "Detection": "featuremaps.targets.detection_targets",
    "Detector": "featuremaps.survey.analysis.detector",
    "FeatureMaps": "featuremaps.maps.feature_maps",
    "FeatureMapsError": "featuremaps.errors",
    "FeatureMapsWarning": "featuremaps.errors",
    "Filters": "featuremaps.filters.filters",
    "Heatmaps": "featuremaps.results.heatmaps",
    "LayerMaps": "featuremaps.maps.layer_maps",
    "LayerWalk": "featuremaps.maps.layer_summary",
    "Loaded": "featuremaps.sources",
    "Logit": "featuremaps.targets.targets",
    "MEASURES": "featuremaps.evidence.registry",
    "METHODS": "featuremaps.methods",
    "Margin": "featuremaps.targets.targets",
    "Mask": "featuremaps.targets.segmentation_targets",
    "Point": "featuremaps.targets.segmentation_targets",
    "Probability": "featuremaps.targets.targets",
    "Query": "featuremaps.targets.detection_targets",
    "Record": "featuremaps.runtime.record",
    "Region": "featuremaps.targets.segmentation_targets",
    "Scope": "featuremaps.scope",
    "Similarity": "featuremaps.targets.targets",
    "Survey": "featuremaps.survey.survey",
    "Trial": "featuremaps.evidence.trial",
    "compare_models": "featuremaps.survey.analysis.model_comparison",
    "fuse": "featuremaps.results.heatmaps",
    "load": "featuremaps.sources",
    "measure": "featuremaps.evidence.registry",
    "method": "featuremaps.methods",
    "open_concept": "featuremaps.concepts.concept",
    "open_survey": "featuremaps.survey.survey",
    "open_trial": "featuremaps.evidence.run",
    "preprocess": "featuremaps.pictures.preprocess",
    "source": "featuremaps.sources",
}
"""Each name's file, loaded when the name is asked for: most bring PyTorch, some the libraries for tables."""


def __getattr__(name: str) -> object:
    if name in _WHERE:
        globals()[name] = getattr(import_module(_WHERE[name]), name)
        return globals()[name]
    if not name.startswith("_") and find_spec(f"{__name__}.{name}") is not None:
        return import_module(f"{__name__}.{name}")  # featuremaps.errors, as it is there once anything was used
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
