"""Batches of pictures: one size together, no more than asked for, fewer where memory is short."""

import pytest
import torch

from featuremaps.errors import ModelError, OptionError
from featuremaps.pictures.load import Picture
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches, out_of_memory

INPUTS = [
    Seen.of(Picture("", tensor=tensor), tensor, Preprocessing())
    for tensor in (torch.full((1, 2 + i % 2, 2), float(i)) for i in range(7))
]


def test_pictures_of_one_size_run_together() -> None:
    made = list(batches(INPUTS, 3, "testing"))
    assert [batch.rows for batch in made] == [[0, 2, 4], [6], [1, 3, 5]]
    for batch in made:
        assert batch.inputs[:, 0, 0, 0].tolist() == [float(row) for row in batch.rows]


def test_batches_are_halved_where_memory_is_short() -> None:
    tried, done = [], []
    for batch in batches(INPUTS[::2], 4, "testing"):
        with batch:
            tried.append(len(batch.inputs))
            if len(batch.inputs) > 1:
                raise torch.OutOfMemoryError("full")
            done += batch.rows
    assert done == [0, 1, 2, 3]
    assert tried == [4, 2, 1, 1, 2, 1, 1]


def run_into(error: Exception) -> None:
    for batch in batches(INPUTS, 2, "testing"):
        with batch:
            raise error


def test_errors() -> None:
    with pytest.raises(ModelError, match="memory ran out on a single picture"):
        run_into(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        run_into(RuntimeError("shapes differ"))
    with pytest.raises(OptionError, match="batch_size is how many pictures run together, 1 or more; got 0"):
        list(batches(INPUTS, 0, "testing"))
    assert not out_of_memory(ValueError("no"))
