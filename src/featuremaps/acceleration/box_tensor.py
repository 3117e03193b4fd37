"""A model run on pictures that differ from others only in a box each: it computes no more than the boxes reach.

Convolutions and poolings look at a box and what borders on it, functions of single values at the box alone; an
operation not known here sees whole maps, and so does everything once the boxes cover most of them. Nakandala, Kumar
& Papakonstantinou 2019, Incremental and approximate inference for faster occlusion-based deep CNN explanations.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import replace
from functools import reduce
from math import nan, prod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils import _pytree as pytree

from featuremaps.acceleration.boxes import Boxes, Rows, Window, differing, everywhere
from featuremaps.rules.operations import ACTIVATIONS, POINTWISE, Operation, asks, operation_of

MOST = 0.75
"""Of a map; boxes that cover more are not worth cutting out."""


class Originals:
    """Pictures that others differ from, and what they become in a model: computed once, read by every run.

    It holds about as much as a pass that keeps a graph for gradients.
    """

    def __init__(self, pictures: Tensor) -> None:
        self.pictures = pictures
        self._known: dict[Hashable, tuple[Any, Any]] = {}

    def boxes(self, new: Tensor) -> Boxes | None:
        """Where new inputs, some for each picture in turn, differ from it; None where that is too much, or nothing."""
        first = differing(new[:1], self.pictures[:1])  # mostly enough to see that there is nothing to save
        boxes = differing(new, self.pictures) if first is None or _small(first, new) else first
        return boxes if boxes is not None and _small(boxes, new) else None

    def rows(self, new: Tensor, boxes: Boxes, layout: torch.memory_format) -> Rows:
        """New inputs as the pictures with other values in these boxes."""
        base = self.once(Operation("contiguous", Tensor.contiguous, (self.pictures,), {"memory_format": layout}, False))
        laid = new.contiguous(memory_format=layout)
        inside = Rows(laid, laid, everywhere(new.shape), 1).cut(boxes)
        return Rows(base, inside, boxes, len(new) // len(self.pictures))

    def once(self, operation: Operation) -> Any:
        """What an operation gives for the pictures themselves, computed when it is asked for the first time."""
        own = _with(operation, lambda one: one.rows.base)
        given = list(_leaves(own))
        marks = [("tensor", id(one)) if isinstance(one, Tensor) else one for one in given]
        key = (own.function, len(own.args), *own.kwargs, *marks)
        if key not in self._known:
            # What is given is held too, so that no other tensor gets its identity.
            self._known[key] = given, own.apart()
        return self._known[key][1]


class BoxTensor(Tensor):
    """A tensor that `Rows` stand for. Its own numbers are NaN: code that gets round `__torch_function__` shows."""

    rows: Rows
    originals: Originals

    @staticmethod
    def of(rows: Rows, originals: Originals) -> "BoxTensor":
        """A tensor of the shape that these rows have."""
        hidden = rows.inside.new_full((1,), nan).expand(rows.shape).as_subclass(BoxTensor)
        hidden.rows, hidden.originals = rows, originals
        return hidden

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation on boxes where it is known how, and on whole maps where not."""
        named = dict(kwargs or {})
        with torch._C.DisableTorchFunctionSubclass():
            if asks(func):
                laid = isinstance(args[0], BoxTensor) and getattr(func, "__name__", "") in ("is_contiguous", "stride")
                return func(args[0].rows.inside if laid else args[0], *args[1:], **named)
            operation = operation_of(func, args, named)
            if operation is not None and operation.kind in _WAYS:
                rows = _WAYS[operation.kind](operation)
                if rows is not None:
                    return _handed_on(operation, rows)
            args, named = whole((args, named))
            return func(*args, **named)


def whole(given: Any) -> Any:
    """The same with whole maps in it."""
    return pytree.tree_map_only(BoxTensor, lambda one: one.rows.whole(), given)


def _handed_on(operation: Operation, rows: Rows) -> BoxTensor:
    first = _box_tensors(operation)[0]
    if not operation.in_place:
        return BoxTensor.of(rows, first.originals)
    first.rows = rows
    return first


def _position_by_position(operation: Operation) -> Rows | None:
    """An operation whose result in a place is made from that place alone, of one tensor or several."""
    given = _box_tensors(operation)
    first, sizes = given[0].rows, {(one.rows.size, one.rows.repeats) for one in given}
    if (
        len(sizes) > 1
        or not isinstance(next(_leaves(operation)), BoxTensor)
        or not all(map(_constant, _others(operation)))
    ):
        return None
    boxes = reduce(lambda a, b: a.around(b, *first.size), (one.rows.boxes for one in given))
    if not _small(boxes, first.base):
        return None
    # A inside may be overwritten by an operation in place: it is its tensor's own.
    inside = _with(operation, lambda one: one.rows.cut(boxes)).run()
    return Rows(given[0].originals.once(operation), inside, boxes, first.repeats)


def _channel_by_channel(operation: Operation) -> Rows | None:
    """A function of single values that is another one in each channel."""
    x = operation.input
    return Rows(x.originals.once(operation), operation.on(x.rows.inside).run(), x.rows.boxes, x.rows.repeats)


def _batch_norm(operation: Operation) -> Rows | None:
    """It scales and shifts each channel, where it does not take its numbers from the batch."""
    ready = operation.function is F.batch_norm and operation.argument("running_mean", 1) is not None
    return None if operation.argument("training", 5, False) or not ready else _channel_by_channel(operation)


def _cat(operation: Operation) -> Rows | None:
    """Maps beside each other."""
    return _position_by_position(operation) if operation.argument("dim", 1, 0) in (1, -3) else None


def _convolution(operation: Operation) -> Rows | None:
    weight, padding = operation.argument("weight", 1), operation.argument("padding", 4, 0)
    if isinstance(padding, str):
        return None
    stride, dilation = operation.argument("stride", 3, 1), operation.argument("dilation", 5, 1)
    bias, groups = operation.argument("bias", 2), operation.argument("groups", 6, 1)
    window = Window((weight.shape[2], weight.shape[3]), _pair(stride), _pair(padding), _pair(dilation))
    return _sliding(operation, window, lambda cut: F.conv2d(cut, weight, bias, stride, 0, dilation, groups))


def _max_pool(operation: Operation) -> Rows | None:
    kernel, stride, padding, dilation = _pooled(operation, dilation=True)
    if operation.argument("return_indices", 6, False):
        return None
    window = Window(_pair(kernel), _pair(stride), _pair(padding), _pair(dilation))
    return _sliding(operation, window, lambda cut: F.max_pool2d(cut, kernel, stride, 0, dilation), -torch.inf)


def _avg_pool(operation: Operation) -> Rows | None:
    kernel, stride, padding, _ = _pooled(operation)
    ceil, counted = operation.argument("ceil_mode", 4, False), operation.argument("count_include_pad", 5, True)
    divisor = operation.argument("divisor_override", 6)
    if ceil or (padding not in (0, (0, 0), [0, 0]) and not counted):
        return None
    window = Window(_pair(kernel), _pair(stride), _pair(padding), (1, 1))
    return _sliding(operation, window, lambda cut: F.avg_pool2d(cut, kernel, stride, divisor_override=divisor))


def _pooled(operation: Operation, *, dilation: bool = False) -> tuple[Any, Any, Any, Any]:
    kernel = operation.argument("kernel_size", 1)
    stride = operation.argument("stride", 2)
    gaps = operation.argument("dilation", 4, 1) if dilation else 1
    return kernel, kernel if stride in (None, (), []) else stride, operation.argument("padding", 3, 0), gaps


def _sliding(
    operation: Operation, window: Window, slide: Callable[[Tensor], Tensor], outside: float = 0.0
) -> Rows | None:
    """An operation whose results look at a window each; `outside` is what it sees beyond the maps."""
    x = operation.input
    if not isinstance(x, BoxTensor):
        return None
    base = x.originals.once(operation)
    boxes = window.reached(x.rows.boxes, *base.shape[2:])
    if not _small(boxes, base):
        return None
    return Rows(base, slide(x.rows.cut(window.read(boxes), outside)), boxes, x.rows.repeats)


_WAYS: dict[str, Callable[[Operation], Rows | None]] = {
    **dict.fromkeys(ACTIVATIONS | POINTWISE | {"add", "sub", "mul", "div"}, _position_by_position),
    "prelu": _channel_by_channel,
    "batch_norm": _batch_norm,
    "cat": _cat,
    "conv": _convolution,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
}


def _small(boxes: Boxes, maps: Tensor) -> bool:
    """Whether the boxes are worth cutting out of these maps."""
    return boxes.area <= MOST * prod(maps.shape[2:])


def _with(operation: Operation, part: Callable[[BoxTensor], Tensor]) -> Operation:
    """The operation on a part of what it is given."""

    def chosen(value: Any) -> Any:
        if isinstance(value, tuple | list):
            return [chosen(one) for one in value]
        return part(value) if isinstance(value, BoxTensor) else value

    named = {name: chosen(value) for name, value in operation.kwargs.items()}
    return replace(operation, args=tuple(map(chosen, operation.args)), kwargs=named)


def _leaves(operation: Operation) -> Iterator[Any]:
    """What it is given, tensors in a list one by one."""
    for value in (*operation.args, *operation.kwargs.values()):
        if isinstance(value, tuple | list):
            yield from value
        else:
            yield value


def _box_tensors(operation: Operation) -> list[BoxTensor]:
    return [leaf for leaf in _leaves(operation) if isinstance(leaf, BoxTensor)]


def _others(operation: Operation) -> list[Tensor]:
    return [leaf for leaf in _leaves(operation) if isinstance(leaf, Tensor) and not isinstance(leaf, BoxTensor)]


def _constant(tensor: Tensor) -> bool:
    """Whether it is the same for every row and place, whatever it is for each channel."""
    return tensor.numel() == 1 or (tensor.ndim in (3, 4) and tensor.numel() == tensor.shape[-3])


def _pair(value: Any) -> tuple[int, int]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])
