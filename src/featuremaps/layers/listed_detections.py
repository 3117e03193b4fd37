"""Detections that a model lists for each picture: boxes by their corners, a label and a score each.

As a dict for each picture (torchvision), alone or beside losses; as one dict or tuple of boxes, scores and labels for
all pictures; or as rows of left, top, right, bottom, score and label, as they leave YOLO's suppression of overlaps.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from featuremaps.errors import TargetError

Listed = Sequence[Mapping[str, Tensor]]
"""For each picture `boxes` (box, 4), `labels` (box,) and `scores` (box,)."""
PARTS = ("boxes", "labels", "scores")
ROW = 6
"""The numbers of a row: left, top, right, bottom, score, label."""
FILLER = -1
"""The label of rows that are none, behind those of a picture in which fewer were found."""


def is_listed(outputs: object) -> bool:
    """Whether these are a dict of boxes, labels and scores for each picture."""
    return (
        isinstance(outputs, list | tuple)
        and bool(outputs)
        and all(isinstance(each, Mapping) and "boxes" in each for each in outputs)
    )


def listed_of(outputs: object, told: bool = False) -> Listed | None:
    """What is listed for each picture, None where nothing is; `told` is whether they are known to be detections.

    Raises `TargetError` where a part is missing, or is no tensor of as many as there are boxes.
    """
    listed = _dicts(outputs)
    if listed is not None:
        return [_checked(each) for each in listed]
    if isinstance(outputs, Mapping) and "boxes" in outputs:
        return _of_batch([outputs.get(name) for name in PARTS])
    if isinstance(outputs, tuple | list) and (found := _in_tuple(outputs)) is not None:
        return found
    return _of_rows(outputs, told)


def listed_if_any(outputs: object) -> Listed | None:
    """The same; of dicts a part may be missing."""
    listed = _dicts(outputs)
    return listed_of(outputs) if listed is None else listed


def _dicts(outputs: object) -> Listed | None:
    """The dicts of all pictures, alone or beside losses; None where there are none, or several lists of them."""
    if is_listed(outputs):
        return outputs  # type: ignore[return-value]
    packed = outputs.values() if isinstance(outputs, Mapping) else outputs if isinstance(outputs, list | tuple) else ()
    inside = [part for part in packed if is_listed(part)]
    return inside[0] if len(inside) == 1 else None


def _checked(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    for name in PARTS:
        if name not in given:
            raise TargetError(
                "a detector gives boxes, labels and scores for each picture, and this one "
                f"{', '.join(map(repr, given))}: {name!r} is missing. Wrap the model so that it returns them."
            )
    boxes, *others = (given[name] for name in PARTS)
    tensors = all(isinstance(part, Tensor) for part in (boxes, *others))
    if not tensors or boxes.shape != (len(boxes), 4) or any(part.shape != (len(boxes),) for part in others):
        forms = [f"{tuple(part.shape)}" if isinstance(part, Tensor) else f"a {type(part).__name__}" for part in others]
        shape = tuple(boxes.shape) if isinstance(boxes, Tensor) else f"a {type(boxes).__name__}"
        raise TargetError(
            "a detector gives tensors for each picture: boxes (box, 4), labels (box,) by their numbers and scores "
            f"(box,); this one boxes {shape}, labels {forms[0]}, scores {forms[1]}. Wrap the model so that it does."
        )
    return given


def _of_batch(parts: Sequence[object]) -> Listed | None:
    """Boxes, labels and scores of all pictures, or of a single one, taken apart; None where they are none."""
    if not all(isinstance(part, Tensor) for part in parts):
        return None
    boxes, labels, scores = (part for part in parts if isinstance(part, Tensor))
    if boxes.ndim not in (2, 3) or boxes.shape[-1] != 4 or not labels.shape == scores.shape == boxes.shape[:-1]:
        return None
    every = [part if boxes.ndim == 3 else part[None] for part in (boxes, labels, scores)]
    return [_without_filler(dict(zip(PARTS, each, strict=True))) for each in zip(*every, strict=True)]


def _without_filler(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    kept = given["labels"] != FILLER
    return given if bool(kept.all()) else {name: part[kept] for name, part in given.items()}


def _in_tuple(outputs: Sequence[object]) -> Listed | None:
    """What a tuple holds as boxes, whole numbers for labels, and scores, in any order."""
    tensors = [part for part in outputs if isinstance(part, Tensor)]
    boxes = [part for part in tensors if part.ndim == 3 and part.shape[2] == 4 and part.is_floating_point()]
    if len(boxes) != 1:
        return None
    flat = [part for part in tensors if part.shape == boxes[0].shape[:2]]
    labels = [part for part in flat if not part.is_floating_point() and part.dtype != torch.bool]
    scores = [part for part in flat if part.is_floating_point()]
    if len(labels) != 1 and len(scores) == 2:
        labels = [part for part in scores if part.numel() and _whole(part)]
        scores = [part for part in scores if all(part is not other for other in labels)]
    return _of_batch([boxes[0], labels[0], scores[0]]) if len(labels) == len(scores) == 1 else None


def _of_rows(outputs: object, told: bool) -> Listed | None:
    """Rows of each picture, (batch, row, 6) or one tensor (row, 6) a picture; those with label −1 fill up others."""
    if isinstance(outputs, Tensor):
        rows = list(outputs) if _are_rows(outputs, 3) else [outputs]
    else:
        rows = list(outputs) if isinstance(outputs, list | tuple) else []
    if not rows or not all(_are_rows(each, 2) for each in rows):
        return None
    rows = [each[each[:, 5] != FILLER] for each in rows]
    every = torch.cat([each.detach() for each in rows])
    ordered = (every[:, 2:4] >= every[:, :2]).all() & (every[:, 4] >= 0).all() & (every[:, 4] <= 1).all()
    if not (ordered and _whole(every[:, 5])):
        return None
    if isinstance(outputs, Tensor) and outputs.ndim == 2 and not told and len(every) and not bool(every.any()):
        return None  # a row of six class scores may be all zeros
    return [{"boxes": each[:, :4], "labels": each[:, 5], "scores": each[:, 4]} for each in rows]


def _are_rows(given: object, axes: int) -> bool:
    return isinstance(given, Tensor) and given.ndim == axes and given.shape[-1] == ROW and given.is_floating_point()


def _whole(numbers: Tensor) -> bool:
    return bool(((numbers == numbers.round()) & (numbers >= 0)).all())
