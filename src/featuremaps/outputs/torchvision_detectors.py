"""What is known of torchvision's detectors: how many labels they have, and from which score on they give a box."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from featuremaps.errors import TargetError
from featuremaps.session import Beside, Session

PACKAGE = "torchvision.models.detection."
LESS = 0.1
"""Where nothing is found, boxes with so much of the score that a detector asks for are given, and then all."""
_OWN: Beside[float] = Beside()
"""The score that the detector of a session asks for, beside the session."""


def label_count(model: nn.Module) -> int | None:
    """The number of labels of one of torchvision's detectors, background and all; None for any other model."""
    if not _is_torchvision(model):
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


def own_threshold(session: Session) -> float:
    """The score from which on one of torchvision's detectors gives a box; 0 of any other model."""
    home = _asking(session.model)
    return 0.0 if home is None else _OWN.get(session, lambda: float(home.score_thresh))


def gives_less_sure(session: Session, outputs: object) -> bool:
    """Whether one of torchvision's detectors, which gave these outputs, gives more boxes from now on in this session.

    It does where it left a picture without any, until it gives all.
    """
    home = _asking(session.model)
    if home is None or not home.score_thresh > 0 or not _nothing_found(outputs):
        return False
    own = own_threshold(session)
    session.before_undoing(partial(setattr, home, "score_thresh", home.score_thresh))
    home.score_thresh = own * LESS if home.score_thresh > own * LESS else 0.0
    return True


def _nothing_found(outputs: object) -> bool:
    listed = isinstance(outputs, list | tuple) and all(isinstance(each, Mapping) for each in outputs)
    return listed and any("boxes" in each and not len(each["boxes"]) for each in outputs)  # type: ignore[attr-defined]


def _is_torchvision(model: nn.Module) -> bool:
    return any(base.__module__.startswith(PACKAGE) for base in type(model).__mro__)


def _asking(model: nn.Module) -> Any:
    """The module that asks for a score, None where there is none."""
    if not _is_torchvision(model):
        return None
    home = _part(model, "roi_heads") or model
    return home if isinstance(getattr(home, "score_thresh", None), int | float) else None


def _part(module: Any, *names: str) -> Any:
    """What is found inside a module by these names, one after the other; None where there is nothing."""
    for name in names:
        module = getattr(module, name, None)
    return module
