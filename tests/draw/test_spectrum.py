"""Sums of waves beside explicit cosines, and the natural spectrum beside photographs."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from featuremaps.draw.spectrum import frequencies, half_plane, levelled, natural_amplitude, quick_length, waves

SIZES = [(8, 8), (7, 5), (6, 9), (1, 4), (3, 1), (1, 1)]


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def slow_frequency(row: int, column: int, height: int, width: int) -> float:
    down, across = min(row, height - row) / height, min(column, width - column) / width
    return max(math.sqrt(down**2 + across**2), 1 / max(height, width))


def slow_waves(numbers: Tensor, amplitudes: Tensor) -> Tensor:
    height, width = numbers.shape
    total = torch.zeros_like(numbers)
    for row in range(height):
        for column in range(width):
            for y in range(height):
                for x in range(width):
                    angle = 2 * math.pi * (row * y / height + column * x / width)
                    wave = math.cos(angle) + math.sin(angle)
                    total[y, x] += numbers[row, column] * amplitudes[row, column] * wave
    return total / math.sqrt(height * width)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_frequencies_one_by_one(height: int, width: int) -> None:
    found = frequencies(height, width, noise(1))
    for row in range(height):
        for column in range(width):
            assert float(found[row, column]) == pytest.approx(slow_frequency(row, column, height, width))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_waves_are_an_explicit_sum_of_cosines(height: int, width: int) -> None:
    numbers = noise(2, height, width)
    amplitudes = frequencies(height, width, numbers) ** -1.3
    expected = torch.stack([slow_waves(row, amplitudes) for row in numbers])
    torch.testing.assert_close(waves(numbers, amplitudes), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_without_amplitudes_waves_keep_lengths_and_undo_themselves(height: int, width: int) -> None:
    numbers, flat = noise(height, width), torch.ones(height, width, dtype=torch.float64)
    there = waves(numbers, flat)
    assert float(there.norm()) == pytest.approx(float(numbers.norm()))
    torch.testing.assert_close(waves(there, flat), numbers, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_half_plane_pairs_opposite_frequencies(height: int, width: int) -> None:
    numbers = noise(height, width)
    here, opposite = half_plane(numbers)
    assert here.shape == opposite.shape == (height, width // 2 + 1)
    for row in range(height):
        for column in range(width // 2 + 1):
            assert here[row, column] == numbers[row, column]
            assert opposite[row, column] == numbers[-row % height, -column % width]


def test_levelled_amplitudes_make_noise_of_variance_1_at_any_size() -> None:
    for size in ((16, 16), (33, 20), (96, 96), (224, 224)):
        amplitudes = levelled(frequencies(*size, noise(1)) ** -1)
        assert float(amplitudes.square().mean()) == pytest.approx(1)
        drawn = waves(noise(64, *size), amplitudes)
        assert float(drawn.square().mean()) == pytest.approx(1, rel=0.15)


def test_natural_amplitude_is_that_of_photographs(shared: Path) -> None:
    files = sorted((shared / "images" / "imagenet").glob("*.jpg"))[::4]
    size = 224
    window = torch.hann_window(size, periodic=False, dtype=torch.float64)
    window = window[:, None] * window
    power = torch.zeros(size, size, dtype=torch.float64)
    for file in files:
        pixels = torch.from_numpy(np.asarray(Image.open(file).convert("RGB"), np.float64) / 255).permute(2, 0, 1)
        top, left = (pixels.shape[1] - size) // 2, (pixels.shape[2] - size) // 2
        part = pixels[:, top : top + size, left : left + size]
        mean = (part * window).sum((1, 2), keepdim=True) / window.sum()
        power += torch.fft.fft2((part - mean) * window).abs().square().mean(0)
    frequency = frequencies(size, size, power)
    edges = torch.tensor([0.015, 0.03, 0.06, 0.12, 0.25, 0.5, 0.7], dtype=torch.float64)
    ratios = []
    for low, high in pairwise(edges):
        ring = (frequency >= low) & (frequency < high)
        ratios.append(float((power[ring].mean() / natural_amplitude(frequency[ring]).square().mean()).sqrt()))
    spread = torch.tensor(ratios) / torch.tensor(ratios).log().mean().exp()
    assert float(spread.min()) > 0.8
    assert float(spread.max()) < 1.25  # over a range of amplitudes of more than a hundred


def test_quick_lengths_are_products_of_small_primes() -> None:
    def smooth(length: int) -> bool:
        return all(
            prime <= 7
            for prime in range(2, length + 1)
            if length % prime == 0 and all(prime % d for d in range(2, prime))
        )

    for length in range(64, 400):
        found = quick_length(length)
        assert smooth(found)
        assert found == next(other for other in range(length, 500) if smooth(other))
    assert [quick_length(length) for length in (1, 17, 61)] == [1, 17, 61]
