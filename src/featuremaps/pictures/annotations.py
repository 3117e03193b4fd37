"""Annotations of what is in a picture, as datasets of detection give them in place of a label."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

BOXES = ("boxes", "bbox", "bboxes", "segmentation", "masks")
"""What annotations of a thing, or of all things of a picture, have in them."""
LABELS = ("labels", "label", "category", "categories", "category_id")
"""Where the things' classes stand beside those, by number or name."""


def annotated(label: Any) -> list[Any] | None:
    """The class of each thing that is annotated in a picture, by number or name; None where this is no annotation.

    As torchvision's detectors are trained with (a dict of boxes and labels), as COCO has them (a list with a dict a
    thing, perhaps none), and as Hugging Face's datasets (a dict of lists). Each class is named once. A dict with one
    label, not in a list, has that of the picture.
    """
    if isinstance(label, Mapping):
        classes = _classes(label)
        return list(dict.fromkeys(classes)) if isinstance(classes, list | tuple) else None
    if not isinstance(label, list | tuple) or not all(isinstance(thing, Mapping) for thing in label):
        return None
    each = [_classes(thing) for thing in label]
    if any(classes is None for classes in each):
        return None
    flat = [one for classes in each for one in (classes if isinstance(classes, list | tuple) else [classes])]
    return list(dict.fromkeys(flat))


def _classes(given: Mapping[str, Any]) -> Any:
    """The class, or classes, that stand beside boxes; an empty list where none do, None where there are no boxes."""
    if not any(name in given for name in BOXES):
        return None
    classes: Any = next((given[name] for name in LABELS if name in given), [])
    return classes.tolist() if isinstance(classes, Tensor) else classes
