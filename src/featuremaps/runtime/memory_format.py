"""How tensors lie in memory while a model runs: channels last where that is quicker; and freed memory that is kept."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from featuremaps.errors import ModelError
from featuremaps.session import Beside, Session, listening

LARGEST_KEPT = 32 * 2**20 - 2**13
"""Bytes; just below glibc's own limit."""

Result = TypeVar("Result")

_LAYOUTS: Beside[torch.memory_format] = Beside()


def quickest(session: Session, run: Callable[[torch.memory_format], Result]) -> Result:
    """`run` with tensors laid out channels last, which convolutions are quicker on; contiguous where that fails.

    A model that reshapes by `.view`, as many do before their first dense layer, asserts that tensors are contiguous or
    steps through their memory by `as_strided`, does not take channels last, and is not asked again.
    """
    if _LAYOUTS.get(session.model, lambda: torch.channels_last) == torch.channels_last:
        try:
            with listening(Striding()):
                return run(torch.channels_last)
        except (RuntimeError, AssertionError, ModelError, StridesError) as error:
            if not refuses_layout(error):
                raise
            _LAYOUTS.set(session.model, torch.contiguous_format)
    return run(torch.contiguous_format)


def keep_freed_memory() -> None:
    """Let the process keep what passes free: handed back and fetched again it costs up to a fifth of their time.

    glibc keeps blocks up to the largest that it saw freed, and up to 32 MB (mallopt(3), M_MMAP_THRESHOLD); this shows
    it one, whose memory is never touched. Elsewhere nothing happens.
    """
    torch.empty(LARGEST_KEPT, dtype=torch.uint8, device="cpu")


def memory_format_of(x: Tensor) -> torch.memory_format:
    """How a tensor lies in memory: channels last or not."""
    last = x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


class StridesError(BaseException):
    """Ends a pass whose model steps through memory that does not lie as its own would; none may catch it."""


class Striding(TorchFunctionMode):
    """Raises `StridesError` where `as_strided`, whose steps are written for contiguous tensors, gets another one."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The function's own result."""
        check_strides(func, args)
        return func(*args, **(kwargs or {}))


def check_strides(func: object, args: Sequence[object]) -> None:
    """See `Striding`."""
    if getattr(func, "__name__", "").startswith("as_strided") and args:
        tensor = args[0]
        if isinstance(tensor, Tensor) and not tensor.is_contiguous():
            raise StridesError


def refuses_layout(error: BaseException) -> bool:
    """Whether a model failed because a tensor lies in another layout: looked at by `.view`, asserted or strided."""
    asserts = isinstance(error, AssertionError) or isinstance(error.__cause__, AssertionError)
    return isinstance(error, StridesError) or asserts or bool(re.search(r"view size is not|contiguous", str(error)))
