"""Batches of pictures: one size together, no more than asked for, fewer where memory is short."""

import pytest
import torch
from torch import Tensor

from featuremaps.chunks import in_chunks, out_of_memory
from featuremaps.errors import ModelError, OptionError

INPUTS = [torch.full((1, 2 + i % 2, 2), float(i)) for i in range(7)]


def marks(batch: Tensor, indices: list[int]) -> list[int]:
    assert batch[:, 0, 0, 0].tolist() == [float(index) for index in indices]
    return indices


def test_pictures_of_one_size_run_together() -> None:
    assert [indices for indices, _ in in_chunks(INPUTS, 3, marks)] == [[0, 2, 4], [6], [1, 3, 5]]


def test_chunks_are_halved_where_memory_is_short() -> None:
    tried = []

    def tight(batch: Tensor, indices: list[int]) -> int:
        tried.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("full")
        return indices[0]

    assert [found for _, found in in_chunks(INPUTS[::2], 4, tight)] == [0, 1, 2, 3]
    assert tried == [4, 2, 1, 1, 2, 1, 1]


def test_errors() -> None:
    def full(batch: Tensor, indices: list[int]) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes")

    def broken(batch: Tensor, indices: list[int]) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(ModelError, match="memory ran out on a single picture"):
        list(in_chunks(INPUTS, 2, full))
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(in_chunks(INPUTS, 2, broken))
    with pytest.raises(OptionError, match="batch_size is how many pictures run together, 1 or more; got 0"):
        list(in_chunks(INPUTS, 0, marks))
    assert not out_of_memory(ValueError("no"))
