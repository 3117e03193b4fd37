"""What modules hold comes back: buffers by value, parameters and flags as they were, order kept, no more touched."""

from collections import UserDict
from typing import Any

import pytest
import torch
from torch import nn

from featuremaps.errors import ModelError
from featuremaps.session.held_tensors import HeldTensors, put_back


class Writes(UserDict[str, int]):
    """A dict that counts what is written to it."""

    writes = 0

    def __setitem__(self, key: str, value: int) -> None:
        self.writes += 1
        super().__setitem__(key, value)


@pytest.mark.parametrize("held", [{}, {"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 9, "b": 2, "c": 3}, {"c": 3, "b": 2}])
def test_a_dict_is_what_it_was_in_its_order(held: dict[str, int]) -> None:
    before = {"a": 1, "b": 2}
    put_back(held, before)
    assert list(held.items()) == list(before.items())


def test_what_does_not_differ_is_not_written() -> None:
    held = Writes({"a": 1, "b": 2})
    held.writes = 0
    put_back(held, {"a": 1, "b": 2})
    assert held.writes == 0
    held["b"] = 5
    put_back(held, {"a": 1, "b": 2})
    assert held.writes == 2
    assert dict(held) == {"a": 1, "b": 2}


def test_buffers_flags_gradients_and_the_tensors_themselves_come_back() -> None:
    model = nn.BatchNorm1d(3)
    mean, weight = model.running_mean, model.weight
    assert mean is not None
    before = mean.clone()
    held = HeldTensors(model)
    mean.add_(1)
    model.running_mean = torch.zeros(3) + 5
    weight.requires_grad_(False)
    weight.grad = torch.ones(3)
    model.weight = nn.Parameter(torch.zeros(3))
    for _ in range(2):  # it may be called again
        held.restore()
        assert model.running_mean is mean
        assert torch.equal(mean, before)
        assert model.weight is weight
        assert weight.requires_grad
        assert weight.grad is None
    held.check_unwritten()


def test_parameters_that_were_written_to_are_named_and_counters_are_put_back() -> None:
    model: Any = nn.Linear(2, 2)
    model.seed = nn.Parameter(torch.tensor([3]), requires_grad=False)
    held = HeldTensors(model)
    model.seed.data.add_(1)
    with torch.no_grad():
        model.seed.add_(1)
        model.bias.zero_()
    held.restore()
    assert model.seed.item() == 3
    with pytest.raises(ModelError, match="wrote to its own parameter bias although"):
        held.check_unwritten()
