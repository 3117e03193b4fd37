"""How many labels torchvision's detectors have: their numbers begin with that of the background."""

from typing import Any

from torch import nn

from featuremaps.errors import TargetError

PACKAGE = "torchvision.models.detection."


def label_count(model: nn.Module) -> int | None:
    """The number of labels of one of torchvision's detectors, background and all; None for any other model."""
    if not any(base.__module__.startswith(PACKAGE) for base in type(model).__mro__):
        return None
    parts: list[Any] = [
        _part(model, "roi_heads", "box_predictor", "cls_score", "out_features"),  # Faster, Mask and Keypoint R-CNN
        _part(model, "head", "classification_head", "num_classes"),  # RetinaNet, FCOS
        _part(model, "head", "classification_head", "num_columns"),  # SSD, SSDlite
    ]
    return next((part for part in parts if isinstance(part, int)), None)


def check_label_names(model: nn.Module, count: int | None) -> None:
    """`TargetError` where a detector of torchvision has not as many labels as there are names."""
    labels = None if count is None else label_count(model)
    if labels not in (None, count):
        raise TargetError(
            f"{count} names were given, and {type(model).__name__} has {labels} labels, of which number 0 is the "
            "background. Name every one, in order: Scope(model, classes=['__background__', …])."
        )


def _part(module: Any, *names: str) -> Any:
    """What is found inside a module by these names, one after the other; None where there is nothing."""
    for name in names:
        module = getattr(module, name, None)
    return module
