"""What a model's outputs are: the names of its classes, and whether their scores are logits or probabilities."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.layers.known import known_layers
from featuremaps.layers.listing import Layers
from featuremaps.layers.model_output import WHOLE, FollowedOutput, Key, is_named
from featuremaps.options import OutputKind
from featuremaps.outputs.box_form import BoxForm
from featuremaps.outputs.heatmap_doubts import beside_boxes, like_heatmaps
from featuremaps.outputs.no_scores import describe
from featuremaps.outputs.outputs import (
    are_probabilities,
    candidates,
    have_unit_length,
    last_of,
    logits_of,
    needs_logits,
    scores_of,
    scores_part,
)
from featuremaps.receptive_field import Range
from featuremaps.session import Session

WAY_OUT = (
    "say what its scores are, outputs=…, or wrap the model, so that it gives of distances their negatives: the largest "
    "score is the answer."
)
RANKED = (
    "the model gives its scores sorted (by topk or sort), so which class each is of is not known from them. Wrap it so "
    "that it returns the scores of all classes in their own order, or give target= a function from its output to one "
    "score per picture."
)
EMBEDDING = "image_embeds"
"""What models of pictures and texts call the embedding that they compare."""
OF_EMBEDDING = (
    "the numbers are called image_embeds, an embedding, which target=Similarity(…) compares with another, and none of "
    "them is a class"
)
ReadOutputs = Callable[[Any, int], Tensor]
"""What is read from a model's outputs, so many of which in a row belong to one picture."""


@dataclass(frozen=True)
class ClassOutputs:
    """The names of the outputs, in order, and what their scores are; None for what is not known.

    `part` of what the model returns has the scores, (batch, classes, time) if they are of a `signal`. `told` says how
    that is known, `unread` why the outputs hold no class scores though they look as if they did, `squashed` why they
    are hardly what they are taken for. They are the first `among` so many tensors alike, of which nothing says which is
    the answer. `space` is the size of the inputs that they were seen for, without channels, of which scores of places
    leave the margins `uncovered`, before and behind along each axis.
    Something that a detector finds counts from a score of `threshold` on; `boxes` is the form in which it gives them.
    """

    names: tuple[str, ...] | None = None
    kind: OutputKind | None = None
    part: Key | None = None
    told: str = "as outputs= says"
    unread: str = ""
    squashed: str = ""
    among: int = 1
    signal: bool = False
    space: tuple[int, ...] | None = None
    threshold: float = 0.5
    uncovered: tuple[tuple[int, int], ...] = ()
    boxes: BoxForm | None = None

    @property
    def count(self) -> int | None:
        """How many classes have names."""
        return None if self.names is None else len(self.names)

    def given(self, outputs: object, pictures: int | None = None) -> Float[Tensor, "batch outputs"]:
        """The scores as the model gives them; `TargetError` where there are none."""
        if self.unread:
            raise TargetError(self.unread)
        if self.kind == "detections":
            raise TargetError(
                "outputs='detections' says that the model is a detector, and in what it returns no boxes, labels and "
                "scores were found: for any other model leave it out."
            )
        return scores_of(outputs, pictures, self.count, self.part, signal=self.signal)

    def logits(self, outputs: object) -> Tensor | None:
        """The tensor of scores in whatever the model returns, if there is one."""
        return None if self.unread or self.kind == "detections" else logits_of(outputs, self.count, self.part)

    def given_if_any(self, outputs: object, pictures: int) -> Float[Tensor, "batch outputs"] | None:
        """One score per class and picture where the model gives such; None where it gives something else."""
        logits = self.logits(outputs)
        if logits is None or (logits.ndim == 3 and not self.signal) or not logits.is_floating_point():
            return None
        squeezed = pictures == 1 and logits.ndim < 2
        counted = squeezed or (logits.ndim > 0 and len(logits) == pictures)
        return self.given(outputs, pictures) if counted else None

    def scores(self, outputs: object, pictures: int | None = None) -> Float[Tensor, "batch classes"]:
        """The classes' scores before the softmax, or what the model gives in their place.

        One score with two names is that of the second; the first, its opposite, has the negative score.
        """
        return self.scores_in(self.given(outputs, pictures))

    def scores_in(self, given: Float[Tensor, "batch outputs *space"]) -> Float[Tensor, "batch classes *space"]:
        """The same of what the model gives for each picture, or for each place of it."""
        if not self._has_opposite(given):
            return given
        return torch.cat([1 - given if self.known_for(given) == "probabilities" else -given, given], 1)

    def probabilities(self, outputs: object, pictures: int | None = None) -> Float[Tensor, "batch classes"]:
        """The classes' probabilities, float32, which are not squashed again where the model gives them.

        By softmax of logits, or by sigmoid where they are no alternatives; of dense scores the mean over the places.
        """
        given, dense = self.given(outputs, pictures), self.logits(outputs)
        if dense is None or dense.ndim < 3:
            return self.probabilities_in(given)
        return self.probabilities_in(dense).flatten(2).mean(2)

    def probabilities_in(self, given: Float[Tensor, "batch outputs *space"]) -> Float[Tensor, "batch classes *space"]:
        """The same of what the model gives for each picture, or for each place of it."""
        kind, shares = self.known_for(given), given.float()
        if kind == "multi_label" or (kind == "logits" and given.shape[1] == 1):
            shares = shares.sigmoid()
        elif kind != "probabilities":
            shares = shares.exp() if kind == "log_probabilities" else shares.softmax(1)
        return torch.cat([1 - shares, shares], 1) if self._has_opposite(given) else shares

    def _has_opposite(self, given: Tensor) -> bool:
        return given.shape[1] == 1 and self.count == 2

    def bounded(self, by: Range) -> "ClassOutputs":
        """The same for a model whose operations keep its scores between these values."""
        if by.low >= 0 and by.high <= 1:
            return replace(self, kind="probabilities", told="the model keeps them between 0 and 1")
        if by.high <= 0 and by.logarithm:
            return replace(self, kind="log_probabilities", told="the model gives logarithms")
        if by.low >= 0 and not by.rectified:
            between = f"between {by.low:g} and {by.high:g}" if by.high < math.inf else f"above {by.low:g}"
            return replace(self, squashed=f"the model keeps its scores {between}, as no logits are")
        return self

    def known_for(self, given: Float[Tensor, "batch outputs *space"]) -> OutputKind:
        """What these scores are: as was said, as their values show, or logits."""
        return self.kind or ("probabilities" if are_probabilities(given) else "logits")

    def describe(self, scores: Float[Tensor, "batch outputs"]) -> str:
        """How these scores are read, and why."""
        kind = self.known_for(scores)
        made = {
            "probabilities": "taken as probabilities, as they are",
            "log_probabilities": "taken as logarithms of probabilities",
            "multi_label": "made probabilities by a sigmoid each",
            "logits": f"made probabilities by a {'sigmoid' if scores.shape[1] == 1 else 'softmax'}",
        }[kind]
        assumed = f"assumed, but {self.squashed}" if self.squashed else "assumed"
        why = self.told if self.kind else "by their values" if kind == "probabilities" else assumed
        count = f"{scores.shape[1]} class score{'s' if scores.shape[1] > 1 else ''}"
        count += f" in part {self.part!r} of what the model returns" if self.part not in (None, WHOLE) else ""
        return f"{count}, {made} ({why}); {'names were given' if self.names else 'their names are not known'}"


def seen_outputs(session: Session, inputs: Tensor, outputs: object, classes: ClassOutputs) -> ClassOutputs:
    """The same with what is seen of the scores: in which part of the outputs they are, and what they are kept between.

    The model's graph is asked only where the outputs leave it open.
    """
    return as_followed(classes, outputs, inputs.shape, lambda: known_layers(session.model, inputs, session.layout))


def as_followed(
    classes: ClassOutputs, outputs: object, inputs: Sequence[int], known: Callable[[], Layers]
) -> ClassOutputs:
    """See `seen_outputs`, for inputs of this shape; the layers are asked for where they are needed."""
    pictures = inputs[0]
    part, possible = scores_part(outputs, classes.count), candidates(outputs, classes.count)
    if part is not None and is_named(part, "out"):  # which may be of anything
        possible = candidates(outputs, classes.count, named=False)
    if len(possible) > 1:
        last = last_of(possible, {key: followed.after for key, followed in known().outputs.items()})
        part = part if last is None else last
        if last is None and (several := _equal_maps(possible)):
            classes = replace(classes, unread=several)
        if last is None and part is not None:
            classes = replace(classes, among=sum("aux" not in str(key) for key in possible))
    classes = replace(classes, part=part, space=tuple(inputs[2:]))
    if part is not None and needs_logits(outputs, part=part).ndim > len(inputs):
        return replace(classes, unread=_more_axes(tuple(needs_logits(outputs, part=part).shape), len(inputs)))
    if part is not None and len(inputs) == 3 and needs_logits(outputs, part=part).ndim == 3:
        read = _known(known, part)
        shape = tuple(needs_logits(outputs, part=part).shape)
        classes = replace(classes, signal=read.places == (False, False, True), unread=_unread(shape, read, inputs))
    if part is not None and len(inputs) == 4 and _like_the_picture(needs_logits(outputs, part=part).shape, inputs):
        classes = replace(classes, unread=_without_classes(needs_logits(outputs, part=part), _known(known, part)))
    given = classes.given_if_any(outputs, pictures)
    if part is None or given is None:
        return classes
    shape = tuple(needs_logits(outputs, part=part).shape)
    if len(shape) > 3 or shape == (pictures, pictures) != (1, 1):
        read = _known(known, part)
        classes = replace(classes, unread=_unread(shape, read, inputs), uncovered=read.uncovered)
    if not classes.unread and _falls(given) and _known(known, part).ranked:
        classes = replace(classes, unread=RANKED)
    if classes.unread:
        return classes
    if classes.kind is None and classes.names is None and have_unit_length(given):
        return replace(classes, squashed="the numbers of every picture have length 1, as embeddings have")
    if classes.kind is None and classes.names is None and is_named(part, EMBEDDING):
        return replace(classes, squashed=OF_EMBEDDING)
    if (
        classes.kind not in (None, "multi_label")
        or are_probabilities(given)
        or (bool((given < 0).any()) and bool((given > 0).any()))
    ):
        return classes
    bounds = _known(known, part).range
    return classes.bounded(bounds) if classes.kind is None or 0 <= bounds.low <= bounds.high <= 1 else classes


def _falls(given: Float[Tensor, "batch outputs"]) -> bool:
    """Whether no score is larger than the one before it, in any picture."""
    return given.shape[1] > 1 and bool((given[:, 1:] <= given[:, :-1]).all())


def _more_axes(shape: tuple[int, ...], axes: int) -> str:
    return (
        f"the model gives shape {shape}, which has more axes than the {axes} of its input: more than class scores of "
        "places, such as what a detector's head gives for each anchor before it is made boxes. Wrap the model so that "
        "it returns class scores (batch, classes, …places), or of a detector boxes, labels and scores; or give target= "
        "a function from its output to one score per picture."
    )


def _equal_maps(possible: Mapping[Key, Tensor]) -> str:
    """Why none of several maps of class scores is taken, of which one is as good as another; else nothing."""
    answers = [tensor for key, tensor in possible.items() if "aux" not in str(key)]
    shapes = {tuple(tensor.shape) for tensor in answers}
    if len(answers) < 2 or len(shapes) > 1 or len(next(iter(shapes))) < 4:
        return ""
    return (
        f"the model returns {len(answers)} maps of class scores of shape {next(iter(shapes))}, as models with deep "
        "supervision do, and detectors of centres beside sizes and offsets, and which one is its answer is not known. "
        "Wrap the model so that it returns that one, or give target= a function from the model's output to one score "
        "per picture."
    )


def _known(known: Callable[[], Layers], part: Key) -> FollowedOutput:
    return known().outputs.get(part, FollowedOutput())


def _like_the_picture(shape: Sequence[int], inputs: Sequence[int]) -> bool:
    """Whether scores (batch, row, column) have about the proportions of the picture."""
    if len(shape) != 3 or min(shape) == 0:
        return False
    down, across = (side / into for side, into in zip(inputs[2:], shape[1:], strict=True))
    return math.isclose(down, across, rel_tol=0.1)


def _without_classes(given: Tensor, known: FollowedOutput) -> str:
    """Why a score for each place of the picture is not read where there is no axis of classes; else nothing."""
    if known.places not in ((False, True, True), (True, True)):  # the latter of a single picture, squeezed
        return ""
    return (
        f"the model gives shape {tuple(given.shape)}: one score for each place of the picture, without an axis of "
        "classes. Wrap it so that it returns (batch, 1, height, width), as scores.unsqueeze(1) does, or give target= a "
        "function from its output to one score per picture."
    )


def _unread(shape: tuple[int, ...], known: FollowedOutput, inputs: Sequence[int]) -> str:
    """Why scores do not lie as (batch, classes, …places), in words; "" where they do, or nobody knows."""
    if known.picture_axis:
        return (
            f"the model gives shape {shape}, in which axis {known.picture_axis} counts the pictures. Wrap it so that "
            "it returns (batch, classes), or give target= a function from its output to one score per picture."
        )
    places = [axis for axis, walks in enumerate(known.places) if walks] or _likely_places(shape, inputs)
    if not places or places == list(range(2, len(shape))):
        return ""
    return (
        f"the model gives shape {shape}, in which the picture's places lie along axes "
        f"{', '.join(map(str, places))}, and class scores are read from (batch, classes, …places). Wrap the model so "
        "that it returns that, or give target= a function from its output to one score per picture."
    )


def _likely_places(shape: tuple[int, ...], inputs: Sequence[int]) -> list[int]:
    """The axes 1, 2, … where these alone have the picture's proportions, and not those that stand last."""
    axes = len(inputs) - 2

    def fits(sides: Sequence[int]) -> bool:
        return len(sides) == axes and len({side / into for side, into in zip(inputs[2:], sides, strict=True)}) == 1

    return list(range(1, axes + 1)) if fits(shape[1:-1]) and not fits(shape[2:]) else []


class ClassScores:
    """How class scores are read from the outputs for a batch: as they are for this one, so for any copies of it.

    `reading` says how they are read, and why; `doubt` why their probabilities are hardly such, if that is so.
    """

    def __init__(self, outputs: object, classes: ClassOutputs, batch: int) -> None:
        given = classes.given(outputs, batch)
        self.classes, self.reading = replace(classes, kind=classes.known_for(given)), classes.describe(given)
        check_kind(self.classes, given.detach())
        doubts = self.classes.kind == "logits" and classes.kind is None and classes.squashed
        said = [f"{classes.squashed}: {WAY_OUT}"] if doubts else []
        said += [_first_of(classes.among, outputs)] if classes.among > 1 else []
        said += _of_heatmaps(outputs, self.classes, assumed=classes.kind is None)
        self.doubt = " And ".join(said)
        self._batch = batch
        self.given = self.read(outputs, 1)

    def read(self, outputs: object, repeats: int) -> Float[Tensor, "outputs classes"]:
        """The scores before the softmax, or what the model gives in their place."""
        return self.classes.scores(outputs, self._batch * repeats)

    def probabilities(self, outputs: object, repeats: int = 1) -> Float[Tensor, "outputs classes"]:
        """The probabilities, which are not squashed again where the model gives them."""
        return self.classes.probabilities(outputs, self._batch * repeats)

    def of(self, indices: Tensor) -> tuple[ReadOutputs, ReadOutputs, ReadOutputs]:
        """The rules of a `Bound` target for the score and the probability of these classes, and for all scores."""
        return (
            lambda new, repeats: picked(self.read(new, repeats), indices, repeats),
            lambda new, repeats: picked(self.probabilities(new, repeats), indices, repeats),
            self.read,
        )


def _of_heatmaps(outputs: object, classes: ClassOutputs, *, assumed: bool) -> list[str]:
    """Why scores of places may be no segmentation; `assumed`: nothing says what they are."""
    dense = classes.logits(outputs)
    if dense is None or dense.ndim < 4:
        return []
    doubts = [beside_boxes(outputs, classes.part, dense)]
    doubts += [like_heatmaps(dense)] if assumed and classes.kind == "logits" and not doubts[0] else []
    return [f"{doubt}." for doubt in doubts if doubt]


def _first_of(among: int, outputs: object) -> str:
    return (
        f"the model returns {describe(outputs)} with {among} tensors of as many scores, and the first is read. For "
        "another wrap the model so that it returns that one, or give target= a function from its output to one score "
        "per picture."
    )


def check_kind(classes: ClassOutputs, scores: Tensor) -> None:
    """`TargetError` where scores cannot be what they are said to be."""
    kind = classes.kind
    low, high, slack = float(scores.min()), float(scores.max()), 16 * torch.finfo(scores.dtype).eps
    shares = kind != "probabilities" or (low >= -slack and high <= 1 + slack)
    if not shares or (kind == "log_probabilities" and high > slack):
        raise TargetError(
            f"the model's scores go from {low:.3g} to {high:.3g}, so they are no {kind} ({classes.told}): "
            "give outputs= what they are."
        )


def picked(scores: Tensor, indices: Tensor, repeats: int) -> Tensor:
    """The score of each picture's class, (outputs,); `repeats` outputs in a row belong to the same picture."""
    return scores.gather(1, indices.repeat_interleave(repeats)[:, None])[:, 0]
