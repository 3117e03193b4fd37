"""The layers of a model: how they are written down, found by running, and read as maps."""

from featuremaps.layers.addresses import Address, find, is_layer, parse
from featuremaps.layers.last_map import main_tensor
from featuremaps.layers.listing import Layers
from featuremaps.layers.table import LayerInfo
from featuremaps.layers.walking import walk

__all__ = ["Address", "LayerInfo", "Layers", "find", "is_layer", "main_tensor", "parse", "walk"]
