"""The layers of a model: how they are written down, found by running, and read as maps."""

from featuremaps.layers.addresses import Address, find, is_layer, parse
from featuremaps.layers.discover import walk
from featuremaps.layers.info import LayerInfo
from featuremaps.layers.listing import Layers
from featuremaps.layers.model_ends import main_tensor

__all__ = ["Address", "LayerInfo", "Layers", "find", "is_layer", "main_tensor", "parse", "walk"]
