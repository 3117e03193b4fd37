"""What is known of torchvision's detectors: how many labels they have, and which part asks for a score."""

from typing import Any

from torch import nn

from featuremaps.errors import TargetError

PACKAGE = "torchvision.models.detection."


def label_count(model: nn.Module) -> int | None:
    """The number of labels of one of torchvision's detectors, background and all; None for any other model."""
    if not is_torchvision(model):
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


def is_torchvision(model: nn.Module) -> bool:
    """Whether this is one of torchvision's detectors, or made of one."""
    return any(base.__module__.startswith(PACKAGE) for base in type(model).__mro__)


def asking(model: nn.Module) -> Any:
    """The module of one of torchvision's detectors that asks for a score, `score_thresh`; None of any other model."""
    if not is_torchvision(model):
        return None
    home = _part(model, "roi_heads") or model
    return home if isinstance(getattr(home, "score_thresh", None), int | float) else None


def _part(module: Any, *names: str) -> Any:
    """What is found inside a module by these names, one after the other; None where there is nothing."""
    for name in names:
        module = getattr(module, name, None)
    return module
