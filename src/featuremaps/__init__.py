"""featuremaps: ask a vision model what it sees, and get an answer you can check."""

from importlib.metadata import version

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

__version__ = version("featuremaps")
__all__ = [
    "METHODS",
    "Attributions",
    "Box",
    "Comparison",
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
    "fuse",
    "load",
    "method",
]
