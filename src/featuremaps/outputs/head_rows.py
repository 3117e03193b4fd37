"""The rows of a detector's head, as YOLO gives them: a box, perhaps an objectness, and a probability for each class."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.outputs import are_probabilities

BOX, OBJECTNESS = 4, 1
"""So many numbers of a row are its box, and its objectness."""


@dataclass(frozen=True, eq=False)
class HeadRows:
    """The rows of all pictures: boxes (batch, row, 4) as they are given, class scores (batch, row, class), and the
    objectness (batch, row) where there is one.
    """

    boxes: Tensor
    objectness: Tensor | None
    class_scores: Tensor


@dataclass(frozen=True, eq=False)
class _Part:
    """One tensor as rows (batch, row, number), and whether an objectness stands after the box."""

    rows: Tensor
    objectness: bool

    @property
    def are_shares(self) -> bool:
        shares = self.rows[..., BOX:].detach()
        return bool(((shares >= 0) & (shares <= 1)).all())


def head_rows(outputs: object, classes: ClassOutputs) -> HeadRows | None:
    """All rows, those of several tensors taken together; None where the outputs hold none.

    Raises `TargetError` for rows that are said to be detections and hold no probabilities, where one of the classes
    is background and it is not known which, and for several sets of rows of which one is as good as another.
    """
    for tensors in _levels(outputs):
        if (beside := _beside(tensors, classes)) is not None:
            return beside
        parts = [part for each in tensors if (part := _oriented(each, classes, outputs)) is not None]
        if parts:
            rows = _together(parts, classes)
            return None if rows is None else _split(rows, classes)
    return None


def _levels(outputs: object) -> Iterator[list[Tensor]]:
    """The tensors of the outputs, then those of each list, tuple or dict among them, in order."""
    if isinstance(outputs, Tensor):
        yield [outputs]
    elif isinstance(outputs, Mapping | list | tuple):
        parts = list(outputs.values() if isinstance(outputs, Mapping) else outputs)
        yield [part for part in parts if isinstance(part, Tensor)]
        for part in parts:
            if not isinstance(part, Tensor):
                yield from _levels(part)


def _together(parts: Sequence[_Part], classes: ClassOutputs) -> _Part | None:
    """The rows of several strides as one; a decoded part may have a raw one beside it. None where they are no rows."""
    likely = [part for part in parts if part.are_shares] or parts
    first = likely[0]
    alike = [
        part for part in likely if part.objectness == first.objectness and part.rows.shape[2] == first.rows.shape[2]
    ]
    if first.are_shares and len({part.rows.shape for part in alike}) < len(alike):
        raise TargetError(
            f"the model returns {len(alike)} sets of rows of shape {tuple(first.rows.shape)}, as YOLOv9 and others "
            "with an auxiliary head do, and which of them is its answer is not known. Wrap the model so that it "
            "returns that one (of YOLOv9 the second)."
        )
    together = _Part(torch.cat([part.rows for part in alike], 1).float(), first.objectness)
    if together.are_shares:
        return together
    if classes.kind != "detections":
        return None
    shares = together.rows[..., BOX:].detach()
    raise TargetError(
        f"the rows of a detector hold probabilities after the box, and here they go from {float(shares.min()):.3g} "
        f"to {float(shares.max()):.3g}. Wrap the model so that they go through a sigmoid."
    )


def _split(part: _Part, classes: ClassOutputs) -> HeadRows:
    rows, start = part.rows, BOX + OBJECTNESS * part.objectness
    _check_background(rows[..., BOX:], part.objectness, classes)
    return HeadRows(rows[..., :BOX], rows[..., BOX] if part.objectness else None, rows[..., start:])


def _check_background(shares: Tensor, objectness: bool, classes: ClassOutputs) -> None:
    """`TargetError` where numbers that sum to 1 are read as an objectness and class scores, or have no names."""
    if (classes.count is None or objectness) and shares.shape[2] > 2 and are_probabilities(shares.flatten(0, 1)):
        raise TargetError(
            f"the {shares.shape[2]} numbers after each box sum to 1: they are a softmax over classes, one of which "
            "stands for no object, and which one is not known. Name all of them, in order, with it: "
            "Scope(…, classes=['background', …])."
        )


def _oriented(given: Tensor, classes: ClassOutputs, outputs: object) -> _Part | None:
    """A tensor as rows, None where it has none.

    Names tell by their count. Without any, more rows than numbers are taken for granted, and the usual form: an
    objectness where rows come before numbers, none where they come after.
    """
    if given.ndim != 3 or not given.is_floating_point():
        return None
    count = classes.count
    if count is not None:
        for extra in (BOX + OBJECTNESS, BOX):
            if given.shape[2] == count + extra:
                return _Part(given, extra > BOX)
            if given.shape[1] == count + extra:
                return _Part(given.transpose(1, 2), extra > BOX)
        return _with_more(given, count, classes, outputs)
    if classes.kind != "detections" or min(given.shape[1:]) <= BOX:
        return None
    rows_first = given.shape[1] >= given.shape[2]
    return _Part(given, given.shape[2] > BOX + 1) if rows_first else _Part(given.transpose(1, 2), False)


def _with_more(given: Tensor, count: int, classes: ClassOutputs, outputs: object) -> _Part | None:
    """Rows with more numbers behind the class scores, which are left out; None where they are not known to be such.

    They are where the outputs are said to be detections, or where there are as many as masks beside the rows, whose
    weights they are then.
    """
    masks = {part.shape[1] for each in _levels(outputs) for part in each if part.ndim == 4}
    for rows, objectness in ((given, True), (given.transpose(1, 2), False)):
        wanted = BOX + OBJECTNESS * objectness + count
        more, longer = rows.shape[2] - wanted, rows.shape[1] >= rows.shape[2]
        if more > 0 and (more in masks or (longer and classes.kind == "detections")):
            return _Part(rows[..., :wanted], objectness)
    return None


def _beside(tensors: Sequence[Tensor], classes: ClassOutputs) -> HeadRows | None:
    """Boxes (batch, row, 4) and probabilities (batch, row, class) that stand beside each other; None without such.

    Where there are four classes too, the probabilities are those that lie between 0 and 1, or that sum to 1.
    """
    every = [part for part in tensors if part.ndim == 3 and part.is_floating_point()]
    if len(every) != 2 or every[0].shape[:2] != every[1].shape[:2]:
        return None
    if classes.count is None and classes.kind != "detections":
        return None
    pairs = [pair for pair in (every, every[::-1]) if pair[0].shape[2] == BOX and _are_scores(pair[1], classes)]
    if len(pairs) > 1:
        pairs = [pair for pair in pairs if are_probabilities(pair[1].flatten(0, 1))]
    if len(pairs) != 1:
        return None
    ((boxes, scores),) = pairs
    _check_background(scores.detach(), False, classes)
    return HeadRows(boxes.float(), None, scores.float())


def _are_scores(part: Tensor, classes: ClassOutputs) -> bool:
    """Whether there is one for each class, if those are known, and all lie between 0 and 1."""
    shares = part.detach()
    return classes.count in (None, part.shape[2]) and bool(((shares >= 0) & (shares <= 1)).all())
