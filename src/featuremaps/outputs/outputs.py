"""Reading whatever a model returns: its class scores, their names, and the classes a user names.

Classifiers return a tensor, alone or with a loss, an embedding or attention beside it; Hugging Face models an object
with `.logits`; segmentation a dict with `out`; detectors lists of boxes, in which there are no class scores to find.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from featuremaps.errors import TargetError, did_you_mean
from featuremaps.layers.model_output import NAMES, WHOLE, Key, is_named, likely_scores, parts_of
from featuremaps.outputs.no_scores import why_none, why_undecided

Classes = Sequence[str] | None
Which = int | str | Tensor | NDArray[Any] | Sequence[int | str] | None


def class_indices(
    which: Which, scores: Float[Tensor, "batch classes"], classes: Classes, batch: int
) -> Int[Tensor, " batch"]:
    """The class (batch,) that `which` names for each picture."""
    if classes is not None and len(classes) != scores.shape[1]:
        raise TargetError(
            f"{len(classes)} class names were given, and the model has {scores.shape[1]} output"
            f"{'s' if scores.shape[1] > 1 else ''}. Name every output, in order, or none: Scope(model, classes=…)."
        )
    if which is None:
        return scores.detach().argmax(1)
    if isinstance(which, int | str | np.integer):
        chosen = [_index(which, scores.shape[1], classes)] * batch
    else:
        items = which.tolist() if isinstance(which, Tensor | np.ndarray) else list(which)
        check_length(len(items), batch)
        chosen = [_index(item, scores.shape[1], classes) for item in items]
    return torch.tensor(chosen, device=scores.device)


def class_labels(indices: Int[Tensor, " batch"], classes: Classes) -> tuple[str, ...]:
    """A name for each class index."""
    return tuple(class_label(index, classes) for index in indices.tolist())


def candidates(outputs: object, classes: int | None = None, *, named: bool = True) -> dict[Key, Tensor]:
    """The parts of whatever a model returns that may have the class scores.

    Those that give as many scores as there are `classes`, or one for two; else what models call their scores, unless
    names are to count for nothing; else all.
    """
    if isinstance(outputs, Tensor):
        return {WHOLE: outputs}
    likely = likely_scores(outputs)
    fitting: dict[Key, Tensor] = {}
    for count in () if classes is None else (classes, 1):  # one score is of two alternatives
        if not fitting and (count == classes or classes == 2):
            fitting = {key: tensor for key, tensor in likely.items() if _count(tensor) == count}
    if not fitting and classes is not None:  # queries may have "no object" beside them
        fitting = {key: part for key, part in likely.items() if part.ndim == 3 and _count(part) == classes + 1}
    tensors = {key: part for key, part in parts_of(outputs).items() if isinstance(part, Tensor)}
    called = {key: part for name in NAMES for key, part in tensors.items() if named and is_named(key, name)}
    chosen = {key: part for key, part in called.items() if not fitting or key in fitting}
    return dict([*chosen.items()][:1]) or fitting or likely


def scores_part(outputs: object, classes: int | None = None) -> Key | None:
    """Which part has the class scores, as far as that can be told without the model's graph; None where it cannot.

    Detectors return boxes, backbones several maps. Of several in a tuple that give equally many it is the first.
    """
    if hasattr(outputs, "why_no_scores"):
        return None
    possible = candidates(outputs, classes)
    counts = [_count(tensor) for tensor in possible.values()]
    if not counts:
        return None
    single = len(possible) == 1 and not any(is_named(key, name) for key in possible for name in ("boxes", "pred_boxes"))
    told = isinstance(outputs, Tensor | tuple | list) or counts[0] == classes or single
    maps = {tensor.shape[2:] for tensor in possible.values() if tensor.ndim == 4}
    alike = len(set(counts)) == 1 and len(maps) < 2 and (len(counts) == 1 or counts[0] > 1)
    return next(iter(possible)) if told and alike else None


def last_of(possible: Mapping[Key, Tensor], after: Mapping[Key, Collection[Key]]) -> Key | None:
    """The part that all other possible ones went into, `after` them.

    None where there is none, or one that is hardly class scores: a single number beside more, a map beside rows.
    """
    last = next((key for key in possible if {*possible} - {key} <= {*after.get(key, ())}), None)
    if last is None:
        return None
    single = _count(possible[last]) == 1 < max(map(_count, possible.values()))
    return None if single or possible[last].ndim > min(tensor.ndim for tensor in possible.values()) else last


def logits_of(outputs: object, classes: int | None = None, part: Key | None = None) -> Tensor | None:
    """The tensor of scores in whatever a model returns, where it is known; see `scores_part`."""
    part = scores_part(outputs, classes) if part is None or isinstance(outputs, Tensor) else part
    logits = None if part is None else parts_of(outputs)[part]
    return logits if isinstance(logits, Tensor) else None


def scores_of(
    outputs: object,
    pictures: int | None = None,
    classes: int | None = None,
    part: Key | None = None,
    *,
    signal: bool = False,
) -> Float[Tensor, "batch classes"]:
    """One score per class and picture; dense scores are averaged over the picture, those of a `signal` over time.

    `TargetError` where the first axis does not count the `pictures`, or where there are scores of several things (of
    queries or tokens) for each.
    """
    logits = needs_logits(outputs, classes, part)
    if logits.ndim < 2:  # squeezed: one score for each picture, or those of a single one
        logits = logits.reshape(1, -1) if pictures == 1 or not logits.ndim else logits[:, None]
    shape = tuple(logits.shape)
    if pictures is not None and shape[0] != pictures:
        raise TargetError(
            f"the model gives shape {shape} for {pictures} picture{'s' if pictures > 1 else ''}: its first axis does "
            "not count them. Give target= a function from the model's output to one score per picture, or wrap the "
            "model so that it returns (batch, classes)."
        )
    if logits.ndim == 3 and not signal:
        several = f"{shape[1]} queries or tokens" if shape[1] != 1 else "one query or token"
        raise TargetError(
            f"the model gives shape {shape}: scores of {several} for each picture, not of classes. "
            "Say which one is meant: target=Query(0, class), or Similarity(…) to an embedding, or a function; of a "
            "detector's rows of boxes and class probabilities Scope(…, outputs='detections')."
        )
    return logits if logits.ndim == 2 else logits.flatten(2).mean(2)


def are_probabilities(scores: Float[Tensor, "batch classes *space"]) -> bool:
    """Whether the model ends in a softmax: no score is negative, and those of every picture sum to 1."""
    values = scores.detach().float()
    rounding = 16 * torch.finfo(scores.dtype).eps
    sums = (values.sum(1) - 1).abs() <= rounding * max(1, scores.shape[1] ** 0.5)
    return scores.shape[1] > 1 and bool((values >= 0).all()) and bool(sums.all())


def have_unit_length(scores: Float[Tensor, "batch outputs"]) -> bool:
    """Whether the numbers of every picture are of length 1, as normalised embeddings are and class scores hardly."""
    values = scores.detach().float()
    rounding = 16 * torch.finfo(scores.dtype).eps
    lengths = (values.square().sum(1) - 1).abs() <= rounding * max(1, scores.shape[1] ** 0.5)
    return scores.shape[1] > 1 and bool(lengths.all()) and int((values != 0).sum(1).min()) > 1


def mapped(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """`value` with `change` applied to everything of this kind inside tuples, lists, dicts and dataclasses."""
    if isinstance(value, kind):
        return change(value)
    if is_dataclass(value) and not isinstance(value, type | Mapping):
        same = copy(value)
        for field in fields(value):
            object.__setattr__(same, field.name, mapped(getattr(value, field.name), kind, change))
        return same
    if isinstance(value, Mapping):
        changed = {key: mapped(item, kind, change) for key, item in value.items()}
        return changed if type(value) is dict else type(value)(**changed)
    if isinstance(value, tuple | list):
        items = [mapped(item, kind, change) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    return value


def _count(tensor: Tensor) -> int:
    """How many scores a tensor has for each picture, place or query."""
    return tensor.shape[2] if tensor.ndim == 3 else tensor.shape[1] if tensor.ndim > 1 else 1


def needs_logits(outputs: object, classes: int | None = None, part: Key | None = None) -> Tensor:
    """The tensor of scores, or a `TargetError` that says what the model returns instead."""
    logits = logits_of(outputs, classes, part)
    if logits is None and hasattr(outputs, "why_no_scores"):
        raise TargetError(outputs.why_no_scores)
    if logits is None and len(several := likely_scores(outputs)) > 1:
        raise TargetError(why_undecided(outputs, several.values(), classes))
    if logits is None or not logits.is_floating_point():
        raise TargetError(why_none(outputs))
    return logits


def check_length(given: int, batch: int) -> None:
    """One target per picture, or a `TargetError`."""
    if given != batch:
        raise TargetError(
            f"{given} targets for {batch} picture{'s' if batch > 1 else ''}: a list gives one target per picture. "
            "For one target on all pictures pass it alone; for several on each picture use compare(targets=[…])."
        )


def _index(which: int | str, count: int, classes: Classes) -> int:
    if isinstance(which, str):
        which = class_named(which, count, classes)
    index = int(which)
    if not 0 <= index < count:
        raise TargetError(f"target {index} is out of range: the model gives {count} class scores, 0 to {count - 1}.")
    return index


def classes_called(name: str, classes: Sequence[str]) -> list[int]:
    """The classes with this name, or else with it in another case, or else with it as one of several names."""
    wanted = name.strip().lower()
    return (
        [i for i, known in enumerate(classes) if known == name.strip()]
        or [i for i, known in enumerate(classes) if known.lower() == wanted]
        or [i for i, known in enumerate(classes) if wanted in (part.strip() for part in known.lower().split(","))]
    )


def class_named(name: str, count: int, classes: Classes) -> int:
    """The index, of `count`, of the class with this name; `TargetError` with the nearest names."""
    if classes is None:
        if name.strip().isdigit():
            return int(name)
        raise TargetError(
            f"target {name!r} is a name, and this model's classes have none. "
            f"Give the class index (0 to {count - 1}), or the names: Scope(model, classes=[…])."
        )
    found = classes_called(name, classes)
    if len(found) == 1:
        return found[0]
    if found:
        raise TargetError(
            f"target {name!r} names several classes: {', '.join(map(str, found))}. Give the index instead."
        )
    if name.strip().isdigit():
        return int(name)
    raise TargetError(f"target {name!r} is not one of the model's {len(classes)} classes.{did_you_mean(name, classes)}")


def in_percent(share: int | float) -> str:
    """A share in whole per cent; one that is small is not 0."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def class_label(index: int, classes: Classes) -> str:
    """The name of a class index."""
    return classes[index] if classes is not None and index < len(classes) else f"class {index}"
