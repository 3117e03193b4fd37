"""A model run many times in one session: batch norms folded into the convolutions before them.

In evaluation mode a batch norm scales and shifts each channel by constants, so a convolution with other weights gives
the same in one go, to rounding. The model is not touched: its operations get other weights while it runs.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from featuremaps.rules.affine import Affine, affine_of, with_batch_norm
from featuremaps.rules.operations import Operation, asks, kind_of
from featuremaps.running import keep_freed_memory, layout_of
from featuremaps.state import Session

Given = TypeVar("Given")

_LINEAR = frozenset({"conv", "conv_transpose", "linear"})
_CAST = frozenset({"conv", "linear"})
"""The kinds that autocast runs in lower precision."""


def folded(session: Session, run: Callable[[], Given]) -> Given:
    """What `run` gives, which runs the session's model, or a part of it, once.

    An operation's first pass in a session is its own and shows what follows it; from the second on batch norms are
    folded. Where the model then takes another way, `run` is called again and left alone.
    """
    if session not in _KNOWN:
        keep_freed_memory()
        _KNOWN[session] = _Known()
    one = _Pass(_KNOWN[session])
    try:
        with one:
            given = run()
        one.close()
    except _OtherwiseUsedError:
        return run()
    return given


@dataclass(frozen=True, eq=False)
class _Norm:
    """A batch norm by what it works with."""

    tensors: tuple[Tensor | None, ...]
    eps: float

    def __eq__(self, other: object) -> bool:
        """Whether it is the same: with these very tensors, not with equal ones."""
        if not isinstance(other, _Norm):
            return NotImplemented
        return self.eps == other.eps and all(a is b for a, b in zip(self.tensors, other.tensors, strict=True))

    __hash__ = None  # type: ignore[assignment]


@dataclass(eq=False)
class _Layer:
    """What is known of a call: the operation with the batch norm that always follows, or alone where none does.

    `held` are the tensors it was told by, so that no other gets the identity of one.
    """

    weight: Tensor
    held: tuple[Tensor, ...]
    affine: Affine
    norm: _Norm | None
    _ready: dict[tuple[torch.dtype, torch.memory_format], tuple[Tensor, Tensor | None]] = field(default_factory=dict)

    def __call__(self, x: Any, run: Callable[[], Any]) -> Any:
        """What the operation gives for an input, the batch norm in it; `run` is the operation itself."""
        dtype = _precision(self.weight) if self.affine.kind in _CAST else self.weight.dtype
        if self.norm is None and dtype == self.weight.dtype:
            return run()
        return self.affine(x, *self._parameters(dtype, layout_of(x)))

    def _parameters(self, dtype: torch.dtype, layout: torch.memory_format) -> tuple[Tensor, Tensor | None]:
        """Weight and bias in a precision and laid out as the input is, the batch norm in them."""
        key = dtype, layout
        if key not in self._ready:
            with torch.no_grad():
                weight, bias = self.affine.parameters(self.weight.dtype)
                own = weight.to(dtype).contiguous(memory_format=layout)
                self._ready[key] = own, None if bias is None else bias.to(dtype)
        return self._ready[key]


class _Known:
    """What is known of a session's model: a layer for each weight, bias and settings."""

    def __init__(self) -> None:
        self.layers: dict[Hashable, _Layer] = {}


_KNOWN: WeakKeyDictionary[Session, _Known] = WeakKeyDictionary()


class _OtherwiseUsedError(BaseException):
    """Ends a pass in which an output went elsewhere than before; no `except Exception` in a model may catch it."""


@dataclass(eq=False)
class _Seen:
    """The output of an operation that runs for the first time, and where it went: into one batch norm, and alone?"""

    output: Callable[[], Tensor | None]
    key: Hashable
    weight: Tensor
    held: tuple[Tensor, ...]
    affine: Affine
    norm: _Norm | None = None
    alone: bool = True

    def into(self, operation: Operation) -> None:
        """It goes into this batch norm."""
        combined = with_batch_norm(self.affine, operation) if self.norm is None else None
        self.norm = _norm(operation)
        if combined is None or not _constant(operation, combined):
            self.alone = False
        else:
            self.affine = combined


class _Pass(TorchFunctionMode):
    """One run: operations that are known run folded, others as they are, and it is seen where their outputs go."""

    def __init__(self, known: _Known) -> None:
        super().__init__()
        self._known = known
        self._seen: list[_Seen] = []
        self._by_output: dict[int, _Seen] = {}  # the latest, where an output is gone and another has its identity
        self._waiting: dict[int, tuple[Tensor, _Norm]] = {}  # folded outputs, until their batch norms come

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        named, kind = kwargs or {}, kind_of(func)
        if kind == "batch_norm":
            return self._batch_norm(Operation(kind, func, args, named, False))
        if (self._seen or self._waiting) and not asks(func):
            self._note_uses((args, tuple(named.values())))
        if kind in _LINEAR:
            return self._linear(Operation(kind, func, args, named, False))
        return func(*args, **named)

    def close(self) -> None:
        """Keep what was seen in a pass that went through to its end."""
        if self._waiting:
            raise _OtherwiseUsedError
        together = defaultdict(list)
        for one in self._seen:
            together[one.key].append(one)
        for key, calls in together.items():
            first = calls[0]
            follows = first.norm is not None and all(one.alone and one.norm == first.norm for one in calls)
            affine = first.affine if follows else _plain(first.affine)
            self._known.layers[key] = _Layer(first.weight, first.held, affine, first.norm if follows else None)

    def _linear(self, operation: Operation) -> Any:
        key = _told_by(operation)
        layer = self._known.layers.get(key)
        if layer is not None:
            output = layer(operation.input, operation.run)
            if layer.norm is not None:
                self._waiting[id(output)] = output, layer.norm
            return output
        weight = operation.argument("weight", 1)
        affine = affine_of(operation) if isinstance(weight, nn.Parameter) and _wide(weight) else None
        output = operation.run()
        if affine is not None:
            self._seen.append(_Seen(ref(output), key, weight, _held(operation), affine))
            self._by_output[id(output)] = self._seen[-1]
        return output

    def _batch_norm(self, operation: Operation) -> Any:
        waiting = self._waiting.pop(id(operation.input), None)
        if waiting is not None:
            if waiting[1] != _norm(operation):
                raise _OtherwiseUsedError
            return operation.input
        if (seen := self._seen_as(operation.input)) is not None:
            seen.into(operation)
        return operation.run()

    def _note_uses(self, given: Any) -> None:
        for tensor in _tensors(given):
            if id(tensor) in self._waiting:
                raise _OtherwiseUsedError
            if (seen := self._seen_as(tensor)) is not None:
                seen.alone = False

    def _seen_as(self, tensor: Tensor) -> _Seen | None:
        seen = self._by_output.get(id(tensor))
        return seen if seen is not None and seen.output() is tensor else None


def _told_by(operation: Operation) -> Hashable:
    """What tells an operation from others, its input aside: its weight, bias and settings."""
    told: list[Any] = [operation.function]
    for one in _rest(operation):
        told.append(id(one) if isinstance(one, Tensor) else tuple(one) if isinstance(one, list) else one)
    return tuple(told)


def _held(operation: Operation) -> tuple[Tensor, ...]:
    """The tensors that an operation is told by."""
    return tuple(one for one in _rest(operation) if isinstance(one, Tensor))


def _rest(operation: Operation) -> tuple[Any, ...]:
    if not operation.kwargs:
        return operation.args[1:]
    return (*operation.args[1:], *(one for pair in operation.kwargs.items() if pair[0] != "input" for one in pair))


def _norm(operation: Operation) -> _Norm:
    names = ("running_mean", "running_var", "weight", "bias")
    tensors = tuple(operation.argument(name, position) for position, name in enumerate(names, start=1))
    return _Norm(tensors, operation.argument("eps", 7, 1e-5))


def _constant(operation: Operation, combined: Affine) -> bool:
    """Whether a batch norm's scale and shift are the model's own, and finite."""
    own = all(
        value is None or isinstance(value, nn.Parameter)
        for value in (operation.argument("weight", 3), operation.argument("bias", 4))
    )
    numbers = (combined.scale, combined.shift)
    return own and all(value is not None and bool(value.isfinite().all()) for value in numbers)


def _plain(affine: Affine) -> Affine:
    """The operation without a batch norm in it."""
    return Affine(affine.kind, affine.function, affine.weight, affine.bias, affine.settings)


def _wide(weight: Tensor) -> bool:
    """Whether folding loses nothing: half precision would be rounded twice."""
    return weight.dtype in (torch.float32, torch.float64)


def _precision(weight: Tensor) -> torch.dtype:
    """The precision that autocast runs a weight in, if it is on."""
    kind = weight.device.type
    lowered = weight.dtype == torch.float32 and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if lowered else weight.dtype


def _tensors(given: Any) -> Iterator[Tensor]:
    if isinstance(given, Tensor):
        yield given
    elif isinstance(given, tuple | list):
        for one in given:
            yield from _tensors(one)
