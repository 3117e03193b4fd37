"""What a detector finds, whatever form it gives it in: boxes in pixels of its input, their labels and scores.

Three forms are read: boxes, labels and scores listed for each picture (torchvision), a box and class scores for each
query (DETR, YOLOS), and the rows of a head, a box, perhaps an objectness, and class scores (YOLO).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.layers.listed_detections import listed_of
from featuremaps.outputs.box_form import BoxForm, form_of_corners, form_of_rows
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.head_rows import HeadRows, head_rows
from featuremaps.outputs.no_scores import describe
from featuremaps.outputs.outputs import class_label

NO_OBJECT = frozenset({"__background__", "background", "bg", "n/a", "no object"})
"""Names of labels that stand for nothing that a detector finds, in small letters."""
LEAST = 0.05
"""A row of numbers counts as a detection from this score on, as in torchvision's detectors; the best always does."""
OVERLAP = 0.45
"""Of rows of one label that overlap by more than this share, the surest is kept."""
MOST = 300
"""So many rows of a picture are kept."""
OF_BOXES = (
    "the model is a detector: it scores the boxes that it finds, and no class for the whole picture. Give target= a "
    "label, by number or name, for each box of it, Detection(0) for the surest, or Box((left, top, right, bottom), "
    "label)."
)
MAY_BE_CORNERS = (
    "The box is read as x, y, width and height, as rows usually have it; taken for left, top, right and bottom, all "
    "boxes found would lie within the picture too. If they are those, wrap the model so that it gives dicts of boxes, "
    "labels and scores."
)


@dataclass(frozen=True)
class DetectedBox:
    """One thing found in a picture: `box` (left, top, right, bottom) in pixels of the model's input, label and score.

    `number` is its place among what was found in the picture, surest first; None where the box was given by the user.
    `index` is the label's number, None for any. `note` says why it should not be trusted; `unsure` is whether that is
    because its score is below the threshold, and it the surest.
    """

    label: str
    score: float
    box: tuple[float, float, float, float]
    index: int | None = None
    number: int | None = None
    note: str = ""
    unsure: bool = False

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
        low = "" if score >= classes.threshold else _below(name, score, classes.threshold)
        note = f"{low} {MAY_BE_CORNERS}".strip() if classes.boxes is not None and classes.boxes.doubted else low
        return DetectedBox(name, score, (left, top, right, bottom), index, row, note, bool(low))


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
    listed = listed_of(outputs, _told(classes))
    if listed is not None:
        form = classes.boxes or form_of_corners([each["boxes"] for each in listed])
        return [_of_dict(each, form, classes) for each in listed]
    queries = query_outputs(outputs)
    if queries is not None:
        return _of_queries(*queries, classes)
    rows = head_rows(outputs, classes)
    return None if rows is None else _of_rows(rows, classes)


def check_pictures(found: Sequence[Detections], batch: int) -> None:
    """`TargetError` where what was found is of another number of pictures than the `batch` has."""
    if len(found) != batch:
        raise TargetError(
            f"the detector gives what it finds in {len(found)} picture{'s' if len(found) > 1 else ''}, and was given "
            f"{batch}. Wrap it so that it returns boxes, labels and scores for each of them, or run the pictures one "
            "by one, batch_size=1."
        )


def _told(classes: ClassOutputs) -> bool:
    """Whether the outputs are known to be detections: by the user, or by those of pictures before."""
    return classes.kind == "detections" or classes.boxes is not None


def seen_boxes(outputs: object, classes: ClassOutputs) -> ClassOutputs:
    """The same with the form in which a detector gives its boxes, as is told from those of some pictures.

    Of any other model as it is.
    """
    form = _box_form(outputs, classes)
    if form is None:
        return classes
    return replace(classes, boxes=form, unread=classes.unread if query_outputs(outputs) is not None else OF_BOXES)


def _box_form(outputs: object, classes: ClassOutputs) -> BoxForm | None:
    """In which form the boxes of a detector are; None of any other model."""
    listed = listed_of(outputs, _told(classes))
    if listed is not None:
        return form_of_corners([each["boxes"] for each in listed])
    if (queries := query_outputs(outputs)) is not None:
        return _form_of_queries(queries[0], classes)
    rows = head_rows(outputs, classes)
    return None if rows is None else form_of_rows(rows.boxes, classes.space)


def form_of(outputs: object, classes: ClassOutputs) -> str:
    """In which form detections are given, in words; "" where there are none."""
    form = classes.boxes or _box_form(outputs, classes)
    if form is None:
        return ""
    if listed_of(outputs, _told(classes)) is not None:
        return "boxes, labels and scores of each picture" + (", in shares of its size" if form.shares else "")
    if (queries := query_outputs(outputs)) is not None:
        usual = form == BoxForm(shares=True)
        return f"boxes{'' if usual else f' ({form.words})'} and class scores of {queries[0].shape[1]} queries"
    rows = head_rows(outputs, classes)
    assert rows is not None
    objectness = "objectness, " if rows.objectness is not None else ""
    return (
        f"{rows.boxes.shape[1]} rows of {form.words}, {objectness}{rows.class_scores.shape[2]} class scores; of those "
        f"that overlap by more than {OVERLAP:.0%} the surest are kept"
    )


def query_outputs(outputs: object) -> tuple[Tensor, Tensor] | None:
    """Boxes (batch, query, 4) and class scores (batch, query, class) where a model gives them for each query."""
    parts = []
    for names in (("pred_boxes",), ("logits", "pred_logits")):
        every = [outputs.get(name) if isinstance(outputs, Mapping) else getattr(outputs, name, None) for name in names]
        parts += [value for value in every if isinstance(value, Tensor) and value.ndim == 3][:1]
    return (parts[0], parts[1]) if len(parts) == 2 else None


def _form_of_queries(boxes: Tensor, classes: ClassOutputs) -> BoxForm:
    """How boxes called `pred_boxes` are given: by their middles without a doubt, unless they tell otherwise."""
    return replace(form_of_rows(boxes, classes.space), doubted=False)


def _of_dict(given: Mapping[str, Tensor], form: BoxForm, classes: ClassOutputs) -> Detections:
    order = given["scores"].detach().argsort(descending=True, stable=True)
    labels = given["labels"][order].long()
    if classes.count is not None and len(labels) and not 0 <= int(labels.max()) < classes.count:
        raise TargetError(
            f"the detector gives label {int(labels.max())}, and {classes.count} names are known, 0 to "
            f"{classes.count - 1}. Name every label from 0 on: those of torchvision's detectors begin with "
            "'__background__', which is number 0."
        )
    return Detections(form.in_pixels(given["boxes"][order], classes.space), labels, given["scores"][order])


def _of_queries(boxes: Tensor, scores: Tensor, classes: ClassOutputs) -> list[Detections]:
    boxes = (classes.boxes or _form_of_queries(boxes, classes)).in_pixels(boxes, classes.space)
    shares, something = query_shares(scores, classes)
    found = []
    for picture, each in enumerate(shares):
        sure, labels = of_objects(each, classes).max(1)
        order = sure.detach().argsort(descending=True, stable=True)
        objectness = None if something is None else something[picture, order]
        found.append(Detections(boxes[picture, order], labels[order], sure[order], each[order], objectness))
    return found


def is_no_object(name: str) -> bool:
    """Whether a label of this name stands for nothing that a detector finds."""
    return name.strip().lower() in NO_OBJECT


def of_objects(scores: Float[Tensor, "row label"], classes: ClassOutputs) -> Float[Tensor, "row label"]:
    """The same scores, 0 for labels whose names stand for no object."""
    nothing = [index for index, name in enumerate(classes.names or ()) if is_no_object(name)]
    nothing = [index for index in nothing if index < scores.shape[1]]
    return scores.index_fill(1, torch.tensor(nothing, device=scores.device), 0) if nothing else scores


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


def _of_rows(rows: HeadRows, classes: ClassOutputs) -> list[Detections]:
    boxes = (classes.boxes or form_of_rows(rows.boxes, classes.space)).in_pixels(rows.boxes, classes.space)
    objectness = [None] * len(boxes) if rows.objectness is None else rows.objectness
    return [_kept_rows(*each, classes) for each in zip(boxes, objectness, rows.class_scores, strict=True)]


def _kept_rows(boxes: Tensor, objectness: Tensor | None, class_scores: Tensor, classes: ClassOutputs) -> Detections:
    """What stays of a picture's rows: sure enough, and of those that overlap in one label the surest."""
    from torchvision.ops import batched_nms

    every = class_scores if objectness is None else class_scores * objectness[:, None]
    sure, labels = of_objects(every, classes).max(1)
    certain = sure.detach()
    likely = (certain >= min(LEAST, classes.threshold)).nonzero()[:, 0]
    likely = likely if len(likely) else certain.argmax()[None]
    kept = likely[batched_nms(boxes[likely].detach(), certain[likely], labels[likely], OVERLAP)[:MOST]]
    objectness = None if objectness is None else objectness[kept]
    return Detections(boxes[kept], labels[kept], sure[kept], class_scores[kept], objectness, objectness is not None)


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
