"""Formulas, a file per family; importing this package registers them all."""

from featuremaps.methods import averaged, cam, eigen, masks, saliency
from featuremaps.methods.registry import METHODS, Method, find_method, method

__all__ = ["METHODS", "Method", "averaged", "cam", "eigen", "find_method", "masks", "method", "saliency"]
