"""The names of a model's outputs, in the forms that people keep them in."""

import numpy as np
import pytest

from featuremaps.errors import OptionError
from featuremaps.outputs.class_names import names_in_order

PETS = ("cat", "dog", "hen")


@pytest.mark.parametrize(
    "given",
    [
        ["cat", "dog", "hen"],
        np.array(PETS),
        {2: "hen", 0: "cat", 1: "dog"},
        {"0": "cat", "1": "dog", "2": "hen"},
        {"hen": 2, "cat": 0, "dog": 1},
    ],
)
def test_names_come_in_the_order_of_the_outputs(given: object) -> None:
    names = names_in_order(given)
    assert names == PETS
    assert {type(name) for name in names} == {str}


def test_none_are_none_and_numbers_are_names() -> None:
    assert names_in_order(None) is None
    assert names_in_order([7, 8]) == ("7", "8")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("cat", "not a single text"),
        ({"cat", "dog"}, "a set, which has no order"),
        ({1: "cat", 2: "dog"}, "the numbers 0 to 1"),
        ({"cat": 0, "dog": 0}, "one of each output"),
        ({"a": "cat"}, "a list of names in the order of the outputs"),
    ],
)
def test_names_without_an_order_are_refused(given: object, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        names_in_order(given)
