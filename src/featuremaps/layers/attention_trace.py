"""Finding the attentions of a run, and from where in the picture their tokens come.

Queries and keys are followed as every tensor of a run is (`receptive_field`), so that windows, pooled keys and class
tokens are known by what the model did, not by how many tokens there are.
"""

import math
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import pad
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from featuremaps.layers.attention_info import NOWHERE, AttentionInfo, Between, Tokens
from featuremaps.layers.attention_use import AttentionUse
from featuremaps.layers.layout import Layout
from featuremaps.receptive_field import Dataflow, Field
from featuremaps.receptive_field.field_algebra import Dim, Run, channels
from featuremaps.rules.attention import attends
from featuremaps.rules.operations import Operation, operation_of


@dataclass(frozen=True)
class _Side:
    """One operand of a product: its shape, what is known of it, and which of its dimensions holds the tokens."""

    shape: tuple[int, ...]
    field: Field | None
    token_dim: int


class AttentionTrace(TorchFunctionMode):
    """Notes every attention of a run that `flow` follows, in order; `inside` says in which module the run is.

    Counts what `rules.attention.AttentionProbabilities` counts, so that the one belongs to the other.
    """

    def __init__(self, flow: Dataflow) -> None:
        super().__init__()
        self.flow, self.inside = flow, [""]
        self.found: list[AttentionInfo] = []
        self._between: list[tuple[set[int], int | None]] = []
        self._batch = flow.picture[0]
        self._products: dict[int, tuple[_Side, _Side]] = {}
        self._origin: tuple[Field, Layout] | None = None
        self.use = AttentionUse(flow)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        operation = operation_of(func, args, kwargs or {})
        if operation is None:
            return func(*args, **(kwargs or {}))
        is_attention, before = attends(operation), self._steps_of(operation.args, operation.kwargs.values())
        if is_attention:
            self.found.append(self._described(operation))
        if operation.kind in PRODUCTS:
            self._note_use(operation)
        output = func(*args, **(kwargs or {}))
        if is_attention:
            self._between.append((before, next(iter(self._steps_of([output], [])), None)))
            if operation.kind == "softmax":
                self.use.gave(len(self.found) - 1, output)
        if operation.kind in PRODUCTS:
            self._note_product(operation, output)
        elif operation.kind == "multi_head_attention":
            self._understand(operation, output[0])
        return output

    def enter(self, name: str) -> None:
        """The run goes into a module."""
        self.inside.append(name)

    def leave(self, name: str) -> None:
        """The run comes out of a module again, if it went into it."""
        if name in self.inside:
            del self.inside[self.inside.index(name) :]

    def saw(self, layout: Layout | None, placed: Field | None) -> None:
        """A layer's maps were seen, whose places lie as those of what follows, before that is shifted or padded."""
        if layout is not None and placed is not None and placed.positions > 1:
            self._origin = placed, layout

    def infos(self, layouts: Sequence[Layout]) -> tuple[AttentionInfo, ...]:
        """All of them, by names of their own; tokens that could not be followed as the layers' `layouts` say."""
        names = [info.name for info in self.found]
        named: list[AttentionInfo] = []
        counts = dict.fromkeys(names, 0)
        for info, seen in zip(self.found, self._seen(), strict=True):
            name = info.name or "attention"
            name = name if names.count(info.name) == 1 else f"{name}#{counts[info.name]}"
            counts[info.name] += 1
            queries, keys = (_by_count(tokens, info.windows, layouts) for tokens in (info.queries, info.keys))
            keys = info.keys if queries.between == "unknown" else keys  # which of its axes is which is not known
            after = None if seen is None else frozenset(named[number].name for number in seen)
            changed = self.use.changed.get(len(named), "")
            named.append(replace(info, name=name, queries=queries, keys=keys, after=after, changed=changed))
        return tuple(named)

    def _seen(self) -> Iterator[list[int] | None]:
        """For each attention the numbers of those before it whose results went into it; None where it is unknown."""
        for number, (before, gave) in enumerate(self._between):
            known = set().union(*map(self.flow.ancestors, before))
            earlier = [other for other, (_, result) in enumerate(self._between[:number]) if result in known]
            yield earlier if before and gave is not None else None

    def _steps_of(self, args: Iterable[Any], more: Iterable[Any]) -> set[int]:
        """The steps that computed the tensors among what a call is given or gives."""
        traces = (self.flow.trace(leaf) for leaf in tree_leaves((list(args), list(more))) if isinstance(leaf, Tensor))
        return {trace.step for trace in traces if trace is not None}

    def _described(self, operation: Operation) -> AttentionInfo:
        name = self.inside[-1]
        if operation.kind == "softmax":
            sides = self._product_behind(operation.input)
            lead = operation.input.shape[:-2]
            if sides is None:
                query, key = operation.input.shape[-2:]
                between: Between = "unknown" if self._perhaps_a_product(operation.input) else "no places"
                return AttentionInfo(name, Tokens(query, between), Tokens(key, between), _unknown(lead, self._batch))
            return self._info(name, *sides, 0)
        query, key = (operation.argument(name, place) for place, name in enumerate(("query", "key")))
        if operation.kind == "attention":
            return self._info(name, self._side(query, -2), self._side(key, -2), 0)
        if query.ndim != 3:
            return AttentionInfo(name, Tokens(len(query), "unknown"), Tokens(len(key), "unknown"), ((1, False),))
        heads = operation.argument("num_heads", 4)
        info = self._info(name, self._side(query, 0), self._side(key, 0), _added(operation))
        return replace(info, leading=(*info.leading, (heads, False)))

    def _info(self, name: str, query: _Side, key: _Side, added: int) -> AttentionInfo:
        """`added` tokens stand after the keys that are no places."""
        lead = query.shape[1:2] if query.token_dim == 0 else query.shape[:-2]
        followed = (_leading(side, self._batch) for side in (query, key) if side.field is not None)
        leading = next(followed, _unknown(lead, self._batch))
        across = all(_channels(side) for side in (query, key))
        queries, keys = self._tokens(query, across, 0), self._tokens(key, across, added)
        return AttentionInfo(name, queries, keys, leading)

    def _tokens(self, side: _Side, are_channels: bool, added: int) -> Tokens:
        count = side.shape[side.token_dim] + added
        placed = side.field
        if are_channels:
            return Tokens(count, "channels")
        if placed is None:
            return Tokens(count, "no places")
        if placed.lost or placed.moved:
            return Tokens(count, "unknown")
        token_dim = placed.dims[side.token_dim]
        windows = [run for dim in _batch_dims(side) for run in dim.runs if run.axis is not None and run.size > 1]
        if any(run.picked for run in token_dim.runs):
            return Tokens(count, "unknown")
        placed_tokens = math.prod(run.size for run in token_dim.runs if run.axis is not None)
        if (not token_dim.axes and token_dim.size > 1) or (placed_tokens == 1 and not windows):
            return Tokens(count, "no places")
        if token_dim.times != 1:
            return Tokens(count, "unknown")
        grid, places = self._places(placed, windows, token_dim)
        return Tokens(count, "places", grid, pad(places, (token_dim.lead, token_dim.trail + added), value=NOWHERE))

    def _places(
        self, placed: Field, windows: Sequence[Run], token_dim: Dim
    ) -> tuple[tuple[int, ...], Int[Tensor, "window token"]]:
        """How many places there are along each axis, and the number of each token's, row by row; −1 for padding."""
        runs, axes = (*windows, *token_dim.runs), range(len(placed.reach))
        sizes = [math.prod(run.size for run in runs if run.axis == axis) for axis in axes]
        grid, shift = self._origin_of(placed, sizes, bool(windows))
        numbers = torch.zeros(
            math.prod(run.size for run in windows),
            math.prod(run.size for run in token_dim.runs),
            dtype=torch.long,
            device="cpu",
        )
        inside = torch.ones_like(numbers, dtype=torch.bool)
        for axis in axes:
            step = placed.step(axis) if any(run.axis == axis for run in runs) else None
            index = _steps(windows, axis, step)[:, None] + _steps(token_dim.runs, axis, step)[None] + shift[axis]
            if shift[axis] > 0:
                index = index % sizes[axis]  # rolled: what went out at one end came in at the other
            inside &= (index >= 0) & (index < grid[axis])
            numbers = numbers * grid[axis] + index
        return tuple(grid), numbers.where(inside, NOWHERE)

    def _origin_of(self, placed: Field, sizes: list[int], windowed: bool) -> tuple[list[int], list[int]]:
        """How many places there are along each axis without padding, and by how many what attends is shifted."""
        if not windowed or self._origin is None:
            return sizes, [0] * len(sizes)
        before, layout = self._origin
        steps = [placed.step(axis) for axis in range(len(sizes))]
        if steps != [before.step(axis) for axis in range(len(sizes))] or len(layout.grid) != len(sizes):
            return sizes, [0] * len(sizes)
        shift = [
            0 if step is None or mine.whole else round((mine.centre - theirs.centre) / step)
            for mine, theirs, step in zip(placed.reach, before.reach, steps, strict=True)
        ]
        return list(layout.grid), shift

    def _understand(self, operation: Operation, output: Tensor) -> None:
        """What torch's own attention gives (token, batch, channel): tokens where the queries are, that saw all keys.

        Inside, it lays tokens and pictures into one dimension, in which they cannot be followed.
        """
        queries, keys = (self._side(operation.argument(name, place), 0) for place, name in enumerate(("query", "key")))
        known, seen = queries.field, keys.field
        if output.ndim != 3 or known is None or seen is None or seen.lost or seen.moved:
            return
        reach = tuple(each._replace(whole=True) for each in known.reach) if seen.positions > 1 else known.reach
        dims = (*known.dims[:2], channels(output.shape[2]))
        self.flow.understand(output, known._replace(dims=dims, reach=reach))

    def _side(self, tensor: Tensor, token_dim: int, order: Sequence[int] | None = None) -> _Side:
        trace = self.flow.trace(tensor)
        field, kept = None if trace is None else trace.field, range(tensor.ndim) if order is None else order
        if field is not None:
            field = field._replace(dims=tuple(field.dims[index] for index in kept))
        return _Side(tuple(tensor.shape[index] for index in kept), field, token_dim)

    def are_pairs(self, step: int, grid: Sequence[int]) -> bool:
        """Whether these two axes are queries and keys: of a step that computes on a product of as many, pair by pair.

        As where heads are mixed with each other, before the softmax or after it.
        """
        waiting, seen = [step], set[int]()
        while waiting:
            one = waiting.pop()
            seen.add(one)
            if one in self._products:
                left, right = self._products[one]
                if (left.shape[left.token_dim], right.shape[right.token_dim]) == tuple(grid):
                    return True
            elif self.flow.steps[one].pointwise or self.flow.steps[one].op in _BETWEEN | _PAIR_BY_PAIR:
                waiting += [parent for parent in self.flow.steps[one].parents if parent not in seen]
        return False

    def _note_use(self, operation: Operation) -> None:
        between_places = {step for step, sides in self._products.items() if all(map(_of_places, sides))}
        for factor in tree_leaves((operation.args, operation.kwargs)):
            if isinstance(factor, Tensor) and factor.ndim > 1:
                self.use.weighs(factor, self.inside[-1] or "the model itself", between_places)

    def _note_product(self, operation: Operation, output: Any) -> None:
        trace = self.flow.trace(output) if isinstance(output, Tensor) else None
        tensors = _operands(operation)
        if trace is None or tensors is None:
            return
        left, right = tensors
        self._products[trace.step] = self._side(*left), self._side(*right)

    def _product_behind(self, logits: Tensor) -> tuple[_Side, _Side] | None:
        """The queries and keys that attention logits are the products of; None where there are none."""
        for step in self._behind(logits, _BETWEEN):
            if step in self._products:
                left, right = self._products[step]
                if (left.shape[left.token_dim], right.shape[right.token_dim]) == tuple(logits.shape[-2:]):
                    return left, right
        return None

    def _perhaps_a_product(self, logits: Tensor) -> bool:
        """Whether logits without known queries and keys may be of such: a gate's, or features, are of one tensor."""
        trace = self.flow.trace(logits)
        if trace is None:
            return False
        followed = trace.field is not None and not trace.field.lost and not trace.field.moved
        steps = self._behind(logits, (_BETWEEN - _WEIGHTED) | _PARTS)
        return not followed or any(self.flow.steps[step].op in _PRODUCTS for step in steps)

    def _behind(self, logits: Tensor, between: frozenset[str]) -> Iterator[int]:
        """The steps that logits were made by, the latest first, back to the products that they are of."""
        trace = self.flow.trace(logits)
        waiting, seen = [] if trace is None else [trace.step], set()
        while waiting:
            step = max(waiting)
            waiting.remove(step)
            yield step
            known = self.flow.steps[step]
            if step not in self._products and (known.pointwise or known.op in between):
                waiting += [parent for parent in known.parents if parent not in seen]
                seen |= set(known.parents)


PRODUCTS = frozenset({"matmul", "einsum", "other_product"})
_PRODUCTS = frozenset({"bmm", "baddbmm", "matmul"})
"""Products of tensors that both have a batch, as queries and keys do and the weights of a layer do not."""
_WEIGHTED = frozenset({"mm", "addmm", "linear"})
_PARTS = frozenset({"slice", "select", "split", "split_with_sizes", "unbind", "index", "index_select"})
_BETWEEN = _WEIGHTED | frozenset({"index_put_", "copy_", "masked_fill", "constant_pad_nd", "clone"})
"""What may lie between a product and its softmax beside operations on single values: heads mixed with each other."""
_PAIR_BY_PAIR = frozenset({"_softmax", "_safe_softmax", "convolution"})
"""What may lie behind it beside these: the softmax, and heads mixed by a convolution."""


_Operand = tuple[Tensor, int, Sequence[int] | None]
"""A factor of a product, the dimension that the product keeps, of its last two, and the order they stand in there."""


def _operands(operation: Operation) -> tuple[_Operand, _Operand] | None:
    """Both factors of a product, as far as it is one of two matrices."""
    if operation.kind == "matmul":
        other = operation.argument("other", 1, operation.argument("mat2", 1))
        return (operation.args[0], -2, None), (other, -1, None)
    if operation.kind == "other_product":
        found = [item for item in operation.args if isinstance(item, Tensor)]
        whole = operation.function.__name__ == "baddbmm" and len(found) > 2
        return ((found[1], -2, None), (found[2], -1, None)) if whole else None
    return _operands_of_einsum(*operation.args)


def _operands_of_einsum(text: Any, *tensors: Any) -> tuple[_Operand, _Operand] | None:
    """The same of two factors of an einsum, their dimensions in the order that a matrix product has them in.

    First those that the result begins with, then the tokens and what is summed over, of the second factor turned round.
    """
    tensors = tuple(tensors[0]) if len(tensors) == 1 and not isinstance(tensors[0], Tensor) else tensors
    if not isinstance(text, str) or "->" not in text or len(tensors) != 2:
        return None
    (first, second), result = _spelled_out(text, tensors)
    if len(result) < 2:
        return None
    for left, right, places in ((first, second, (0, 1)), (second, first, (1, 0))):
        query, key = result[-2], result[-1]
        if query in left and key in right and query not in right and key not in left:
            summed = {*left, *right} - {*result}
            if len(summed) != 1 or not summed <= {*left} & {*right} or not {*result[:-2]} <= {*left}:
                return None
            before = [label for label in result[:-2] if label in right]
            turned = [left.index(label) for label in (*result[:-2], query, *summed)]
            others = [right.index(label) for label in (*before, *summed, key)]
            return (tensors[places[0]], -2, turned), (tensors[places[1]], -1, others)
    return None


def _spelled_out(text: str, tensors: Sequence[Tensor]) -> tuple[list[str], str]:
    """The labels of the factors and of the result, "..." as capital letters for the dimensions it stands for."""
    given, result = text.replace(" ", "").split("->")
    free = [letter for letter in string.ascii_uppercase if letter not in text]
    terms, longest = [], ""
    for term, tensor in zip(given.split(","), tensors, strict=True):
        count = tensor.ndim - len(term.replace("...", ""))
        dots = "".join(free[len(free) - count :]) if "..." in term else ""
        longest = max(longest, dots, key=len)
        terms.append(term.replace("...", dots))
    return terms, result.replace("...", longest)


def _of_places(side: _Side) -> bool:
    """Whether the dimension that a product keeps of a factor walks along the picture."""
    return side.field is not None and bool(side.field.dims[side.token_dim].axes)


def _batch_dims(side: _Side) -> tuple[Dim, ...]:
    """The dimensions over which the attention is repeated: batch, windows and heads."""
    assert side.field is not None
    if side.token_dim == 0:  # (token, batch, channel), as torch's own module has them
        return side.field.dims[1:2]
    return side.field.dims[:-2]


def _leading(side: _Side, batch: int) -> tuple[tuple[int, bool], ...]:
    """The axes before (query, key) without the batch, which comes first."""
    runs = [run for dim in _batch_dims(side) for run in dim.runs if run.size > 1]
    if any(dim.times != 1 or dim.extra for dim in _batch_dims(side)):
        return _unknown(tuple(dim.size for dim in _batch_dims(side)), batch)
    if batch > 1 and runs and runs[0].axis is None and runs[0].size % batch == 0:
        runs[0] = runs[0]._replace(size=runs[0].size // batch)
    return tuple((run.size, run.axis is not None) for run in runs if run.size > 1)


def _unknown(lead: Sequence[int], batch: int) -> tuple[tuple[int, bool], ...]:
    """The axes before (query, key), of which nothing is known: taken for heads."""
    rest = (lead[0] // batch, *lead[1:]) if lead and lead[0] % batch == 0 else lead
    return tuple((size, False) for size in rest if size > 1)


def _channels(side: _Side) -> bool:
    """Whether what attends are channels: it is the places that the product sums over."""
    if side.field is None or side.token_dim == 0:
        return False
    other = -1 if side.token_dim == -2 else -2
    return not side.field.dims[side.token_dim].axes and bool(side.field.dims[other].axes)


def _steps(runs: Sequence[Any], axis: int, step: float | None) -> Int[Tensor, " element"]:
    """For each element of a dimension how many places it lies from the first along an axis."""
    total = torch.zeros(1, dtype=torch.long, device="cpu")
    for run in runs:
        own = torch.arange(run.size, device="cpu") * (round(run.step / step) if run.axis == axis and step else 0)
        total = (total[:, None] + own[None]).flatten()
    return total


def _added(operation: Operation) -> int:
    """How many keys torch's own attention adds."""
    return int(operation.argument("bias_k", 7) is not None) + int(bool(operation.argument("add_zero_attn", 9, False)))


def _by_count(tokens: Tokens, windows: int, layouts: Sequence[Layout]) -> Tokens:
    """Tokens that could not be followed, as the one layout of a layer says that has as many."""
    fitting = {(each.prefix, each.grid, each.suffix) for each in layouts if each.tokens == tokens.count}
    if tokens.between != "unknown" or windows != 1 or len(fitting) != 1:
        return tokens
    ((prefix, grid, suffix),) = fitting
    places = pad(torch.arange(math.prod(grid), device="cpu")[None], (prefix, suffix), value=NOWHERE)
    return Tokens(tokens.count, "places", grid, places)
