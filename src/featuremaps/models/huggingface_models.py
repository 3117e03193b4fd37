"""Models of the `transformers` library as models of pictures with class scores, and the names of their classes."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from featuremaps.models.detectors_of_texts import looking_for, looks_for_texts
from featuremaps.models.mask_queries import gives_masks_of_queries, reading_masks
from featuremaps.models.pictures_and_texts import compares_with_texts, comparing

NAMED = ("Classification", "Segmentation", "Detection")
"""What the names of architectures whose outputs are classes have in them."""


def of_pictures(model: Any, transform: object, classes: Sequence[str] | None) -> Any:
    """A model that takes pictures alone and gives class scores, of one that needs texts or gives masks of queries.

    Any other model as it is. Raises `SourceError` for texts that cannot be read.
    """
    if not isinstance(model, nn.Module):
        return model
    if compares_with_texts(model):
        return comparing(model, transform, classes)
    if looks_for_texts(model):
        return looking_for(model, transform, classes)
    return reading_masks(model, transform) if gives_masks_of_queries(model) else model


def class_names(model: Any) -> list[str] | None:
    """The names of the classes in the model's order, with "no object" behind them where a head has one output more.

    None of a model that has no classes, or whose names are not known.
    """
    labels: dict[int, str] | None = getattr(getattr(model, "config", None), "id2label", None)
    if looks_for_texts(model):
        return None
    named = any(word in type(model).__name__ for word in NAMED)
    if not named or not isinstance(labels, dict) or set(labels) != set(range(len(labels))):
        return None
    names = [labels[i] for i in range(len(labels))]
    widths = head_widths(model)
    if len(names) in widths or (len(names) + 1 in widths and gives_masks_of_queries(model)):
        return names
    return [*names, "no object"] if len(names) + 1 in widths else None  # another head than that of its record


def head_widths(model: nn.Module) -> set[int]:
    """How many values the model's dense layers and convolutions give, one of which is its head."""
    widths = {part.out_features for part in model.modules() if isinstance(part, nn.Linear)}
    return widths | {part.out_channels for part in model.modules() if isinstance(part, nn.Conv2d)}
