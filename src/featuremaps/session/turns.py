"""Undoing that interrupts cannot keep from happening, and threads that take turns with a model."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import RLock, get_ident
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from torch import nn

Undo = Callable[[], None]
Kept = TypeVar("Kept")


@contextmanager
def undone(undo: Undo) -> Iterator[None]:
    """`undo` is called afterwards, and once more where an interrupt fell into it: it must bear being repeated."""
    through = False
    try:
        try:
            yield
        finally:
            undo()
            through = True
    finally:
        if not through:
            undo()


class Turn:
    """A lock that its thread may take again, and that is given back whatever interrupts.

    `number` is another one each time that it is taken.
    """

    def __init__(self) -> None:
        self._lock, self._thread, self.number = RLock(), 0, 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While no other thread is in here."""
        if self._thread == get_ident():
            yield
            return
        with undone(self._give_back):
            self._lock.acquire()
            self._thread = get_ident()
            self.number += 1
            yield

    def is_ours(self, number: int) -> bool:
        """Whether this thread is in here since that number."""
        return self._thread == get_ident() and self.number == number

    def _give_back(self) -> None:
        if self._thread == get_ident():
            self._thread = 0
        with suppress(RuntimeError):  # given back already, or never taken
            self._lock.release()


class Beside(Generic[Kept]):
    """What is remembered beside models, not in them, for as long as they live; threads may share it."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Any, Kept] = WeakKeyDictionary()
        self._turn = Turn()

    def get(self, model: object, make: Callable[[], Kept]) -> Kept:
        """What is kept beside `model`; made now where there is nothing yet."""
        with self._turn.taken():
            kept = self._kept.get(model)
        if kept is None:
            made = make()
            with self._turn.taken():
                kept = self._kept.setdefault(model, made)
        return kept

    def set(self, model: object, kept: Kept) -> None:
        """Keep this from now on."""
        with self._turn.taken():
            self._kept[model] = kept

    def __len__(self) -> int:
        """For how many models something is kept."""
        return len(self._kept)


class _Turns:
    """The turns that calls on a model take: one, or those of its parts that had turns of their own before it came."""

    def __init__(self) -> None:
        self._of: WeakKeyDictionary[Any, frozenset[Turn]] = WeakKeyDictionary()
        self._begun: WeakKeyDictionary[Any, frozenset[tuple[Turn, int]]] = WeakKeyDictionary()
        self._turn = Turn()

    def of(self, model: nn.Module) -> frozenset[Turn]:
        """Those of this model, which all its modules without one have from now on.

        A call within a call has those that were taken, without going through the modules again.
        """
        with self._turn.taken():
            begun = self._begun.get(model, frozenset())
        if begun and all(turn.is_ours(number) for turn, number in begun):
            return frozenset(turn for turn, _ in begun)
        parts = [getattr(model, "keras_model", model), *model.modules()]
        with self._turn.taken():
            turns = frozenset(turn for part in parts for turn in self._of.get(part, ())) or frozenset([Turn()])
            for part in parts:
                self._of.setdefault(part, turns)
        return turns

    def begin(self, model: nn.Module, turns: frozenset[Turn]) -> None:
        """Note that this thread has these of the model."""
        with self._turn.taken():
            self._begun[model] = frozenset((turn, turn.number) for turn in turns)


_TURNS = _Turns()


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's own module inside `DataParallel`, `DistributedDataParallel` and `torch.compile`."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__ in ("DataParallel", "DistributedDataParallel"):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


@contextmanager
def in_turn(model: nn.Module) -> Iterator[int]:
    """While no other thread is in here with this model, or one that shares a module with it.

    The hooks of one would hear the pass of another. Gives the number of the turn, the same for all that is in here
    within it.
    """
    model = unwrapped(model)
    turns = _TURNS.of(model)
    with _taken(iter(sorted(turns, key=id))):  # one order for every model: nobody waits in a circle
        _TURNS.begin(model, turns)
        yield sum(turn.number for turn in turns)


@contextmanager
def _taken(turns: Iterator[Turn]) -> Iterator[None]:
    turn = next(turns, None)
    if turn is None:
        yield
        return
    with turn.taken(), _taken(turns):
        yield
