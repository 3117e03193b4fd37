"""What a pass does to tensors, operation by operation, so that it can be done again with other numbers.

Noted below autograd and autocast, where everything that touches a tensor passes by. Kept is what depends on the
tensors given; what is made from a model's own tensors alone is the same every time.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

Tensors = list[Tensor | None]

DECISIVE = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
"""What is said of operations whose answer decides what Python does next."""


_OTHER_MEMORY = frozenset(
    getattr(packet, name) for packet in (torch.ops.aten.resize_, torch.ops.aten.set_) for name in packet.overloads()
)
"""Operations that give a tensor another memory, or more of it."""


class Slot(NamedTuple):
    """The place of a tensor among those of a pass."""

    number: int


@dataclass(eq=False)
class Step:
    """One operation: its arguments with slots in them, where what it gives goes, and which slots are done with.

    `places` are the arguments that are slots, (position, slot); None where some lie deeper, in lists or names.
    """

    function: Any
    args: list[Any]
    kwargs: dict[str, Any]
    outputs: list[int]
    places: list[tuple[int, int]] | None
    done: list[int] = field(default_factory=list)

    def again(self, tensors: Tensors) -> None:
        """Do it with the tensors in their slots."""
        if self.places is None:
            args, kwargs = _filled(self.args, tensors), _filled(self.kwargs, tensors)
        else:
            args, kwargs = self.args.copy(), self.kwargs
            for position, number in self.places:
                args[position] = tensors[number]
        given = self.function(*args, **kwargs)
        if isinstance(given, Tensor):
            tensors[self.outputs[0]] = given
        else:
            for number, tensor in zip(self.outputs, _parts(given, Tensor), strict=True):
                tensors[number] = tensor
        for number in self.done:
            tensors[number] = None


class Notes(TorchDispatchMode):
    """Notes what is done while it is entered. `lost` is whether something was done that may differ the next time."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.lost = False
        self._steps: list[Step] = []
        self._slots: dict[Any, int] = {}
        self._untouched: set[int] = set()
        self._storages: dict[int, StorageWeakRef] = {}  # as long as it is held, no other gets its identity

    def __len__(self) -> int:
        return len(self._slots)

    def given(self, tensor: Tensor) -> int:
        """The slot of a tensor that another one takes the place of the next time; nothing may write to it."""
        number = self._add(tensor)
        self._untouched.add(tensor.untyped_storage()._cdata)
        return number

    def _add(self, tensor: Tensor) -> int:
        identity = _identity(tensor)
        if identity is None:
            raise _LostError
        if identity[0] not in self._storages:
            self._storages[identity[0]] = StorageWeakRef(tensor.untyped_storage())
        return self._slots.setdefault(identity, len(self._slots))

    def slot(self, tensor: Tensor) -> int | None:
        """Where a tensor is; None for one that is not of this pass."""
        return self._slots.get(_identity(tensor))

    def taken(self) -> list[Step]:
        """The steps since they were taken last."""
        steps, self._steps = self._steps, []
        return steps

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        begun = None if self.lost else self._tried(lambda: self._begun(func, args, kwargs or {}))
        given = func(*args, **(kwargs or {}))
        if begun is not None:
            self._tried(lambda: self._ended(begun, given))
        return given

    def _tried(self, note: Callable[[], Step | None]) -> Step | None:
        try:
            return note()
        except _LostError:
            self.lost = True
            return None

    def _begun(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Step | None:
        """The operation that is about to happen; None for one with the model's own tensors alone."""
        used, written = list(_parts((args, kwargs), Tensor)), func._schema.is_mutable
        if used and not any(self._own(tensor) for tensor in used):
            if written:
                raise _LostError
            return None
        if any(tag in func.tags for tag in DECISIVE) or _is_random(func, args, kwargs) or func in _OTHER_MEMORY:
            raise _LostError
        if written and not self._writes_to_own(func, args, kwargs):
            raise _LostError
        with_slots = self._with_slots(list(args)), self._with_slots(kwargs)
        return Step(func, *with_slots, [], _places(*with_slots))

    def _ended(self, step: Step, given: Any) -> None:
        """Keep an operation that has happened, unless it gave the same under another name."""
        made: list[Tensor] = list(_parts(given, Tensor))
        if torch.Tag.inplace_view in step.function.tags:
            step = self._seen_otherwise(step, made)
        elif not step.function._schema.is_mutable and all(self.slot(tensor) is not None for tensor in made):
            return
        step.outputs = [self._add(tensor) for tensor in made]
        self._steps.append(step)

    def _seen_otherwise(self, step: Step, made: list[Tensor]) -> Step:
        """What an operation does that changes how a tensor is seen: on a new one, for the old may have other names."""
        first, (seen,) = step.args[0], made
        if not isinstance(first, Slot) or seen.untyped_storage()._cdata not in self._storages:
            raise _LostError
        args = [first, list(seen.shape), list(seen.stride()), seen.storage_offset()]
        return Step(torch.ops.aten.as_strided.default, args, {}, [], [(0, first.number)])

    def _own(self, tensor: Tensor) -> bool:
        """Whether a tensor is of this pass."""
        identity = _identity(tensor)
        if identity in self._slots:
            return True
        if identity is not None and identity[0] in self._storages:
            raise _LostError  # seen in a way that nobody saw being made
        return False

    def _writes_to_own(self, func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
        """Whether all that is written to was made in this pass."""
        into = (one.name for one in func._schema.arguments if one.alias_info is not None and one.alias_info.is_write)
        written = [_argument(func, args, kwargs, name) for name in into]
        return all(
            self._own(tensor) and tensor.untyped_storage()._cdata not in self._untouched
            for tensor in _parts(written, Tensor)
        )

    def _with_slots(self, given: Any) -> Any:
        if isinstance(given, Tensor):
            number = self.slot(given)
            return given if number is None else Slot(number)
        return _mapped(given, self._with_slots)


class _LostError(Exception):
    """Something that cannot be noted."""


def freeing(steps: Sequence[Step], kept: Sequence[int]) -> None:
    """Let each step free the slots that neither a later one nor those to be `kept` need."""
    later = set(kept)
    for step in reversed(steps):
        used = {*(slot.number for slot in _parts((step.args, step.kwargs), Slot)), *step.outputs}
        step.done = sorted(used - later)
        later |= used


def _is_random(func: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether an operation draws random numbers; attention does not where nothing drops out."""
    if torch.Tag.nondeterministic_seeded not in func.tags:
        return False
    return not any(one.name == "dropout_p" for one in func._schema.arguments) or bool(
        _argument(func, args, kwargs, "dropout_p")
    )


def _argument(func: Any, args: Any, kwargs: dict[str, Any], name: str) -> Any:
    """What an operation was given for an argument, or would take for it."""
    names = [one.name for one in func._schema.arguments]
    position = names.index(name)
    return args[position] if position < len(args) else kwargs.get(name, func._schema.arguments[position].default_value)


def _identity(tensor: Tensor) -> Any:
    """What tells where a tensor's numbers lie, and how; None for one without a memory of its own."""
    try:
        storage = tensor.untyped_storage()
    except (NotImplementedError, RuntimeError):
        return None
    return storage._cdata, tensor.dtype, tensor.storage_offset(), tensor.shape, tensor.stride()


def _places(args: list[Any], kwargs: dict[str, Any]) -> list[tuple[int, int]] | None:
    found = [(position, one.number) for position, one in enumerate(args) if isinstance(one, Slot)]
    return found if len(found) == len(list(_parts((args, kwargs), Slot))) else None


def _filled(given: Any, tensors: Tensors) -> Any:
    return tensors[given.number] if isinstance(given, Slot) else _mapped(given, lambda one: _filled(one, tensors))


def _mapped(given: Any, change: Callable[[Any], Any]) -> Any:
    """What lies in a list or dict changed; anything else as it is."""
    if isinstance(given, dict):
        return {name: change(one) for name, one in given.items()}
    return [change(one) for one in given] if isinstance(given, list | tuple) else given


def _parts(given: Any, kind: type) -> Iterator[Any]:
    if isinstance(given, kind):
        yield given
    elif isinstance(given, list | tuple | dict):
        for one in given.values() if isinstance(given, dict) else given:
            yield from _parts(one, kind)
