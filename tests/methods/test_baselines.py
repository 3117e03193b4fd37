"""What a picture is compared with."""

import itertools
import math

import pytest
import torch

from featuremaps.methods.baselines import baseline_of
from method_samples import noise


def test_baselines() -> None:
    x = noise(2, (12, 40))
    assert not baseline_of(x, "zero").any()
    mean = baseline_of(x, "mean")
    assert mean.shape == x.shape
    torch.testing.assert_close(mean[:, :, 3, 5], x.mean((2, 3)))
    assert float(mean.flatten(2).std(2).max()) < 1e-6


def test_blur_keeps_a_flat_picture_and_smooths_any_size() -> None:
    torch.testing.assert_close(baseline_of(torch.full((1, 3, 40, 40), 0.7), "blur"), torch.full((1, 3, 40, 40), 0.7))
    for size in ((12, 40), (64, 64)):
        x = noise(1, size)
        blurred = baseline_of(x, "blur")
        assert blurred.shape == x.shape
        assert float(blurred.std()) < 0.5 * float(x.std())


def test_the_blur_is_a_gaussian_of_a_tenth_of_the_side_over_a_mirrored_picture() -> None:
    x = torch.rand(1, 2, 20, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    blurred = baseline_of(x, "blur")
    sigma, reach = 2.0, 5
    weights = {
        (i, j): math.exp(-(i * i + j * j) / (2 * sigma**2))
        for i in range(-reach, reach + 1)
        for j in range(-reach, reach + 1)
    }
    for row, column in ((0, 0), (7, 15), (19, 29)):
        near = [(abs(row + i), abs(column + j), weight) for (i, j), weight in weights.items()]
        mirrored = [(min(r, 38 - r), min(c, 58 - c), weight) for r, c, weight in near]
        expected = sum(weight * x[0, 1, r, c] for r, c, weight in mirrored) / sum(weights.values())
        torch.testing.assert_close(blurred[0, 1, row, column], expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("space", [(30,), (10, 12, 14)])
def test_signals_and_volumes_are_blurred_along_every_axis(space: tuple[int, ...]) -> None:
    x = torch.rand(1, 2, *space, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    blurred = baseline_of(x, "blur")
    sigma = min(space) / 10
    reach = round(2.5 * sigma)
    steps = range(-reach, reach + 1)
    weights = [math.exp(-(i * i) / (2 * sigma**2)) for i in steps]

    def mirrored(place: int, length: int) -> int:
        place = abs(place)
        return 2 * (length - 1) - place if place >= length else place

    for place in itertools.product(*[(0, length // 2, length - 1) for length in space]):
        expected = 0.0
        for offsets in itertools.product(steps, repeat=len(space)):
            near = [mirrored(p + o, length) for p, o, length in zip(place, offsets, space, strict=True)]
            weight = math.prod(weights[o + reach] for o in offsets)
            expected += weight * float(x[(0, 1, *near)]) / sum(weights) ** len(space)
        assert float(blurred[(0, 1, *place)]) == pytest.approx(expected, rel=1e-6)
