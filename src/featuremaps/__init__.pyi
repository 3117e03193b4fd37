"""The names of the package, each from its file, for type checkers and for `__init__.py`."""

from .concepts.concept import Concept as Concept
from .concepts.concept import open_concept as open_concept
from .errors import FeatureMapsError as FeatureMapsError
from .errors import FeatureMapsWarning as FeatureMapsWarning
from .evidence.registry import MEASURES as MEASURES
from .evidence.registry import measure as measure
from .evidence.run import open_trial as open_trial
from .evidence.trial import Trial as Trial
from .explain.attributions import Attributions as Attributions
from .explain.comparison import Comparison as Comparison
from .filters.filters import Filters as Filters
from .maps.feature_maps import FeatureMaps as FeatureMaps
from .maps.layer_maps import LayerMaps as LayerMaps
from .maps.layer_summary import LayerWalk as LayerWalk
from .methods import METHODS as METHODS
from .methods import method as method
from .pictures.preprocess import preprocess as preprocess
from .results.heatmaps import Heatmaps as Heatmaps
from .results.heatmaps import fuse as fuse
from .runtime.record import Record as Record
from .scope import Scope as Scope
from .sources import Loaded as Loaded
from .sources import load as load
from .sources import source as source
from .survey.analysis.detector import Detector as Detector
from .survey.analysis.model_comparison import compare_models as compare_models
from .survey.survey import Survey as Survey
from .survey.survey import open_survey as open_survey
from .targets.detection_targets import Box as Box
from .targets.detection_targets import Detection as Detection
from .targets.detection_targets import Query as Query
from .targets.segmentation_targets import Mask as Mask
from .targets.segmentation_targets import Point as Point
from .targets.segmentation_targets import Region as Region
from .targets.targets import Logit as Logit
from .targets.targets import Margin as Margin
from .targets.targets import Probability as Probability
from .targets.targets import Similarity as Similarity

__version__: str
