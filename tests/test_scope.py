"""A scope's own promises; what its verbs compute is tested beside the functions they call."""

import numpy as np
import pytest
import torch
from torch import nn

from featuremaps import Scope


def random_state() -> tuple[bytes, tuple[bytes, int]]:
    """Of torch and NumPy; run-time type checks draw from Python's own random numbers."""
    numpy = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), (numpy[1].tobytes(), numpy[2])


def chancy(image):
    """Torn between torch and NumPy, as random crops and jitters are."""
    return torch.rand(3, 8, 8) + float(np.random.rand())


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_random_transform_leaves_no_trace(interrupted: bool) -> None:
    def transform(image):
        drawn = chancy(image)
        if interrupted:
            raise KeyboardInterrupt
        return drawn

    scope = Scope(nn.Conv2d(3, 2, 3), transform)
    pictures = [np.zeros((8, 8, 3), np.uint8)] * 2
    before = random_state()
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            scope.see(pictures)
    else:
        first, second = scope.see(pictures).seen
        assert not torch.equal(first.input, second.input)
    assert random_state() == before
    chancy(None)
    assert all(now != then for now, then in zip(random_state(), before, strict=True))
