"""Which layer is the last whose output is still a map, and the last of each map size, as a person would say it.

Decided by what ran, not by module types: last poolings, class maps and mere rearrangements are passed over, and a layer
goes by the outermost name whose output it is.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from featuremaps.layers.info import LayerInfo
from featuremaps.layers.levels import Together, levels_of
from featuremaps.layers.model_ends import End, ends_of, is_all_that_is_read, is_gate, is_prediction, upstream
from featuremaps.receptive_field import Dataflow, Step
from featuremaps.receptive_field.op_rules import PRODUCTS

BACKBONES = frozenset({"backbone", "encoder", "body"})
POOLINGS = ("max_pool", "avg_pool")
"""How the names of torch's pooling operations begin, but for adaptive ones."""


@dataclass(frozen=True)
class Candidate:
    """A layer, the step that computed its output (None where it could not be followed), and how nested it lies.

    `alone`: it gives that tensor, and not a tuple that begins with it.
    """

    info: LayerInfo
    number: int | None
    nesting: int
    alone: bool = True


@dataclass(frozen=True)
class Map:
    """One computed map, under the name a person would use; `leaf`: by a layer with no other in it."""

    info: LayerInfo
    number: int | None
    nesting: int
    step: Step | None
    alone: bool = True
    leaf: bool = False


@dataclass(frozen=True)
class Choice:
    """The answer: `last` is None where no layer gives maps; `levels` are what a detector's heads read, if several."""

    last: str | None
    stages: tuple[str, ...]
    levels: tuple[str, ...] = ()


LastReaching = Callable[[Sequence[str], Sequence[str]], str | None]
"""As `last_reaching` of `reaching.py`, of layers with tokens and of all maps."""


def choose(
    candidates: Sequence[Candidate],
    flow: Dataflow,
    output: object,
    last_reaching: LastReaching,
    together: Sequence[Together] = (),
) -> Choice:
    """The last map and the last of each size, among layers in order of completion.

    `together` are the maps that were handed to a module at once, as `levels_of` takes them. `last_reaching` is asked
    for token sequences only: it says which is the last whose patch tokens reach the output.
    """
    every = _maps(candidates, flow, least=1)
    maps = [it for it in every if it.info.positions > 1]
    ends = ends_of(output, flow)
    if ends:
        used = upstream(ends, flow)
        maps = _unless_empty(maps, lambda it: it.number is None or it.number in used)
    maps = _unless_empty(maps, lambda it: it.step is None or not (it.step.pooled or "_pad" in it.step.op))
    maps = _unless_empty(maps, lambda it: not is_prediction(it.number, it.info.channels, ends, flow))
    while ends and len(maps) > 1 and is_gate(maps[-1].number, ends, flow):
        maps = maps[:-1]
    while len(maps) > 1 and _is_a_pooling(maps[-1]):
        maps = maps[:-1]
    if maps and _is_tokens(maps[-1]):
        maps = _up_to_the_grid(maps, ends)
    if maps and _may_be_cut_off(maps[-1]):
        maps = _among_tokens(maps, last_reaching)
    if not maps or _lost_before_long(maps[-1], candidates):
        return Choice(None, ())
    last = maps[-1] if any(end.classes for end in ends) else _in_backbone(maps)
    sizes = {it.number: (it.info.name, it.info.size) for it in every if it.number is not None and it.info.size}
    levels = levels_of(together, sizes, ends, flow)
    if len(levels) == 1 and not _is_tokens(last) and not is_all_that_is_read(last.number, ends, flow):
        # What comes after the level is of one of its heads.
        last = next((it for it in maps if it.info.name == levels[0]), last)
    return Choice(last.info.name, _stages(maps, last), levels if len(levels) > 1 else ())


def _lost_before_long(it: Map, candidates: Sequence[Candidate]) -> bool:
    """Whether this is merely where places were lost: of most layers after it that could have some they are unknown.

    After the patches as they were cut, most that come after count; elsewhere most layers of the model, since a short
    head may have no places. Rows, as a head's or those an expert of a mixture works on, could have none, and what a
    detector cuts out for each of its boxes is no whole picture's. That a later one like it, as of the next block, lost
    them tells as well: it would be the last if they were known.
    """
    spatial = [each.info for each in candidates if each.info.shape is not None and len(each.info.shape) > 2]
    after = [info for info in spatial if info.order > it.info.order]
    lost = [info for info in after if (info.lost and _as_many(it.info, info)) or info.no_map]
    only_cut = it.step is not None and it.step.mixings <= 1
    most = len(lost) > len(after if only_cut else spatial) / 2
    return most or any(info.lost and _is_repeated(it.info, info) for info in lost)


def _as_many(first: LayerInfo, later: LayerInfo) -> bool:
    """Whether both count equally many along their first axis: the pictures, and not what was cut out of them."""
    return first.shape is not None and later.shape is not None and first.shape[0] == later.shape[0]


def _is_repeated(first: LayerInfo, later: LayerInfo) -> bool:
    """Whether this is the same layer of a later block, or a later call of it."""
    alike = first.type == later.type and first.shape == later.shape and first.name != later.name
    return alike and _without_numbers(first.module_name) == _without_numbers(later.module_name)


def _without_numbers(name: str) -> tuple[str, ...]:
    return tuple("" if part.isdecimal() else part for part in name.split("."))


def _maps(candidates: Sequence[Candidate], flow: Dataflow, least: int) -> list[Map]:
    """Every distinct map with at least so many places: layers that give the very same elements count once.

    One that gives them in a tuple has them only where no other does.
    """
    groups: dict[object, list[Candidate]] = {}
    for candidate in candidates:
        if candidate.info.positions >= least:
            key = candidate.info.name if candidate.number is None else candidate.number
            groups.setdefault(key, []).append(candidate)
    maps = []
    for group in groups.values():
        group = [candidate for candidate in group if candidate.alone] or group
        alike = [candidate for candidate in group if _is_tokens(group[0]) or not _is_tokens(candidate)]
        outermost = min(alike, key=lambda candidate: (candidate.info.depth, candidate.info.order))
        step = None if outermost.number is None else flow.steps[outermost.number]
        leaf = not any(other.info.name.startswith(f"{outermost.info.module_name}.") for other in candidates)
        maps.append(Map(outermost.info, outermost.number, outermost.nesting, step, outermost.alone, leaf))
    return maps


def _unless_empty(maps: list[Map], keep: Callable[[Map], bool]) -> list[Map]:
    return [it for it in maps if keep(it)] or maps


def _up_to_the_grid(maps: list[Map], ends: Sequence[End]) -> list[Map]:
    """The maps up to the last one with the very places of a model's output; all where there is none.

    What comes after it are tokens that only say which of its channels count, as MaskFormer's queries do.
    """
    grids = {end.grid for end in ends if end.grid is not None}
    last = max((place for place, it in enumerate(maps) if it.info.size in grids), default=len(maps) - 1)
    return maps[: last + 1]


def _is_a_pooling(it: Map) -> bool:
    """Whether this is a layer that pools and does nothing else; one in a sequence goes by the sequence's name."""
    return it.leaf and it.step is not None and it.step.op.startswith(POOLINGS)


def _is_tokens(it: Map | Candidate) -> bool:
    return it.info.layout is not None and it.info.layout.kind == "tokens"


def _may_be_cut_off(it: Map) -> bool:
    """Whether something may stand beside the places in a layer's output which alone goes on, as a class token does."""
    return _is_tokens(it) or not it.alone


def _among_tokens(maps: list[Map], last_reaching: LastReaching) -> list[Map]:
    """Without projections inside attention, and without patch tokens that no longer reach the output."""
    maps = _unless_empty(maps, lambda it: it.step is None or it.step.op not in PRODUCTS)
    names = [it.info.name for it in maps]
    last = last_reaching([it.info.name for it in maps if _may_be_cut_off(it)], names)
    if last == "":
        return _unless_empty(maps, lambda it: not _may_be_cut_off(it))
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
