"""Reading whatever a model returns: its class scores, their names, and the classes a user names.

Classifiers return a tensor; Hugging Face models an object with `.logits`; segmentation a dict with `out`; detectors
lists of boxes, in which there are no class scores to find.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.errors import TargetError, did_you_mean

Classes = Sequence[str] | None
Which = int | str | Tensor | Sequence[int | str] | None


def class_indices(
    which: Which, scores: Float[Tensor, "batch classes"], classes: Classes, batch: int
) -> Int[Tensor, " batch"]:
    """The class (batch,) that `which` names for each picture."""
    if which is None:
        return scores.detach().argmax(1)
    if isinstance(which, int | str):
        chosen = [_index(which, scores.shape[1], classes)] * batch
    else:
        items = which.tolist() if isinstance(which, Tensor) else list(which)
        check_length(len(items), batch)
        chosen = [_index(item, scores.shape[1], classes) for item in items]
    return torch.tensor(chosen, device=scores.device)


def class_labels(indices: Int[Tensor, " batch"], classes: Classes) -> tuple[str, ...]:
    """A name for each class index."""
    return tuple(class_label(index, classes) for index in indices.tolist())


def logits_of(outputs: object) -> Tensor | None:
    """The tensor of scores in whatever a model returns, or None (detectors return lists of boxes)."""
    if isinstance(outputs, Tensor):
        return outputs
    for key in ("logits", "out", "pred_logits", "last_hidden_state"):
        value = outputs.get(key) if isinstance(outputs, Mapping) else getattr(outputs, key, None)
        if isinstance(value, Tensor):
            return value
    if isinstance(outputs, tuple | list) and outputs and isinstance(outputs[0], Tensor):
        return outputs[0]
    return None


def scores_of(outputs: object) -> Float[Tensor, "batch classes"]:
    """One score per class and picture; dense scores are averaged over the picture."""
    logits = needs_logits(outputs)
    if logits.ndim == 1:
        return logits[:, None]
    return logits if logits.ndim == 2 else logits.flatten(2).mean(2)


def probabilities(scores: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
    """Softmax over the classes; sigmoid where there is a single score."""
    return scores.float().sigmoid() if scores.shape[1] == 1 else scores.float().softmax(1)


def needs_logits(outputs: object) -> Tensor:
    """The tensor of scores, or a `TargetError` that says what the model returns instead."""
    logits = logits_of(outputs)
    if logits is None or logits.ndim < 1 or not logits.is_floating_point():
        raise TargetError(
            f"the model returns {describe(outputs)}, in which no class scores were found. "
            "Give target= a function from the model's output to one score per picture, or Box(...) for a detector."
        )
    return logits


def describe(outputs: object) -> str:
    """What a model returned, in words."""
    if isinstance(outputs, Mapping):
        return f"a dict of {', '.join(map(repr, outputs))}"
    return f"a {type(outputs).__name__}"


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


def class_named(name: str, count: int, classes: Classes) -> int:
    """The index, of `count`, of the class with this name; `TargetError` with the nearest names."""
    if classes is None:
        if name.strip().isdigit():
            return int(name)
        raise TargetError(
            f"target {name!r} is a name, and this model's classes have none. "
            f"Give the class index (0 to {count - 1}), or the names: Scope(model, classes=[…])."
        )
    wanted = name.strip().lower()
    found = (
        [i for i, known in enumerate(classes) if known == name.strip()]
        or [i for i, known in enumerate(classes) if known.lower() == wanted]
        or [i for i, known in enumerate(classes) if wanted in (part.strip() for part in known.lower().split(","))]
    )
    if len(found) == 1:
        return found[0]
    if found:
        raise TargetError(
            f"target {name!r} names several classes: {', '.join(map(str, found))}. Give the index instead."
        )
    if name.strip().isdigit():
        return int(name)
    raise TargetError(f"target {name!r} is not one of the model's {len(classes)} classes.{did_you_mean(name, classes)}")


def class_label(index: int, classes: Classes) -> str:
    """The name of a class index."""
    return classes[index] if classes is not None and index < len(classes) else f"class {index}"
