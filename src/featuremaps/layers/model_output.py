"""What a model returns, taken apart: its tensors by name or number, and which of them may be class scores.

What it gives for a picture beside another one tells which axis counts the pictures, and whether an answer depends on
chance, on what was asked before, or on the other pictures of a batch.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from featuremaps.layers.listed_detections import listed_if_any
from featuremaps.receptive_field import UNBOUNDED, Dataflow, Field, Range
from featuremaps.running import run as run_model

Key = str | int
"""The name or number of a part of what a model returns, "head.logits" inside a dict; `WHOLE` where it is one tensor."""
WHOLE: Key = ""
NAMES = ("logits", "out", "pred_logits", "image_embeds", "last_hidden_state")
"""What models call their scores where they name what they return."""

OTHERS = (2.0, -0.1, 0.5, 0.25)
"""What pictures are multiplied by that run before one: by its mean, contrast, highest, lowest value it is second.

Of five it is neither the first nor the last, which would decide of what all of a batch are measured by, nor the one in
the middle, which stays so alone and beside others where a model compares with the median.
"""
TOGETHER = len(OTHERS) + 1
RANKING = frozenset({"topk", "sort"})
KEEPING_RANKS = frozenset({"_softmax", "_log_softmax", "slice"})


class FollowedOutput(NamedTuple):
    """What is known about a tensor that a model returns.

    Its values lie in `range`; `places` says of each of its axes whether it walks along the picture, () where nobody
    knows; `after` names the other tensors that went into it. `picture_axis` counts the pictures, None
    where that cannot be told, and beside another picture the scores of one change by a share `change` of the largest.
    `uncovered` says for each axis of the picture how many of its pixels lie before the first of the tensor's places and
    behind the last, where these are more than two strides of it, as without padding. `ranked`: they were sorted.
    """

    range: Range = UNBOUNDED
    places: tuple[bool, ...] = ()
    after: frozenset[Key] = frozenset()
    picture_axis: int | None = None
    change: float = 0.0
    uncovered: tuple[tuple[int, int], ...] = ()
    ranked: bool = False


def parts_of(output: object) -> Mapping[Key, object]:
    """What a model returns together, by name or number; dicts inside, and tuples of one, are taken apart too."""
    parts = direct_parts(output)
    packed = {key for key, part in parts.items() if _is_packed(part, alone=len(parts) == 1)}
    if not packed or all(isinstance(part, Mapping) and "boxes" in part for part in parts.values()):  # of a detector
        return parts
    opened: dict[Key, object] = {}
    for key, part in parts.items():
        inner = parts_of(part) if key in packed else {WHOLE: part}
        opened |= {key if name == WHOLE else f"{key}.{name}": value for name, value in inner.items()}
    return opened


def _is_packed(part: object, alone: bool) -> bool:
    return isinstance(part, Mapping) or (isinstance(part, tuple | list) and (alone or len(part) == 1))


def is_named(key: Key, name: str) -> bool:
    """Whether a part has this name, wherever it lies."""
    return str(key).rpartition(".")[2] == name


def direct_parts(output: object) -> Mapping[Key, object]:
    """What a model or layer returns together, by name or number; nothing inside is taken apart."""
    if isinstance(output, Tensor):
        return {WHOLE: output}
    if isinstance(output, Mapping):
        return output
    if isinstance(output, tuple | list):
        return dict(zip(getattr(output, "_fields", range(len(output))), output, strict=True))
    if is_dataclass(output):
        return {field.name: getattr(output, field.name) for field in fields(output)}
    return {name: value for name in NAMES if (value := getattr(output, name, None)) is not None}


def likely_scores(output: object) -> dict[Key, Tensor]:
    """The tensors that may be class scores: numbers for each picture, of queries or tokens only if there are no other.

    A single number is a loss.
    """
    tensors = {key: part for key, part in parts_of(output).items() if isinstance(part, Tensor) and part.ndim}
    tensors = {key: tensor for key, tensor in tensors.items() if tensor.is_floating_point()}
    return {key: tensor for key, tensor in tensors.items() if tensor.ndim != 3} or tensors


def followed(output: object, flow: Dataflow, beside: Mapping[Key, Tensor]) -> Mapping[Key, FollowedOutput]:
    """What is known about each tensor that a model returned; `beside`: what it gave for another picture as well."""
    likely, listed = _compared(output), listed_if_any(output) is not None
    steps = {key: trace.step for key, tensor in likely.items() if (trace := flow.trace(tensor)) is not None}
    known = {key: _followed(tensor, flow, steps) for key, tensor in likely.items()}
    for key, together in beside.items():
        if key in known and listed:
            known[key] = known[key]._replace(change=_change_of_boxes(likely[key], together))
        elif key in known:
            axis, share = _picture_axis(likely[key], together), _change(likely[key], together)
            known[key] = known[key]._replace(picture_axis=axis, change=share)
    return known


def _compared(output: object) -> dict[Key, Tensor]:
    """What of an output is compared with that for another picture: the likely scores, or the last picture's boxes."""
    listed = listed_if_any(output)
    return likely_scores(listed[-1] if listed else output)


def _followed(tensor: Tensor, flow: Dataflow, steps: Mapping[Key, int]) -> FollowedOutput:
    trace = flow.trace(tensor)
    if trace is None:
        return FollowedOutput()
    field: Any = trace.field
    places = () if field is None or field.lost or field.moved else tuple(bool(dim.axes) for dim in field.dims)
    before = flow.ancestors(trace.step) - {trace.step}
    after = frozenset(other for other, step in steps.items() if step in before)
    uncovered = _uncovered(field, flow.picture[2:]) if places else ()
    ranked = _is_ranked(trace.step, flow)
    return FollowedOutput(flow.steps[trace.step].range, places, after, uncovered=uncovered, ranked=ranked)


def _is_ranked(number: int, flow: Dataflow) -> bool:
    """Whether values were sorted, and since then changed one by one at most, or by a softmax."""
    step = flow.steps[number]
    while step.op not in RANKING and len(step.parents) == 1 and (step.pointwise or step.op in KEEPING_RANKS):
        step = flow.steps[step.parents[0]]
    return step.op in RANKING


def _uncovered(field: Field, picture: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """See `FollowedOutput`; () where the places reach from edge to edge, or where each sees the whole picture."""
    margins = []
    for axis, (side, reach) in enumerate(zip(picture, field.reach, strict=True)):
        step = field.step(axis)
        if step is None or reach.whole:
            return ()
        count = math.prod(run.size for dim in field.dims for run in dim.runs if run.axis == axis)
        before = reach.centre - step / 2
        behind = side - before - count * step  # strides may shift all places a little, which leaves the sum as it is
        within = reach.low > -step and reach.high + (count - 1) * step < side + step  # no place looks over the edge
        free = within and before + behind > 2 * step
        margins.append((max(0, round(before)), max(0, round(behind))) if free else (0, 0))
    return tuple(margins) if any(map(any, margins)) else ()


def _picture_axis(alone: Tensor, together: Tensor) -> int | None:
    """The axis of the scores that counts the pictures; None where it cannot be told."""
    if alone.ndim != together.ndim:  # squeezed
        return None
    grown = [axis for axis, (one, two) in enumerate(zip(alone.shape, together.shape, strict=True)) if one != two]
    return grown[0] if len(grown) == 1 and together.shape[grown[0]] == TOGETHER * alone.shape[grown[0]] else None


def _change(alone: Tensor, together: Tensor) -> float:
    """By what share of the largest score those of the picture differ beside another one; 0 where that is rounding.

    All of it where there are more scores of a picture then, as of each picture for every other.
    """
    axis = _picture_axis(alone, together)
    if axis is None:
        return float(tuple(together.shape) == tuple(TOGETHER * length for length in alone.shape))
    count = alone.shape[axis]
    return _difference(alone, together.narrow(axis, together.shape[axis] - count, count))


def _change_of_boxes(alone: Tensor, again: Tensor) -> float:
    """As `_change`, of as many boxes as were found both times."""
    count = min(len(alone), len(again))
    return _difference(alone[:count], again[:count]) if count and alone.shape[1:] == again.shape[1:] else 0.0


def _difference(alone: Tensor, again: Tensor) -> float:
    largest = torch.maximum(alone.detach().abs().max(), again.detach().abs().max()).double()
    share = float((again.detach().double() - alone.detach().double()).abs().max() / largest) if largest else 0.0
    rounding = max(torch.finfo(kind).eps for kind in (alone.dtype, torch.float32))  # float64 may be made of float32
    return share if share > 3 * rounding**0.5 else 0.0


def given_beside(
    model: nn.Module, arguments: Sequence[Any], begins: Callable[[], None] = lambda: None
) -> Mapping[Key, Tensor]:
    """The scores for the picture behind others; none where the model takes one at a time. `begins` hears each run."""
    if any(isinstance(item, Tensor) and len(item) != 1 for item in arguments):
        return {}
    try:
        begins()
        # First as it is, so that counters and random numbers are others than where it ran alone.
        run_model(model, *(item.clone() if isinstance(item, Tensor) else item for item in arguments))
        begins()
        return _compared(run_model(model, *map(_behind_others, arguments)))
    except Exception:  # a model of single pictures, short memory: nothing is learned, and the model's run went well
        return {}


def _behind_others(item: Any) -> Any:
    if not isinstance(item, Tensor):
        return item
    # They come first, so that random numbers that begin alike do not fall on the picture again.
    others = [item.flip(-1) * factor if item.is_floating_point() else item for factor in OTHERS]
    return torch.cat([*others, item])
