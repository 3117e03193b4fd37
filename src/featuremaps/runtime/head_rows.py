"""The rows of a detector's head, as YOLO gives them: a box, perhaps an objectness, and a probability for each class."""

from dataclasses import dataclass

import torch
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.runtime.class_outputs import ClassOutputs
from featuremaps.runtime.outputs import are_probabilities


@dataclass(frozen=True, eq=False)
class HeadRows:
    """The rows of all pictures: boxes (batch, row, 4) as they are given, class scores (batch, row, class), and the
    objectness (batch, row) where there is one.
    """

    boxes: Tensor
    objectness: Tensor | None
    class_scores: Tensor


def head_rows(outputs: object, classes: ClassOutputs) -> HeadRows | None:
    """All rows, those of several tensors taken together; None where the outputs hold none.

    Raises `TargetError` for rows that are said to be detections and hold no probabilities, and where one of the classes
    is background and it is not known which.
    """
    if isinstance(outputs, Tensor):
        outputs = [outputs]
    if not isinstance(outputs, list | tuple):
        return None
    parts = [_oriented(each, classes) for each in outputs if isinstance(each, Tensor)]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    likely = [part for part in known if _are_shares(part[0])] or known  # a decoded part may have a raw one beside it
    objectness, width = likely[0][1], likely[0][0].shape[2]
    rows = torch.cat([each for each, with_it in likely if with_it == objectness and each.shape[2] == width], 1).float()
    if not _are_shares(rows):
        if classes.kind != "detections":
            return None
        shares = rows[..., 4:].detach()
        raise TargetError(
            f"the rows of a detector hold probabilities after the box, and here they go from {float(shares.min()):.3g} "
            f"to {float(shares.max()):.3g}. Wrap the model so that they go through a sigmoid."
        )
    _check_background(rows[..., 4:], objectness, classes)
    return HeadRows(rows[..., :4], rows[..., 4] if objectness else None, rows[..., 4 + objectness :])


def _are_shares(rows: Tensor) -> bool:
    shares = rows[..., 4:].detach()
    return bool(((shares >= 0) & (shares <= 1)).all())


def _check_background(shares: Tensor, objectness: bool, classes: ClassOutputs) -> None:
    """`TargetError` where numbers that sum to 1 are read as an objectness and class scores, or have no names."""
    if (classes.count is None or objectness) and shares.shape[2] > 2 and are_probabilities(shares.flatten(0, 1)):
        raise TargetError(
            f"the {shares.shape[2]} numbers after each box sum to 1: they are a softmax over classes, one of which "
            "stands for no object, and which one is not known. Name all of them, in order, with it: "
            "Scope(…, classes=['background', …])."
        )


def _oriented(given: Tensor, classes: ClassOutputs) -> tuple[Tensor, bool] | None:
    """A tensor as (batch, row, number), and whether an objectness stands after the box; None where it has no rows.

    Names tell by their count. Without any, more rows than numbers are taken for granted, and the usual form: an
    objectness where rows come before numbers, none where they come after.
    """
    if given.ndim != 3 or not given.is_floating_point():
        return None
    count = classes.count
    if count is not None:
        for extra in (5, 4):
            if given.shape[2] == count + extra:
                return given, extra == 5
            if given.shape[1] == count + extra:
                return given.transpose(1, 2), extra == 5
        return None
    if classes.kind != "detections" or min(given.shape[1:]) < 5:
        return None
    rows_first = given.shape[1] >= given.shape[2]
    return (given, given.shape[2] > 5) if rows_first else (given.transpose(1, 2), False)
