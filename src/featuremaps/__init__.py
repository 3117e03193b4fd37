"""featuremaps: ask a vision model what it sees, and get an answer you can check."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from featuremaps.attributions import Attributions
from featuremaps.comparison import Comparison
from featuremaps.errors import FeatureMapsError, FeatureMapsWarning
from featuremaps.filters import Filters
from featuremaps.heatmaps import Heatmaps, fuse
from featuremaps.layer_maps import LayerMaps
from featuremaps.layer_walk import LayerWalk
from featuremaps.maps import FeatureMaps
from featuremaps.methods import METHODS, method
from featuremaps.record import Record
from featuremaps.scope import Scope
from featuremaps.sources import load
from featuremaps.targets import Box, Logit, Margin, Mask, Probability, Similarity

if TYPE_CHECKING:
    from featuremaps.survey.detector import Detector
    from featuremaps.survey.models import compare_models
    from featuremaps.survey.survey import Survey, open_survey

__version__ = version("featuremaps")
__all__ = [
    "METHODS",
    "Attributions",
    "Box",
    "Comparison",
    "Detector",
    "FeatureMaps",
    "FeatureMapsError",
    "FeatureMapsWarning",
    "Filters",
    "Heatmaps",
    "LayerMaps",
    "LayerWalk",
    "Logit",
    "Margin",
    "Mask",
    "Probability",
    "Record",
    "Scope",
    "Similarity",
    "Survey",
    "compare_models",
    "fuse",
    "load",
    "method",
    "open_survey",
]

_WHEN_USED = {
    "Detector": "featuremaps.survey.detector",
    "Survey": "featuremaps.survey.survey",
    "compare_models": "featuremaps.survey.models",
    "open_survey": "featuremaps.survey.survey",
}
"""What brings the libraries for tables with it, which are loaded by those who ask for them."""


def __getattr__(name: str) -> object:
    if name in _WHEN_USED:
        return getattr(import_module(_WHEN_USED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
