"""What a detector finds, as a target: an object in a box, or the class of one query."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.runtime.bound import Bound
from featuremaps.runtime.class_outputs import ClassOutputs
from featuremaps.runtime.outputs import Which, class_label, class_named, describe, needs_logits
from featuremaps.runtime.targets import Logit

NOTHING = "no object"
Finding = tuple[Float[Tensor, "box 4"], Float[Tensor, " box"]]
"""The boxes found in one picture, (left, top, right, bottom), and how sure each is of the label asked for."""


@dataclass(frozen=True)
class Query:
    """One query's or token's score of a class, of a model that gives (batch, queries, classes), as DETR does.

    One output more than names is "no object".
    """

    query: int
    which: Which = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        given = needs_logits(outputs, part=classes.part)
        if given.ndim != 3 or not 0 <= self.query < given.shape[1]:
            raise TargetError(
                f"Query({self.query}, …) needs scores (batch, queries, classes) with more queries than {self.query}; "
                f"the model gives shape {tuple(given.shape)}."
            )
        if classes.names is not None and len(classes.names) == given.shape[2] - 1:
            classes = replace(classes, names=(*classes.names, NOTHING))
        inner = Logit(self.which).bind(given[:, self.query], classes, batch)
        labels = tuple(f"{label} of query {self.query}" for label in inner.labels)

        def of_query(read: Callable[[Any, int], Tensor] | None) -> Callable[[Any, int], Tensor]:
            assert read is not None
            return lambda new, repeats: read(needs_logits(new, part=classes.part)[:, self.query], repeats)

        return Bound(
            labels,
            inner.indices,
            of_query(inner.rule),
            of_query(inner.probability),
            of_query(inner.every_class),
            mirrored="no",
        )


@dataclass(frozen=True)
class Box:
    """For detectors: how surely an object is found at `box` (left, top, right, bottom).

    The score is the sum of overlap (intersection over union) times confidence over the detections of that label, by
    number or name. Boxes are in pixels of the model's input in torchvision's format (a dict of boxes, labels and scores
    for each picture), and shares of its width and height (0 to 1) where a model gives a box and class scores for each
    of its queries, as DETR and YOLOS do. One output more than names is "no object", as many are labels that are no
    alternatives; without names `outputs="logits"` or `"multi_label"` of the scope says which.
    """

    box: Sequence[int | float] | Tensor | NDArray[Any]
    label: int | str | np.integer[Any] | None = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        box = [float(edge) for edge in self.box]
        if _queries(outputs) is not None and max(box) > 1:
            raise TargetError(
                f"{tuple(box)} looks like pixels, and this model gives boxes in shares of the picture: give the box in "
                "numbers from 0 to 1, left and right divided by its width, top and bottom by its height."
            )
        label = class_named(self.label, 0, classes.names) if isinstance(self.label, str) else self.label
        label = None if label is None else int(label)
        name = "object" if label is None else class_label(label, classes.names)
        edges = tuple(round(edge, 2 if max(box) <= 1 else None) for edge in box)

        def rule(new: object, _: int) -> Tensor:
            from torchvision.ops import box_iou

            found = [(box_iou(boxes.new_tensor([box]), boxes)[0], sure) for boxes, sure in _found(new, label, classes)]
            return torch.stack([(overlap * sure).sum() for overlap, sure in found])

        rule(outputs, 1)  # raises what does not fit
        return Bound((f"{name} at {edges}",) * batch, None, rule, mirrored="no")


def _found(outputs: object, label: int | None, classes: ClassOutputs) -> Sequence[Finding]:
    queries = _queries(outputs)
    if queries is not None:
        boxes, shares = _corners(queries[0]), _of_labels(queries[1], classes)
        _check_label(label, shares.shape[2])
        return list(zip(boxes, shares.amax(2) if label is None else shares[..., label], strict=True))
    if not isinstance(outputs, list | tuple) or not all(
        isinstance(each, Mapping) and "boxes" in each for each in outputs
    ):
        raise TargetError(
            f"Box needs a detector that returns boxes, labels and scores; the model returns {describe(outputs)}."
        )
    return [
        (each["boxes"], each["scores"] if label is None else each["scores"] * (each["labels"] == label))
        for each in outputs
    ]


def _queries(outputs: object) -> tuple[Tensor, Tensor] | None:
    """Boxes (batch, query, 4) and class scores (batch, query, class) where a model gives them for each query."""
    parts = []
    for names in (("pred_boxes",), ("logits", "pred_logits")):
        every = [outputs.get(name) if isinstance(outputs, Mapping) else getattr(outputs, name, None) for name in names]
        parts += [value for value in every if isinstance(value, Tensor) and value.ndim == 3][:1]
    return (parts[0], parts[1]) if len(parts) == 2 else None


def _corners(boxes: Float[Tensor, "batch query 4"]) -> Float[Tensor, "batch query 4"]:
    """From middle, width and height to left, top, right and bottom."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def _of_labels(scores: Float[Tensor, "batch query class"], classes: ClassOutputs) -> Float[Tensor, "batch query label"]:
    """The probability of each label for each query, without that of "no object"."""
    surplus = None if classes.names is None else scores.shape[2] - len(classes.names)
    if classes.kind == "multi_label" or (surplus == 0 and classes.kind is None):
        return scores.float().sigmoid()
    if surplus not in (None, 1) or (surplus is None and classes.kind is None):
        known = "no names" if classes.names is None else f"{len(classes.names)} names"
        raise TargetError(
            f'the model gives {scores.shape[2]} scores for each query, and {known} are known: whether one is "no '
            'object" is not. Name every label, or say Scope(…, outputs="logits") where the last one is, or '
            'outputs="multi_label" where none is.'
        )
    return scores.float().softmax(2)[..., :-1]


def _check_label(label: int | None, count: int) -> None:
    if label is not None and not 0 <= label < count:
        raise TargetError(f"label {label} is out of range: the model has {count} labels, 0 to {count - 1}.")
