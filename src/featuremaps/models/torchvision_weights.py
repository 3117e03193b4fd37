"""Weights as torchvision lists them, `ResNet50_Weights.DEFAULT`: the preprocessing and class names that they record."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from torch import nn

from featuremaps.models.huggingface_models import head_widths


@runtime_checkable
class Weights(Protocol):
    """One of torchvision's entries of weights; `transforms()` is the preprocessing, `meta["categories"]` the names."""

    meta: Mapping[str, Any]
    transforms: Callable[[], Callable[..., Any]]


def class_names_of(weights: Weights, model: object) -> list[str] | None:
    """The classes that the weights were trained on; None where they have none, or the model has another head."""
    names = list(weights.meta.get("categories", ()))
    return names if isinstance(model, nn.Module) and len(names) in head_widths(model) else None
