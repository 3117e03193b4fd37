"""Where a model ends: the tensors it returns, what went into them, and which maps are no features any more.

No features are predictions, after which nothing new is computed, and gates, which only weigh other maps.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass

from torch import Tensor

from featuremaps.layers.listed_detections import listed_if_any
from featuremaps.layers.model_output import parts_of
from featuremaps.receptive_field import Dataflow
from featuremaps.receptive_field.op_rules import GATES, PRODUCTS


@dataclass(frozen=True)
class End:
    """A tensor that a model returns, by the step that computed it.

    `classes`: how many scores it has for each picture, where it is a row of them; `grid`: its places, where it is a map
    of the picture, with `channels`, or with none where they were squeezed or chosen among. Else both are None.
    """

    number: int
    channels: int | None = None
    classes: int | None = None
    grid: tuple[int, ...] | None = None


def ends_of(output: object, flow: Dataflow) -> list[End]:
    """The model's outputs as far as they were followed: all, where it lists boxes, or several with a map first."""
    tensors, main = list(tensors_of(output)), main_tensor(output)
    rows = not tensors or tensors[0].ndim < 3
    boxes = listed_if_any(output) is not None
    if not boxes and (rows or (isinstance(output, Mapping) and {"out", "logits"} & set(output))):
        tensors = [] if main is None else [main]
    traced = [(tensor, trace.step) for tensor in tensors if (trace := flow.trace(tensor)) is not None]
    return [_end(tensor, number, flow.picture, boxes=boxes) for tensor, number in traced]


def _end(tensor: Tensor, number: int, picture: Sequence[int], boxes: bool) -> End:
    if boxes or not tensor.ndim or len(tensor) != picture[0]:
        return End(number)
    if tensor.ndim == 2:
        return End(number, classes=tensor.shape[1])
    squeezed = tensor.ndim == len(picture) - 1
    grid = tuple(tensor.shape[1:] if squeezed else tensor.shape[2:])
    if len(grid) != len(picture) - 2 or len({side / into for side, into in zip(picture[2:], grid, strict=True)}) > 1:
        return End(number)
    return End(number, channels=None if squeezed else tensor.shape[1], grid=grid)


def upstream(ends: Sequence[End], flow: Dataflow) -> set[int]:
    """The steps that went into the outputs; of heads that give different things of the same places, into each."""
    by_grid: dict[object, list[End]] = {}
    for end in ends:
        by_grid.setdefault(end.grid or end.number, []).append(end)
    steps: set[int] = set()
    for alike in by_grid.values():
        before = [flow.ancestors(end.number) for end in alike]
        beside = not any(end.number in other for end in alike for other in before if end.number != max(other))
        heads = beside and len({end.channels for end in alike}) == len(alike)
        steps |= set.intersection(*before) if heads else set.union(*before)
    return steps


def is_prediction(number: int | None, channels: int | None, ends: Sequence[End], flow: Dataflow) -> bool:
    """Whether a map may be scores or a picture, after which nothing computes new features before an output."""
    if number is None or not flow.steps[number].classifies:
        return False
    made = [end for end in ends if flow.steps[end.number].mixings == flow.steps[number].mixings]
    fitting = [end for end in made if end.grid is not None or (end.classes is not None and end.classes == channels)]
    return any(number in flow.ancestors(end.number) for end in fitting)


def is_gate(number: int | None, ends: Sequence[End], flow: Dataflow) -> bool:
    """Whether all that a map does is to weigh what it was made from: every way on leads through such a product."""
    if number is None:
        return False
    before, reached = flow.ancestors(number) - {number}, {number}
    for later in range(number + 1, len(flow.steps)):
        step = flow.steps[later]
        if reached.isdisjoint(step.parents):
            continue
        weighs = (step.op in GATES or step.op in PRODUCTS) and not before.isdisjoint(step.parents)
        if not weighs:
            reached.add(later)
    return reached.isdisjoint(end.number for end in ends)


def is_all_that_is_read(number: int | None, ends: Sequence[End], flow: Dataflow) -> bool:
    """Whether all outputs are computed anew of this map, and of nothing of the picture beside it."""
    if number is None:
        return False
    beside: set[int] = set()
    for later, step in enumerate(flow.steps):
        if later != number and (not step.parents or not beside.isdisjoint(step.parents)):
            beside.add(later)
    start = flow.steps[number].mixings
    return all(end.number not in beside and flow.steps[end.number].mixings > start for end in ends)


def tensors_of(output: object) -> Iterator[Tensor]:
    """All tensors that a model or layer returns, however they are packed; a single number is a loss."""
    if isinstance(output, Tensor):
        yield from (output,) if output.ndim else ()
    elif isinstance(output, Mapping | list | tuple) or is_dataclass(output):
        for part in parts_of(output).values():
            yield from tensors_of(part)


def main_tensor(output: object) -> Tensor | None:
    """The tensor itself, or the first one inside a tuple, list or dict (in "out" or "logits" where there are)."""
    if isinstance(output, Mapping):
        named = [output[key] for key in ("out", "logits") if key in output]
        return next(tensors_of([*named, *output.values()]), None)
    return output if isinstance(output, Tensor) else next(tensors_of(output), None)
