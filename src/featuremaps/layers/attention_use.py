"""What a run does with attention: whether it is changed after its softmax, and which attention has no softmax."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from featuremaps.receptive_field import Dataflow

Sums = tuple[float, float]
"""The sum of an attention's values and that of their squares, which no rearrangement changes."""
KEEPING = frozenset({"_to_copy", "clone", "copy_", "expand", "cat", "stack", "split", "split_with_sizes", "unbind"})
"""What may lie between a softmax and the product with the values without a change: copies, and parts of them."""
MIXING = frozenset({"mm", "addmm", "linear", "bmm", "convolution"})
"""Heads mixed with each other, or something else that comes out of a layer."""
FOLLOWED = (
    KEEPING
    | MIXING
    | frozenset(
        {"_softmax", "_log_softmax", "slice", "select", "index_put_"}
        | {"masked_fill", "masked_fill_", "fill_", "zero_", "index_fill", "index_fill_", "scatter", "scatter_"}
        | {"index_copy", "index_copy_", "constant_pad_nd"}
    )
)
"""What may change it besides operations on single values."""


class AttentionUse:
    """Follows attention from its softmax, or from the product of queries and keys, to what it weighs.

    `changed` names, by the number of each softmax, the operation that changed its values before they weighed anything;
    `without` is where attention had no softmax over its keys, by the modules that attend.
    """

    def __init__(self, flow: Dataflow) -> None:
        self.changed: dict[int, str] = {}
        self.without: dict[str, None] = {}
        self._flow = flow
        self._softmax: dict[int, tuple[int, list[int], Sums]] = {}

    def gave(self, number: int, probabilities: Tensor) -> None:
        """A softmax gave these."""
        trace = self._flow.trace(probabilities)
        if trace is not None:
            self._softmax[trace.step] = number, _sides(probabilities), _sums(probabilities)

    def weighs(self, factor: Tensor, inside: str, between_places: Collection[int]) -> None:
        """A product took this factor, in a module `inside`; some steps are products of places with places."""
        trace = self._flow.trace(factor)
        if trace is None:
            return
        for step, way in self._origins(trace.step, between_places):
            if step in between_places and not way.mixed:
                self.without[inside] = None
            elif step in self._softmax and way.change:
                number, sides, sums = self._softmax[step]
                weights = not way.mixed or sides == _sides(factor)
                if weights and not _alike(sums, _sums(factor)):
                    self.changed.setdefault(number, way.change)

    def _origins(self, start: int, between_places: Collection[int]) -> Iterator[tuple[int, "_Way"]]:
        """The steps that a factor comes from, each a softmax or such a product, and the way from there."""
        ways, waiting = {start: _Way()}, {start}
        while waiting:
            step = max(waiting)
            waiting.remove(step)
            if step in self._softmax or step in between_places:
                yield step, ways[step]
                continue
            known = self._flow.steps[step]
            if known.pointwise or known.op in FOLLOWED:
                fresh = set(known.parents) - ways.keys()
                ways |= dict.fromkeys(fresh, ways[step].before(known.op))
                waiting |= fresh


class _Way(NamedTuple):
    """What lies between two steps: the first operation that changes values, and whether any mixes them."""

    change: str = ""
    mixed: bool = False

    def before(self, op: str) -> "_Way":
        """The same with one more operation in front."""
        return _Way(self.change if op in KEEPING else op.strip("_"), self.mixed or op in MIXING)


def words_of_changed(changed: Mapping[str, str]) -> str:
    """What is said of attentions, by their names, whose values an operation changed after the softmax."""
    names = ", ".join([*changed][:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    operations = ", ".join(dict.fromkeys(changed.values()))
    return (
        f"The model changes attention after the softmax ({operations}) in {names}: what "
        "is read is what the softmax gives, and what the model weighs its values with is another."
    )


def words_of_missing(names: Collection[str]) -> str:
    """What is said of modules whose attention has no softmax over the keys."""
    shown = ", ".join([*names][:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (
        f"the attention in {shown} is no softmax over its keys, as where it is written by hand (exp divided by its "
        "sum), runs over the queries, or is another function: torch.softmax(…, dim=-1) of (query, key) and fused "
        "attention are read"
    )


def _sides(values: Tensor) -> list[int]:
    """How long the axes are, in whatever order, but for those of length 1."""
    return sorted(side for side in values.shape if side > 1)


def _sums(values: Tensor) -> Sums:
    exact = values.detach().to(torch.float64)
    return float(exact.sum()), float(exact.square().sum())


def _alike(one: Sums, other: Sums) -> bool:
    return all(abs(a - b) <= 1e-3 * max(abs(a), 1e-12) for a, b in zip(one, other, strict=True))
