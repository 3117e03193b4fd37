"""What is being explained: a class score, a probability, why a rather than b, a region, a box, a similarity.

A target is bound to a batch once its outputs are known; the bound target then scores any further outputs for the
same pictures, as the masked and edited copies of Score-CAM and Ablation-CAM need.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs, ClassScores, picked
from featuremaps.outputs.detections import Detections
from featuremaps.outputs.outputs import (
    Classes,
    Which,
    check_length,
    class_indices,
    class_labels,
    mapped,
    needs_logits,
)
from featuremaps.outputs.place_scores import is_dense
from featuremaps.targets.bound import Bound, Several, Target
from featuremaps.targets.segmentation_targets import Region


@dataclass(frozen=True)
class Logit:
    """The class score before the softmax; for dense outputs (segmentation), its mean over the picture.

    Args:
        which: A class by index or name, one for each picture, or `None` for each picture's top prediction.
    """

    which: Which = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        scores, indices, labels = _named(self.which, outputs, classes, batch)
        return Bound(labels, indices, *scores.of(indices))


@dataclass(frozen=True)
class Named:
    """A class by its index or name, one per picture, or None: as the model gives it.

    In a segmentation that is its `Region`, else its score, as `Logit`.
    """

    which: Which = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        target = Region(self.which) if is_dense(outputs, classes, batch) else Logit(self.which)
        return target.bind(outputs, classes, batch)


@dataclass(frozen=True)
class Probability:
    """The class probability: softmax over the class scores, unless the model gives probabilities; sigmoid of one.

    For dense outputs (segmentation) it is the mean over the picture.

    Args:
        which: A class by index or name, one for each picture, or `None` for each picture's top prediction.
    """

    which: Which = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        scores, indices, labels = _named(self.which, outputs, classes, batch)
        _, share, every_class = scores.of(indices)
        return Bound(tuple(f"probability of {label}" for label in labels), indices, share, share, every_class)


@dataclass(frozen=True)
class Margin:
    """Why one class rather than another: the difference of their scores.

    Args:
        a: A class by index or name, one for each picture, or `None` for each picture's top prediction.
        b: The other class; without it the strongest other one.
        within: For segmentation the places that are meant, such as `Region("cat")`, a `Mask` or a `Point`: the scores
            are the means there, and without `a` the class is the one that it names. Without it the whole picture.
    """

    a: Which = None
    b: Which = None
    within: Target | None = None

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        if self.within is None:
            read = ClassScores(outputs, classes, batch)
            first, second = self._classes(read.given, classes, batch)
            own = Bound((_where(outputs, classes, batch),) * batch, first, read.read, *read.of(first)[1:])
            return _margin(own, read.read, first, second, classes.names)
        there = self.within.bind(outputs, classes, batch)
        if there.every_class is None or there.of_classes is None or there.indices is None:
            raise TargetError(
                f"within={self.within!r} is no region of a segmentation: give Region, Mask or Point, or leave it out."
            )
        first, second = self._classes(there.every_class(outputs, 1), classes, batch, there.indices)
        own = replace(there.of_classes(first), labels=tuple(f" ({label})" for label in there.labels))
        return _margin(own, there.every_class, first, second, classes.names)

    def _classes(
        self, scores: Tensor, classes: ClassOutputs, batch: int, known: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Both classes of each picture; the first is the `known` one where none is named."""
        first = known if known is not None and self.a is None else class_indices(self.a, scores, classes.names, batch)
        if self.b is None:
            if scores.shape[1] < 2:
                raise TargetError("Margin needs at least two class scores, and the model gives one.")
            rivals = scores.detach().scatter(1, first[:, None], -torch.inf)
            second = rivals.argmax(1)
        else:
            second = class_indices(self.b, scores, classes.names, batch)
        if bool((first == second).any()):
            raise TargetError(
                f"Margin compares a class with itself ({class_labels(first, classes.names)[0]!r}); "
                "give two different classes."
            )
        return first, second


def _margin(
    own: Bound, every_class: Callable[[Any, int], Tensor], first: Tensor, second: Tensor, names: Classes
) -> Bound:
    """The difference of two classes' scores, from the target of the first, whose labels say where they are taken."""

    def rule(new: object, repeats: int) -> Tensor:
        scores = every_class(new, repeats)
        return picked(scores, first, repeats) - picked(scores, second, repeats)

    def in_mirror() -> Bound:
        assert own.in_mirror is not None
        mirrored = own.in_mirror()
        assert mirrored.every_class is not None
        return _margin(replace(mirrored, labels=own.labels), mirrored.every_class, first, second, names)

    named = zip(class_labels(first, names), class_labels(second, names), own.labels, strict=True)
    labels = tuple(f"{a} rather than {b}{where}" for a, b, where in named)
    return replace(own, labels=labels, rule=rule, in_mirror=in_mirror if own.in_mirror else None)


@dataclass(frozen=True, eq=False)
class Similarity:
    """How alike the model's output is to a reference embedding: their cosine, −1 to 1.

    Args:
        reference: The embedding, (features,), or one for each picture.
    """

    reference: Tensor | NDArray[Any] | Sequence[float]

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        given = torch.as_tensor(self.reference)
        if given.ndim not in (1, 2):
            raise TargetError(
                "Similarity(…) takes an embedding (features,), or one for each picture (batch, features), and was "
                f"given shape {tuple(given.shape)}. Of a picture give what the model makes of it, such as "
                "model(picture).pooler_output."
            )
        embedding = _embedding(outputs, given.shape[-1])
        reference = given.to(embedding.device, torch.float32).expand(batch, -1)
        if reference.shape != embedding.shape:
            raise TargetError(
                f"the reference has {reference.shape[1]} features and the model's output {embedding.shape[1]}."
            )

        def rule(new: object, repeats: int) -> Tensor:
            features = _embedding(new, reference.shape[1]).float()
            return torch.nn.functional.cosine_similarity(features, reference.repeat_interleave(repeats, 0))

        return Bound(("similarity",) * batch, None, rule)


@dataclass(frozen=True)
class Score:
    """Any function of the model's outputs that gives one score per picture, (batch,)."""

    function: Callable[[Any], Tensor]

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        name = getattr(self.function, "__name__", type(self.function).__name__)

        def rule(new: object, repeats: int) -> Tensor:
            scores = self.function(new)
            expected = batch * repeats
            if not isinstance(scores, Tensor) or scores.numel() != expected:
                given = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
                raise TargetError(f"target {name!r} must return one score per picture, ({expected},); it gave {given}.")
            return scores.reshape(expected)

        return Bound((name,) * batch, None, rule, mirrored="perhaps")


@dataclass(frozen=True)
class Each:
    """A target of its own for each picture."""

    targets: tuple[Target, ...]

    def bind(self, outputs: object, classes: ClassOutputs, batch: int) -> Bound:
        """See `Target`."""
        check_length(len(self.targets), batch)
        return _of_each([target.bind(_part(outputs, i, 1, batch), classes, 1) for i, target in enumerate(self.targets)])


def is_function(target: object) -> bool:
    """Whether a target is a function of the user's, for all pictures or one of them, who knows what the model gives."""
    return isinstance(target, Score) or (isinstance(target, Each) and any(map(is_function, target.targets)))


def as_target(value: object) -> Target | Several:
    """A target from whatever names one: None, an index, a class name, one per picture, a target, any callable."""
    if isinstance(value, type):
        raise TargetError(f"target {value.__name__} is a kind of target: say of what, such as {value.__name__}('cat').")
    if isinstance(value, Target | Several):
        return value
    if isinstance(value, np.ndarray | Tensor) and value.ndim > 1:
        raise TargetError(
            f"a target of shape {tuple(value.shape)} is not understood: give one class index per picture, which of "
            "one-hot rows is .argmax(1)."
        )
    if isinstance(value, np.ndarray | np.generic):
        return as_target(value.tolist())
    if value is None or (isinstance(value, int | str) and not isinstance(value, bool)):
        return Named(value)
    if isinstance(value, Tensor) and not value.is_floating_point() and value.dtype != torch.bool and value.ndim < 2:
        return Named(value if value.ndim else int(value))
    if isinstance(value, Sequence) and value:
        if all(isinstance(item, int | str) and not isinstance(item, bool) for item in value):
            return Named(tuple(value))
        return Each(tuple(_single(as_target(item)) for item in value))
    if callable(value):
        return Score(value)
    raise TargetError(
        f"target {value!r} is not understood. Give a class index or name, one per picture, None for the top "
        "prediction, a target such as Margin('a', 'b'), or a function from the model's outputs to scores (batch,)."
    )


def _single(target: Target | Several) -> Target:
    if isinstance(target, Target):
        return target
    raise TargetError(
        f"{target!r} may be several things in a picture, and a list gives one target per picture: pass it alone, or "
        "with others as compare(targets=[…])."
    )


def select(target: Target | Several, indices: Sequence[int], total: int, axes: int = 2) -> Target | Several:
    """The target for some of `total` pictures, of so many `axes`: what it gives one per picture is picked out.

    Raises `TargetError` where it was given for another number of pictures.
    """
    chosen: dict[str, object] = {}
    for name, single in {"which": 0, "a": 0, "b": 0, "mask": axes, "reference": 1, "targets": 0}.items():
        value = getattr(target, name, None)
        if single and isinstance(value, list | tuple):
            value = torch.as_tensor(value)
        if isinstance(value, Tensor | np.ndarray) and value.ndim == single + 1:
            check_length(len(value), total)
            chosen[name] = value[list(indices)]
        elif isinstance(value, list | tuple):
            check_length(len(value), total)
            chosen[name] = tuple(value[i] for i in indices)
    if isinstance(target, Margin) and target.within is not None:
        chosen["within"] = select(target.within, indices, total, axes)
    return replace(target, **chosen) if chosen else target  # type: ignore[type-var]


def _named(
    which: Which, outputs: object, classes: ClassOutputs, batch: int
) -> tuple[ClassScores, Int[Tensor, " batch"], tuple[str, ...]]:
    """The class scores of the outputs, the class that is meant in each picture, and what it is called."""
    scores = ClassScores(outputs, classes, batch)
    indices = class_indices(which, scores.given, classes.names, batch)
    where = _where(outputs, classes, batch)
    return scores, indices, tuple(f"{label}{where}" for label in class_labels(indices, classes.names))


def _where(outputs: object, classes: ClassOutputs, batch: int) -> str:
    """How far the mean score of a segmentation reaches, for a label."""
    return " over the whole picture" if is_dense(outputs, classes, batch) else ""


def _of_each(bound: Sequence[Bound]) -> Bound:
    """Targets of one picture each as one of all these pictures."""
    batch = len(bound)
    indices = [part.indices for part in bound if part.indices is not None]

    def of_each(read: Sequence[Callable[[Any, int], Tensor]]) -> Callable[[Any, int], Tensor]:
        def rule(new: object, repeats: int) -> Tensor:
            spans = [_part(new, i * repeats, repeats, batch * repeats) for i in range(batch)]
            return torch.cat([rule(span, repeats) for rule, span in zip(read, spans, strict=True)])

        return rule

    regions = [part.region for part in bound if part.region is not None]
    every = [part.every_class for part in bound if part.every_class is not None]
    boxes = tuple(part.boxes[0] for part in bound if part.boxes)
    shares = [part.probability for part in bound if part.probability is not None]
    return Bound(
        tuple(part.labels[0] for part in bound),
        torch.cat(indices) if len(indices) == batch else None,
        of_each([part.scores for part in bound]),
        of_each(shares) if len(shares) == batch else None,
        every_class=of_each(every) if len(every) == batch else None,
        mirrored=next((word for word in ("no", "perhaps") if any(part.mirrored == word for part in bound)), "yes"),
        region=torch.cat(regions) if len(regions) == batch else None,
        boxes=boxes if len(boxes) == batch else None,
        of_found=_found_by_each([part.of_found for part in bound]),
        similarity=_found_by_each([part.similarity for part in bound]),
        in_mirror=lambda: _of_each([part.in_mirror() if part.in_mirror else part for part in bound]),
    )


def _found_by_each(
    numbers_of: Sequence[Callable[[Sequence[Detections]], Tensor] | None],
) -> Callable[[Sequence[Detections]], Tensor] | None:
    known = [each for each in numbers_of if each is not None]
    if len(known) < len(numbers_of):
        return None

    def of_found(found: Sequence[Detections]) -> Tensor:
        repeats = len(found) // len(known)
        return torch.cat([each(found[i * repeats : (i + 1) * repeats]) for i, each in enumerate(known)])

    return of_found


def _embedding(outputs: object, features: int) -> Float[Tensor, "batch features"]:
    """The pooled embedding where the model gives one, else all of its output, or the part with as many features."""
    for key in ("pooler_output", "image_embeds"):
        value = outputs.get(key) if isinstance(outputs, Mapping) else getattr(outputs, key, None)
        if isinstance(value, Tensor):
            return value.flatten(1)
    return needs_logits(outputs, features).flatten(1)


def _part(outputs: object, start: int, length: int, total: int) -> object:
    """What the model gives for some of `total` pictures: whatever lists and tensors count them are cut."""
    if isinstance(outputs, list) and len(outputs) == total and _one_each(outputs):
        return outputs[start : start + length]
    return mapped(
        outputs,
        Tensor,
        lambda tensor: tensor[start : start + length] if tensor.ndim and len(tensor) == total else tensor,
    )


def _one_each(outputs: Sequence[object]) -> bool:
    """Whether a list, as long as there are pictures, holds something for each; `TargetError` where that is open."""
    lengths = [len(part) if isinstance(part, Tensor) and part.ndim else 0 for part in outputs]
    if (
        len(outputs) > 1
        and all(length == len(outputs) for length in lengths)
        and all(isinstance(part, Tensor) and part.ndim == 1 for part in outputs)
    ):
        raise TargetError(
            f"the model returns a list of {len(outputs)} tensors of {len(outputs)} numbers for as many pictures: "
            "whether the list or the numbers count them cannot be told. Give another number of pictures, or "
            f"batch_size={len(outputs) - 1}."
        )
    return len(outputs) not in lengths
