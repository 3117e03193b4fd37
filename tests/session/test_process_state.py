"""What belongs to the whole process is afterwards as it was: random numbers and the filters of warnings."""

import random
import warnings
from contextlib import ExitStack

import numpy as np
import pytest
import torch

from featuremaps.session.process_state import random_state, random_state_kept, warnings_ignored


def drawn() -> tuple[float, float, float]:
    """The next number of each generator."""
    return float(torch.rand(())), random.random(), float(np.random.rand())


def seeded() -> None:
    """Every generator at one state."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)


@pytest.mark.parametrize("keeping", [random_state, random_state_kept])
@pytest.mark.parametrize("failure", [False, True])
def test_numbers_that_were_drawn_inside_are_drawn_again(keeping: object, failure: bool) -> None:
    seeded()
    expected = drawn()
    seeded()
    with ExitStack() as stack:
        if failure:
            stack.enter_context(pytest.raises(ValueError, match="inside"))
        stack.enter_context(keeping())  # type: ignore[operator]
        assert drawn() == expected
        torch.manual_seed(7)
        if failure:
            raise ValueError("inside")
    assert drawn() == expected


def test_the_last_of_several_restores_what_the_first_found() -> None:
    seeded()
    expected = drawn()
    seeded()
    first, second = random_state_kept(), random_state_kept()
    first.__enter__()
    drawn()
    second.__enter__()
    first.__exit__(None, None, None)
    assert drawn() != expected  # the second still runs
    second.__exit__(None, None, None)
    assert drawn() == expected


def test_no_warning_is_shown_inside_and_the_filters_come_back() -> None:
    before = list(warnings.filters)
    with warnings_ignored():
        warnings.warn("unheard", stacklevel=1)
    assert list(warnings.filters) == before
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)
