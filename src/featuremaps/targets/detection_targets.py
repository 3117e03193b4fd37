"""What a detector finds, as a target: an object in a box, each or one of those found, or the class of one query."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.detections import (
    DetectedBox,
    Detections,
    check_pictures,
    chosen_rows,
    detections_if_any,
    detections_of,
    is_no_object,
    query_outputs,
)
from featuremaps.outputs.outputs import Which, check_length, class_label, class_named, needs_logits
from featuremaps.targets.bound import Bound, Several, Target
from featuremaps.targets.box_scores import OfFound, Wanted, best_score, for_each, intersection_over_union, likeness
from featuremaps.targets.targets import Each, Logit, Named

NOTHING = "no object"
Label = int | str | np.integer[Any]


@dataclass(frozen=True)
class Query:
    """One query's or token's score of a class, of a model that gives (batch, queries, classes), as DETR does.

    Args:
        query: The number of the query, from 0 on.
        which: A class by index or name, one for each picture, or `None` for each picture's top prediction. One output
            more than names is "no object".
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

    The score is the sum of overlap (intersection over union) times confidence over the detections of that label. Where
    a model gives class scores for each of its queries, as DETR and YOLOS do, one output more than names is "no object",
    as many are labels that are no alternatives, and without names `outputs="logits"` or `"multi_label"` of the scope
    says which.

    Args:
        box: Left, top, right and bottom in pixels of the model's input, or, all from 0 to 1, in shares of its width and
            height.
        label: The object's label, by number or name; any without it.
    """

    box: Sequence[int | float] | Tensor | NDArray[Any]
    label: Label | None = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        edges = _edges(self.box)
        shares = max(map(abs, edges)) <= 1 and (classes.space is not None or query_outputs(outputs) is not None)
        found = _found(outputs, classes, batch)
        label = label_of(self.label, classes, found)
        box = _in_pixels(edges, shares, query_outputs(outputs) is not None, classes)
        name = "object" if label is None else class_label(label, classes.names)
        shown = tuple(round(edge, 2 if shares else None) for edge in edges)

        def of_found(found: Sequence[Detections]) -> Tensor:
            return torch.stack([(intersection_over_union(box, each) * each.sure_of(label)).sum() for each in found])

        scores = of_found(found).detach().tolist()
        corners = (box[0], box[1], box[2], box[3])
        boxes = tuple(DetectedBox(name, score, corners, label) for score in scores)
        similarity = for_each([Wanted(box, label, None)] * batch, likeness)
        labels = (f"{name} at {shown}",) * batch
        return _of_boxes(labels, boxes, of_found, similarity, classes)


@dataclass(frozen=True)
class Detection:
    """One of the things that a detector finds in each picture.

    The score is the detector's own for it. In other pictures it is that of the detection that fits best, overlap
    (intersection over union) times score.

    Args:
        number: Its place among what is found, surest first, counted from 0.
        label: A label, by number or name, that alone is counted; all without it.
    """

    number: int = 0
    label: Label | None = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        if not _is_whole(self.number):
            raise TargetError(f"Detection({self.number!r}) counts from 0: its number is a whole one.")
        found = _found(outputs, classes, batch)
        label = label_of(self.label, classes, found)
        rows = []
        for picture, each in enumerate(found):
            sure = each.sure_of(label).detach()
            if label is not None and each.class_scores is None:
                sure = torch.where(each.labels == label, sure, -1.0)
            known = [row for row in sure.argsort(descending=True, stable=True).tolist() if sure[row] >= 0]
            if not 0 <= self.number < len(known):
                name = "" if label is None else f" of {class_label(label, classes.names)!r}"
                raise TargetError(
                    f"Detection({self.number}) counts from 0, surest first, and the detector has {len(known)} "
                    f"detections{name} in picture {picture} of this batch."
                )
            rows.append(known[self.number])
        return _bound([[row] for row in rows], found, [label] * batch, classes)[0]


@dataclass(frozen=True)
class EachDetection:
    """Each thing found in a picture whose score is high enough, of one label or any; the surest where none is.

    Several labels are one for each picture.
    """

    label: Label | Sequence[Label] | None = None

    def bind_each(self, outputs: object, classes: ClassOutputs, batch: int) -> Sequence[Bound]:
        """See `Several`."""
        found = _found(outputs, classes, batch)
        given = (
            [self.label] * batch if self.label is None or isinstance(self.label, int | str | np.integer) else self.label
        )
        check_length(len(given), batch)
        labels = [label_of(each, classes, found) for each in given]
        rows = [chosen_rows(each, label, classes.threshold) for each, label in zip(found, labels, strict=True)]
        return _bound(rows, found, labels, classes)


def bound_targets(
    target: Target | Several | Bound, outputs: object, classes: ClassOutputs, batch: int
) -> Sequence[Bound]:
    """A target, or each of several, for a batch whose outputs are known.

    Of a detector a class, or nothing, means each thing found of it; among other targets, one per picture, the surest.
    """
    if isinstance(target, Bound):
        return [target]
    named = target.targets if isinstance(target, Each) else (target,)
    if isinstance(target, Named | Logit | Each) and any(isinstance(each, Named | Logit) for each in named):
        read = detections_of if classes.kind == "detections" else detections_if_any
        target = target if read(outputs, classes) is None else _of_detector(target)
    if isinstance(target, Several):
        return target.bind_each(outputs, classes, batch)
    return [target.bind(outputs, classes, batch)]


def _of_detector(target: Named | Logit | Each) -> Target | Several:
    """What a class, one for each picture, or a list with classes among other targets means of a detector."""
    if not isinstance(target, Each):
        return EachDetection(_labels(target.which))
    return Each(tuple(_surest(each.which) if isinstance(each, Named | Logit) else each for each in target.targets))


def _surest(which: Any) -> Detection:
    return Detection(0, int(which) if isinstance(which, Tensor) else which)


def _found(outputs: object, classes: ClassOutputs, batch: int) -> list[Detections]:
    """What was found in each picture; `TargetError` where that is of another number of pictures."""
    found = detections_of(outputs, classes)
    check_pictures(found, batch)
    return found


def _labels(which: Which) -> Label | Sequence[Label] | None:
    """A label for all pictures, or one for each."""
    if which is None or isinstance(which, int | str | np.integer):
        return which
    return tuple(which.tolist() if isinstance(which, Tensor | np.ndarray) else which)


def _is_whole(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def label_of(given: Label | None, classes: ClassOutputs, found: Sequence[Detections]) -> int | None:
    """The number of a label; `TargetError` for one that the detector does not have."""
    if given is None:
        return None
    if not isinstance(given, str) and not _is_whole(given):
        raise TargetError(f"label {given!r} is not understood: give its number, a whole one, or its name.")
    scores = found[0].class_scores
    count = classes.count if scores is None else scores.shape[1]
    label = class_named(given, count or 0, classes.names) if isinstance(given, str) else int(given)
    if label < 0 or (count is not None and label >= count):
        raise TargetError(f"label {label} is out of range: the model has {count} labels, 0 to {(count or 1) - 1}.")
    if is_no_object(name := class_label(label, classes.names)):
        raise TargetError(
            f"label {label} is {name!r}, which stands for nothing that the detector finds: it was never taught any "
            "object of this number. Give another label, by number or name."
        )
    return label


def _edges(box: object) -> list[float]:
    """Left, top, right and bottom; `TargetError` for anything else."""
    given = box.tolist() if isinstance(box, Tensor | np.ndarray) else box
    numbers = list(given) if isinstance(given, list | tuple) else []
    known = all(isinstance(edge, int | float | np.number) and math.isfinite(edge) for edge in numbers)
    edges = [float(edge) for edge in numbers] if known else []
    if len(edges) != 4 or not (edges[0] < edges[2] and edges[1] < edges[3]):
        raise TargetError(
            f"box {given!r} is not understood: give left, top, right and bottom, four numbers, right beyond left and "
            "bottom beyond top."
        )
    return edges


def _in_pixels(edges: list[float], shares: bool, queries: bool, classes: ClassOutputs) -> list[float]:
    """A box in pixels of the input, or in shares of it where its size is not known; `TargetError` for one outside."""
    given, scale = tuple(edges), [1.0] * 4
    if classes.space is None:
        if queries and not shares:
            raise TargetError(
                f"{given} looks like pixels, and the size of the model's input is not known here: give the box in "
                "numbers from 0 to 1, left and right divided by its width, top and bottom by its height."
            )
        return edges
    height, width = classes.space
    if shares:
        scale = [width, height, width, height]
    left, top, right, bottom = box = [edge * side for edge, side in zip(edges, scale, strict=True)]
    if right <= 0 or bottom <= 0 or left >= width or top >= height:
        raise TargetError(
            f"box {given} lies outside the picture, which the model gets {width} pixels wide and {height} high. Boxes "
            "are in pixels of the model's input: scope.see(picture).seen[0].size says how large that is."
        )
    return box


def _bound(
    rows: Sequence[Sequence[int]], found: Sequence[Detections], labels: Sequence[int | None], classes: ClassOutputs
) -> list[Bound]:
    """A target for the first row chosen of each picture, for the second, and so on."""
    return [_nth(number, rows, found, labels, classes) for number in range(max(map(len, rows), default=0))]


def _nth(
    number: int,
    rows: Sequence[Sequence[int]],
    found: Sequence[Detections],
    labels: Sequence[int | None],
    classes: ClassOutputs,
) -> Bound:
    boxes: list[DetectedBox | None] = []
    wanted: list[Wanted | None] = []
    for chosen, each, label in zip(rows, found, labels, strict=True):
        if number >= len(chosen):
            boxes.append(None)
            wanted.append(None)
            continue
        row = chosen[number]
        box = each.boxed(row, classes, label)
        scores = None if each.class_scores is None else each.class_scores[row].detach()
        boxes.append(box)
        wanted.append(Wanted(box.box, box.index, scores, box.score))

    titles = tuple("" if box is None else f"{box.label}, detection {box.number}" for box in boxes)
    return _of_boxes(titles, tuple(boxes), for_each(wanted, best_score), for_each(wanted, likeness), classes)


def _of_boxes(
    labels: tuple[str, ...],
    boxes: tuple[DetectedBox | None, ...],
    of_found: OfFound,
    similarity: OfFound,
    classes: ClassOutputs,
) -> Bound:
    return Bound(
        labels,
        None,
        lambda new, _: of_found(detections_of(new, classes)),
        mirrored="no",
        boxes=boxes,
        of_found=of_found,
        similarity=similarity,
    )
