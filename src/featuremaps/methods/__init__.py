"""Formulas, a file per family; `METHODS` walks this folder, so a new file is all that a new method needs."""

from featuremaps.methods.registry import METHODS, Method, find_method, method

__all__ = ["METHODS", "Method", "find_method", "method"]
