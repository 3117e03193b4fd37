"""Formulas, a file per family; importing this package registers them all."""

from featuremaps.methods import (
    averaged,
    cam,
    deep_lift,
    eigen,
    full_grad,
    legrad,
    masks,
    occlusion,
    relevance,
    rise,
    saliency,
    surrogate,
)
from featuremaps.methods.registry import METHODS, Method, find_method, method

__all__ = [
    "METHODS",
    "Method",
    "averaged",
    "cam",
    "deep_lift",
    "eigen",
    "find_method",
    "full_grad",
    "legrad",
    "masks",
    "method",
    "occlusion",
    "relevance",
    "rise",
    "saliency",
    "surrogate",
]
