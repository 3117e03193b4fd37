"""Running models, every run of one through here, so that the pictures that enter them can be counted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import local
from typing import Any

import torch
from torch import Tensor

_THREAD = local()


@dataclass
class Count:
    """How many pictures entered models so far."""

    pictures: int = 0


@contextmanager
def counting() -> Iterator[Count]:
    """Counts the pictures that enter any model in this thread; counts may lie within one another."""
    count, outer = Count(), getattr(_THREAD, "counts", ())
    _THREAD.counts = (*outer, count)
    try:
        yield count
    finally:
        _THREAD.counts = outer


def run(model: Callable[..., Any], *inputs: Any) -> Any:
    """What a model gives for these inputs."""
    if counts := getattr(_THREAD, "counts", ()):  # a size that is asked for is fixed while torch exports
        pictures = next((len(each) for each in inputs if isinstance(each, Tensor) and each.ndim), 0)
        for count in counts:
            count.pictures += pictures
    return model(*inputs)


def exporting() -> bool:
    """Whether torch makes a graph of what runs, to export it; torch 2.6 does not tell that from compiling it."""
    return bool(getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)())
