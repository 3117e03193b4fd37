"""Which layer is the last whose output is still a map, and the last of each map size, as a person would say it.

Decided by what ran, not by module types: poolings, class maps and mere rearrangements are passed over, and a layer
goes by the outermost name whose output it is.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass

from torch import Tensor

from featuremaps.layers.info import LayerInfo
from featuremaps.layers.model_output import parts_of
from featuremaps.receptive_field import Dataflow, Step
from featuremaps.receptive_field.op_rules import PRODUCTS

BACKBONES = frozenset({"backbone", "encoder", "body"})


@dataclass(frozen=True)
class Candidate:
    """A layer, the step that computed its output (None where it could not be followed), and how nested it lies."""

    info: LayerInfo
    number: int | None
    nesting: int


@dataclass(frozen=True)
class Map:
    """One computed map, under the name a person would use."""

    info: LayerInfo
    number: int | None
    nesting: int
    step: Step | None


@dataclass(frozen=True)
class Choice:
    """The answer: `last` is None where no layer gives maps."""

    last: str | None
    stages: tuple[str, ...]


LastReaching = Callable[[Sequence[str]], str | None]


def choose(candidates: Sequence[Candidate], flow: Dataflow, output: object, last_reaching: LastReaching) -> Choice:
    """The last map and the last of each size, among layers in order of completion.

    `last_reaching` is asked for token sequences only: it says which is the last whose patch tokens reach the
    output.
    """
    maps = _maps(candidates, flow)
    result = main_tensor(output)
    trace = None if result is None else flow.trace(result)
    if trace is not None:
        upstream = set().union(*(flow.ancestors(number) for number in _ends(output, flow, trace.step)))
        maps = _unless_empty(maps, lambda it: it.number is None or it.number in upstream)
    maps = _unless_empty(maps, lambda it: it.step is None or not it.step.pooled)
    if result is not None and trace is not None and _gives_classes(output, result, flow.picture):
        count, mixings = result.shape[1], flow.steps[trace.step].mixings
        maps = _unless_empty(maps, lambda it: not _is_class_map(it, count, mixings))
    if maps and _is_tokens(maps[-1]):
        maps = _among_tokens(maps, last_reaching)
    if not maps or _only_embedded(maps[-1], candidates):
        return Choice(None, ())
    last = maps[-1] if _is_classifier(output, result, flow.picture) else _in_backbone(maps)
    return Choice(last.info.name, _stages(maps, last))


def _ends(output: object, flow: Dataflow, main: int) -> set[int]:
    """The steps that gave the model's outputs: all of them, where it returns several and the first is a map."""
    tensors = list(_tensors(output))
    rows = not tensors or tensors[0].ndim < 3
    if rows or (isinstance(output, Mapping) and {"out", "logits"} & set(output)):
        return {main}
    return {main, *(trace.step for tensor in tensors if (trace := flow.trace(tensor)) is not None)}


def _tensors(output: object) -> Iterator[Tensor]:
    """All tensors that a model or layer returns, however they are packed; a single number is a loss."""
    if isinstance(output, Tensor):
        yield from (output,) if output.ndim else ()
    elif isinstance(output, Mapping | list | tuple) or is_dataclass(output):
        for part in parts_of(output).values():
            yield from _tensors(part)


def _only_embedded(it: Map, candidates: Sequence[Candidate]) -> bool:
    """Whether these are the patches as they were cut, of which nothing is known after an operation that moved them."""
    after = [candidate.info for candidate in candidates if candidate.info.order > it.info.order]
    lost = [info for info in after if info.lost and info.shape is not None and len(info.shape) == 3]
    return it.step is not None and it.step.mixings <= 1 and len(lost) > len(after) / 2


def _is_class_map(it: Map, classes: int, mixings: int) -> bool:
    """A map per class, after which nothing computes new features any more; that of an embedding is none."""
    step = it.step
    return step is not None and step.classifies and it.info.channels == classes and step.mixings == mixings


def _maps(candidates: Sequence[Candidate], flow: Dataflow) -> list[Map]:
    """Every distinct map: layers that give the very same elements count once."""
    groups: dict[object, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.info.positions > 1:
            key = candidate.info.name if candidate.number is None else candidate.number
            groups.setdefault(key, []).append(candidate)
    maps = []
    for group in groups.values():
        alike = [candidate for candidate in group if candidate.info.shape == group[0].info.shape]
        outermost = min(alike, key=lambda candidate: (candidate.info.depth, candidate.info.order))
        step = None if outermost.number is None else flow.steps[outermost.number]
        maps.append(Map(outermost.info, outermost.number, outermost.nesting, step))
    return maps


def _unless_empty(maps: list[Map], keep: Callable[[Map], bool]) -> list[Map]:
    return [it for it in maps if keep(it)] or maps


def main_tensor(output: object) -> Tensor | None:
    """The tensor itself, or the first one inside a tuple, list or dict (in "out" or "logits" where there are)."""
    if isinstance(output, Mapping):
        named = [output[key] for key in ("out", "logits") if key in output]
        return next(_tensors([*named, *output.values()]), None)
    return output if isinstance(output, Tensor) else next(_tensors(output), None)


def _is_classifier(output: object, result: Tensor | None, picture: Sequence[int]) -> bool:
    """Whether the output is a row of class scores per picture."""
    listed = isinstance(output, list) and any(isinstance(item, dict) for item in output)
    return result is not None and not listed and result.ndim == 2 and result.shape[0] == picture[0]


def _gives_classes(output: object, result: Tensor, picture: Sequence[int]) -> bool:
    """Whether dimension 1 of the output is the classes, for each picture or each place of a map of it."""
    shared = {side / into for side, into in zip(picture[2:], result.shape[2:], strict=False)}
    segmentation = result.ndim == len(picture) and len(shared) == 1 and result.shape[0] == picture[0]
    return segmentation or _is_classifier(output, result, picture)


def _is_tokens(it: Map) -> bool:
    return it.info.layout is not None and it.info.layout.kind == "tokens"


def _among_tokens(maps: list[Map], last_reaching: LastReaching) -> list[Map]:
    """Without projections inside attention, and without patch tokens that no longer reach the output."""
    maps = _unless_empty(maps, lambda it: it.step is None or it.step.op not in PRODUCTS)
    names = [it.info.name for it in maps]
    last = last_reaching([it.info.name for it in maps if _is_tokens(it)])
    return maps[: names.index(last) + 1] if last else maps


def _in_backbone(maps: list[Map]) -> Map:
    """Where the output is not a row of classes (segmentation, detection): the coarsest map of the backbone."""
    inside = [it for it in maps if it.info.name.split(".")[0] in BACKBONES]
    if not inside:
        return maps[-1]
    coarsest = min(_grid_size(it) for it in inside)
    return min((it for it in inside if _grid_size(it) == coarsest), key=lambda it: (it.info.depth, -it.info.order))


def _grid_size(it: Map) -> int:
    return math.prod(it.info.size or ())


def _stages(maps: list[Map], last: Map) -> tuple[str, ...]:
    """The least nested, then last, map of each size before `last`; `last` itself ends them."""
    best: dict[tuple[int, ...] | None, Map] = {}
    for it in maps[: maps.index(last)]:
        kept = best.get(it.info.size)
        if kept is None or it.nesting <= kept.nesting:
            best[it.info.size] = it
    best.pop(last.info.size, None)
    return (*(it.info.name for it in sorted(best.values(), key=lambda it: it.info.order)), last.info.name)
