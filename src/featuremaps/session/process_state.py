"""What belongs to the whole process: the random generators, the filters of warnings, whether torch compiles."""

import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featuremaps.session.turns import Turn, undone


class _Generators:
    """The random generators of the process: whoever comes first keeps their state, and the last restores it."""

    def __init__(self) -> None:
        self.turn = Turn()
        self._inside: set[object] = set()
        self._kept: tuple[Any, ...] = ()

    def keep(self, who: object) -> None:
        with self.turn.taken():
            if not self._inside:
                self._kept = _random_numbers()
            self._inside.add(who)

    def restore(self, who: object) -> None:
        with self.turn.taken():
            if self._inside == {who}:
                _set_random_numbers(*self._kept)
            self._inside.discard(who)


class _Compiler:
    """Whether functions that torch compiles run so: whoever comes first turns that off, and the last on again."""

    def __init__(self) -> None:
        self._turn = Turn()
        self._inside: set[object] = set()
        self._kept: Any = None

    def turn_off(self, who: object) -> None:
        with self._turn.taken():
            self._inside.add(who)
            if len(self._inside) == 1:
                self._kept = torch.compiler.set_stance("force_eager")

    def turn_on(self, who: object) -> None:
        with self._turn.taken():
            if self._inside == {who} and self._kept is not None:
                self._kept.__exit__(None, None, None)
                self._kept = None
            self._inside.discard(who)


_GENERATORS, _COMPILER = _Generators(), _Compiler()
_FILTERS = Turn()


@contextmanager
def random_state_kept() -> Iterator[None]:
    """As `random_state`, for a run that may draw random numbers but does not depend on which: others may be inside."""
    who = object()
    with undone(partial(_GENERATORS.restore, who)):
        _GENERATORS.keep(who)
        yield


@contextmanager
def compiled_as_written() -> Iterator[None]:
    """Functions that torch compiled run as they were written, so that rules and hooks hear what is inside.

    Also in other threads meanwhile.
    """
    if "torch._dynamo" not in sys.modules:  # nothing was compiled; to load it takes a second
        yield
        return
    who = object()
    with undone(partial(_COMPILER.turn_on, who)):
        _COMPILER.turn_off(who)
        yield


@contextmanager
def random_state() -> Iterator[None]:
    """The random generators of torch, CUDA, NumPy and Python are afterwards what they were before.

    Inside they are this thread's alone, as far as this library is concerned: it may seed them.
    """
    with _GENERATORS.turn.taken(), undone(partial(_set_random_numbers, *_random_numbers())):
        yield


def _random_numbers() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return torch.get_rng_state(), cuda, random.getstate(), np.random.get_state()


def _set_random_numbers(cpu: Tensor, cuda: Any, python: Any, numpy: Any) -> None:
    torch.set_rng_state(cpu)
    if cuda:
        torch.cuda.set_rng_state_all(cuda)
    random.setstate(python)
    np.random.set_state(numpy)


@contextmanager
def warnings_ignored() -> Iterator[None]:
    """No warning is shown. The filters are the whole process's, so one thread at a time is in here."""
    with _FILTERS.taken(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
