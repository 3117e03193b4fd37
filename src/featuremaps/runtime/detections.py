"""What a detector finds, whatever form it gives it in: boxes in pixels of its input, their labels and scores.

Three forms are read: a dict of boxes, labels and scores for each picture (torchvision), a box and class scores for each
query (DETR, YOLOS), and rows of numbers, a box, perhaps an objectness, and class scores (YOLO).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.runtime.class_outputs import ClassOutputs
from featuremaps.runtime.outputs import class_label, describe

NO_OBJECT = frozenset({"__background__", "background", "N/A", "no object"})
"""Names of labels that stand for nothing that a detector finds."""
LEAST = 0.05
"""A row of numbers counts as a detection from this score on, as in torchvision's detectors; the best always does."""
OVERLAP = 0.45
"""Of rows of one label that overlap by more than this share, the surest is kept."""
MOST = 300
"""So many rows of a picture are kept."""


@dataclass(frozen=True)
class DetectedBox:
    """One thing found in a picture: `box` (left, top, right, bottom) in pixels of the model's input, label and score.

    `number` is its place among what was found in the picture, surest first; None where the box was given by the user.
    `index` is the label's number, None for any. `note` says why it should not be trusted.
    """

    label: str
    score: float
    box: tuple[float, float, float, float]
    index: int | None = None
    number: int | None = None
    note: str = ""

    @property
    def share(self) -> str:
        """The score in whole per cent."""
        return "<1%" if 0 < self.score < 0.005 else f"{self.score:.0%}"

    @property
    def name(self) -> str:
        """The label with its number, short enough for a figure."""
        return self.label if self.number is None else f"{self.number}: {self.label}"

    @property
    def place(self) -> str:
        """The box in whole pixels, as text."""
        return "({:.0f}, {:.0f}, {:.0f}, {:.0f})".format(*self.box)

    def __repr__(self) -> str:
        return f"{self.label} {self.score:.1%} at {self.place}"


@dataclass(frozen=True, eq=False)
class Detections:
    """What was found in one picture, surest first; `boxes` are (left, top, right, bottom) in pixels of the input.

    `class_scores` are the probabilities of all labels where the detector gives them, `objectness` that there is
    anything at all, where it says that apart.
    """

    boxes: Float[Tensor, "box 4"]
    labels: Int[Tensor, " box"]
    scores: Float[Tensor, " box"]
    class_scores: Float[Tensor, "box label"] | None = None
    objectness: Float[Tensor, " box"] | None = None

    def sure_of(self, label: int | None) -> Float[Tensor, " box"]:
        """How sure each box is of this label, or of its own for None."""
        if label is None:
            return self.scores
        if self.class_scores is None:
            return self.scores * (self.labels == label)
        sure = self.class_scores[:, label]
        return sure * self.objectness if self.objectness is not None and self.factored else sure

    factored: bool = False
    """Whether a score is the objectness times the class score."""

    def boxed(self, row: int, classes: ClassOutputs, label: int | None = None) -> DetectedBox:
        """Its detection of this row, of a label that need not be the surest; noted where its score is too low."""
        index = int(self.labels[row]) if label is None else label
        left, top, right, bottom = self.boxes[row].tolist()
        score = float(self.sure_of(label)[row].detach())
        name = class_label(index, classes.names)
        note = "" if score >= classes.threshold else _below(name, score, classes.threshold)
        return DetectedBox(name, score, (left, top, right, bottom), index, row, note)


def _below(label: str, score: float, threshold: float) -> str:
    return (
        f"Nothing was found with a score of {threshold:g} or more: this is the surest detection, {label} with "
        f"{score:.2g}. A lower threshold= shows others."
    )


def detections_of(outputs: object, classes: ClassOutputs) -> list[Detections]:
    """What was found in each picture; `TargetError` for outputs in a form that is not known."""
    found = detections_if_any(outputs, classes)
    if found is None:
        raise TargetError(
            f"the model returns {describe(outputs)}, in which no detections were found. A detector gives boxes, labels "
            "and scores: as a dict for each picture (torchvision), as pred_boxes and logits (DETR), or as rows of x, "
            "y, width, height, perhaps an objectness, and a probability for each class (YOLO), (batch, rows, 5 + "
            "classes) or (batch, 4 + classes, rows). Of such rows say Scope(…, classes=[…]) with as many names as "
            "there are classes, or outputs='detections'; wrap a model of another form so that it returns one of these."
        )
    return found


def detections_if_any(outputs: object, classes: ClassOutputs) -> list[Detections] | None:
    """The same, or None for a model that is no detector."""
    if is_listed(outputs):
        return [_of_dict(each) for each in outputs]  # type: ignore[attr-defined]
    queries = query_outputs(outputs)
    if queries is not None:
        return _of_queries(*queries, classes)
    rows = _rows(outputs, classes)
    return None if rows is None else [_of_rows(each, classes) for each in rows]


def form_of(outputs: object, classes: ClassOutputs) -> str:
    """In which form detections are given, in words; "" where there are none."""
    if is_listed(outputs):
        return "boxes, labels and scores of each picture"
    if (queries := query_outputs(outputs)) is not None:
        return f"boxes and class scores of {queries[0].shape[1]} queries"
    rows = _rows(outputs, classes)
    if rows is None:
        return ""
    objectness = "objectness, " if rows[0].objectness is not None else ""
    count = rows[0].class_scores.shape[1]
    return (
        f"{len(rows[0].boxes)} rows of x, y, width, height, {objectness}{count} class scores; of those that overlap "
        f"by more than {OVERLAP:.0%} the surest are kept"
    )


def is_listed(outputs: object) -> bool:
    """Whether these are a dict of boxes, labels and scores for each picture."""
    return (
        isinstance(outputs, list | tuple)
        and bool(outputs)
        and all(isinstance(each, Mapping) and "boxes" in each for each in outputs)
    )


def query_outputs(outputs: object) -> tuple[Tensor, Tensor] | None:
    """Boxes (batch, query, 4) and class scores (batch, query, class) where a model gives them for each query."""
    parts = []
    for names in (("pred_boxes",), ("logits", "pred_logits")):
        every = [outputs.get(name) if isinstance(outputs, Mapping) else getattr(outputs, name, None) for name in names]
        parts += [value for value in every if isinstance(value, Tensor) and value.ndim == 3][:1]
    return (parts[0], parts[1]) if len(parts) == 2 else None


def corners(boxes: Float[Tensor, "*boxes 4"]) -> Float[Tensor, "*boxes 4"]:
    """From middle, width and height to left, top, right and bottom."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def _of_dict(given: Mapping[str, Any]) -> Detections:
    for name in ("labels", "scores"):
        if name not in given:
            raise TargetError(
                "a detector gives boxes, labels and scores for each picture, and this one "
                f"{', '.join(map(repr, given))}: {name!r} is missing. Wrap the model so that it returns them."
            )
    order = given["scores"].detach().argsort(descending=True, stable=True)
    return Detections(given["boxes"][order], given["labels"][order].long(), given["scores"][order])


def _of_queries(boxes: Tensor, scores: Tensor, classes: ClassOutputs) -> list[Detections]:
    boxes = corners(boxes.float())
    if classes.space is not None:
        height, width = classes.space
        boxes = boxes * boxes.new_tensor([width, height, width, height])
    shares, something = query_shares(scores, classes)
    found = []
    for picture, each in enumerate(shares):
        sure, labels = each.max(1)
        order = sure.detach().argsort(descending=True, stable=True)
        objectness = None if something is None else something[picture, order]
        found.append(Detections(boxes[picture, order], labels[order], sure[order], each[order], objectness))
    return found


def query_shares(scores: Float[Tensor, "batch query class"], classes: ClassOutputs) -> tuple[Tensor, Tensor | None]:
    """The probability of each label for each query, without that of "no object", and that there is any object.

    The latter is None where labels are no alternatives.
    """
    names = classes.names
    named = None if names is None else len(names) - (names[-1] == "no object")
    surplus = None if named is None else scores.shape[2] - named
    if classes.kind == "multi_label" or (surplus == 0 and classes.kind is None):
        return scores.float().sigmoid(), None
    if surplus not in (None, 1) or (surplus is None and classes.kind is None):
        known = "no names" if named is None else f"{named} names"
        raise TargetError(
            f'the model gives {scores.shape[2]} scores for each query, and {known} are known: whether one is "no '
            'object" is not. Name every label, or say Scope(…, outputs="logits") where the last one is, or '
            'outputs="multi_label" where none is.'
        )
    shares = scores.float().softmax(2)
    return shares[..., :-1], 1 - shares[..., -1]


@dataclass(frozen=True, eq=False)
class _Rows:
    """All rows of a picture: boxes, the objectness where there is one, and class scores."""

    boxes: Tensor
    objectness: Tensor | None
    class_scores: Tensor


def _rows(outputs: object, classes: ClassOutputs) -> list[_Rows] | None:
    """The rows of each picture; None where the outputs hold none. Several tensors of them are taken together."""
    if isinstance(outputs, Tensor):
        outputs = [outputs]
    if not isinstance(outputs, list | tuple):
        return None
    parts = [_oriented(each, classes) for each in outputs if isinstance(each, Tensor)]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    objectness, width = known[0][1], known[0][0].shape[2]
    rows = torch.cat([each for each, with_it in known if with_it == objectness and each.shape[2] == width], 1).float()
    shares = rows[..., 4:].detach()
    if not bool(((shares >= 0) & (shares <= 1)).all()):
        if classes.kind != "detections":
            return None
        raise TargetError(
            f"the rows of a detector hold probabilities after the box, and here they go from {float(shares.min()):.3g} "
            f"to {float(shares.max()):.3g}. Wrap the model so that they go through a sigmoid."
        )
    return [_Rows(corners(each[:, :4]), each[:, 4] if objectness else None, each[:, 4 + objectness :]) for each in rows]


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


def _of_rows(rows: _Rows, classes: ClassOutputs) -> Detections:
    """What stays of a picture's rows: sure enough, and of those that overlap in one label the surest."""
    from torchvision.ops import batched_nms

    every = rows.class_scores if rows.objectness is None else rows.class_scores * rows.objectness[:, None]
    sure, labels = every.max(1)
    certain = sure.detach()
    likely = (certain >= min(LEAST, classes.threshold)).nonzero()[:, 0]
    likely = likely if len(likely) else certain.argmax()[None]
    kept = likely[batched_nms(rows.boxes[likely].detach(), certain[likely], labels[likely], OVERLAP)[:MOST]]
    objectness = None if rows.objectness is None else rows.objectness[kept]
    return Detections(
        rows.boxes[kept], labels[kept], sure[kept], rows.class_scores[kept], objectness, objectness is not None
    )


def chosen_rows(found: Detections, label: int | None, threshold: float) -> Sequence[int]:
    """The detections, of a label if one is named, whose score is at least `threshold`; the surest where none is."""
    sure = found.sure_of(label).detach()
    if label is not None:  # a detection is one of the label that it is surest of
        above = ((sure >= threshold) & (found.labels == label)).nonzero()[:, 0].tolist()
    else:
        above = (sure >= threshold).nonzero()[:, 0].tolist()
    if above or not len(sure) or not float(sure.max()) > 0:
        return above
    return [int(sure.argmax())]
