"""Which maps of several strides a detector's heads read: its levels.

Told from the run alone. Either they are handed to a module together, as feature pyramids give and heads take them, or
they are what the last maps of each size have in common.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from torch import Tensor, nn

from featuremaps.layers.model_ends import End
from featuremaps.receptive_field import Dataflow

Named = Mapping[int, tuple[str, tuple[int, ...]]]
"""The layer that gave the map of a step, and the size of the map."""
Together = Mapping[int, tuple[int, ...]]
"""Maps of several sizes that were handed to a module at once, or came from one: the size of each, by its step."""


def note_together(together: list[Together], flow: Dataflow, module: nn.Module, args: object, output: object) -> None:
    """Note which maps a module was handed in one list, tuple or dict, also inside others, or gave in one."""
    for packed in _packs((*(args if isinstance(args, tuple) else ()), output)):
        maps = [part for part in packed if isinstance(part, Tensor) and part.ndim == len(flow.picture)]
        traced = [(map, trace) for map in maps if (trace := flow.trace(map)) is not None]
        sizes = {trace.step: tuple(map.shape[2:]) for map, trace in traced}
        if len({*sizes.values()}) > 1:
            together.append(sizes)


def _packs(values: Iterable[object]) -> Iterator[Collection[object]]:
    """Each list, tuple or dict among the values, after those inside it."""
    for value in values:
        if isinstance(value, Mapping | list | tuple):
            parts = list(value.values() if isinstance(value, Mapping) else value)
            yield from _packs(parts)
            yield parts


def levels_of(together: Sequence[Together], maps: Named, ends: Sequence[End], flow: Dataflow) -> tuple[str, ...]:
    """The layers whose maps the heads read, fine to coarse; none where they read none alone, or there is no detector.

    `together` is in order of completion: what was handed over last counts.
    """
    if not ends or ends[0].classes is not None or ends[0].grid is not None:
        return ()
    targets = {end.number for end in ends if end.grid is None}
    used = set().union(*(flow.ancestors(number) for number in targets))
    shared = _in_common(maps, used, flow)
    for group in reversed(together):
        steps = {named for step in group if (named := _named(step, maps, flow)) is not None and named in used}
        read = [step for step in steps if _is_read(step, steps, used, targets, flow)]
        if len(read) > 1 and not {*read} < {*shared}:  # else there are coarser ones beside them, as Deformable DETR's
            return _ordered(read, maps)
    return _ordered(shared, maps)


def _named(step: int, maps: Named, flow: Dataflow) -> int | None:
    """The step of the layer's map that a map is, or was made of alone, without a convolution: scaled, or normalised."""
    if step in maps:
        return step
    before = flow.ancestors(step)
    of = max((other for other in before if other in maps), default=None)
    if of is None or flow.steps[of].mixings < flow.steps[step].mixings:
        return None
    since = before - flow.ancestors(of)
    alone = all(parent in since or parent == of for later in since for parent in flow.steps[later].parents)
    return of if alone else None


def _is_read(step: int, group: set[int], used: set[int], targets: set[int], flow: Dataflow) -> bool:
    """Whether something is computed of a map on a way to the outputs that leads through no other map of its group."""
    reached = {step}
    computed: set[int] = set()
    start = flow.steps[step].mixings
    for later in range(step + 1, max(targets) + 1):
        parents = reached.intersection(flow.steps[later].parents)
        if not parents or later not in used or later in group:
            continue
        reached.add(later)
        if flow.steps[later].mixings > start or not computed.isdisjoint(parents):
            computed.add(later)
    return not computed.isdisjoint(targets)


def _in_common(maps: Named, used: set[int], flow: Dataflow) -> list[int]:
    """Of each size the last map that all maps which end there were made of, before the heads begin.

    A head is the outermost module around such an end that gives maps of no other size.
    """
    own = {step: (name, size) for step, (name, size) in maps.items() if step in used and math.prod(size) > 1}
    before = {step: flow.ancestors(step) - {step} for step in own}
    inner = set().union(*before.values()) if before else set()
    shared = []
    for size in {size for _, size in own.values()}:
        ending = [step for step, (_, of) in own.items() if of == size and step not in inner]
        if ending:
            common = set.intersection(*(before[step] for step in ending))
            alike = [step for step in common if step in own and own[step][1] == size]
            heads = tuple(_head(own[step][0], size, own) for step in ending)
            before_heads = [step for step in alike if not f"{own[step][0]}.".startswith(heads)]
            shared += [max(before_heads or alike)] if alike else []
    return shared


def _head(name: str, size: tuple[int, ...], maps: Named) -> str:
    """The name of the outermost module around a layer whose maps all have this size, with a point behind it."""
    parts = name.split(".")
    for count in range(1, len(parts)):
        outer = ".".join(parts[:count]) + "."
        if all(other == size for inner, other in maps.values() if inner.startswith(outer)):
            return outer
    return f"{name}."


def _ordered(steps: Sequence[int], maps: Named) -> tuple[str, ...]:
    """Their layers' names, the finest first."""
    return tuple(maps[step][0] for step in sorted(steps, key=lambda step: (-math.prod(maps[step][1]), step)))
