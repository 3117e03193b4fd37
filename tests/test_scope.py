"""A scope's own promises; what its verbs compute is tested beside the functions they call."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import featuremaps as fm
from featuremaps import Scope
from method_samples import Little


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


@pytest.mark.parametrize("verb", ["seen", "original", "report"])
def test_a_picture_is_transformed_once(verb: str, tmp_path: Path) -> None:
    """Whatever is drawn on it; all other runs of the transform are of pictures made to find out what it does."""
    noise = np.random.default_rng(0)
    pictures = [noise.integers(0, 255, (40, 30 + i, 3), np.uint8) for i in range(3)]
    seen: Counter[bytes] = Counter()

    def transform(image):
        seen[image.tobytes()] += 1
        small = image.resize((12, 12))
        return torch.from_numpy(np.array(small)).permute(2, 0, 1) / 255

    scope = Scope(Little(), transform)
    if verb == "report":
        scope.report(pictures, tmp_path / "report.html", methods=["grad_cam", "saliency"], layers="features")
    else:
        scope.explain(pictures, layer="features").overlay(on=verb)
    assert [seen[picture.tobytes()] for picture in pictures] == [1, 1, 1]


def test_the_front_door_shows_the_public_names_only() -> None:
    assert dir(fm) == sorted(fm.__all__)
    assert "Survey" in dir(fm)
