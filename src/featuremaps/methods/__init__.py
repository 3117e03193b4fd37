"""Formulas, a file per family; importing this package registers them all."""

from featuremaps.methods import cam, eigen, masks
from featuremaps.methods.registry import METHODS, Method, find_method, method

__all__ = ["METHODS", "Method", "cam", "eigen", "find_method", "masks", "method"]
