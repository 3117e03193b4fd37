"""The Fourier canvas beside an explicit sum of cosines, and the same contrast at every size."""

import math

import pytest
import torch

from canvas_samples import seeded
from featuremaps.draw.colour import MIXING
from featuremaps.draw.fourier import FourierCanvas


@pytest.mark.parametrize("shape", [(3, 5, 6), (1, 4, 3)], ids=str)
def test_equals_a_sum_of_cosines(shape: tuple[int, int, int]) -> None:
    canvas = FourierCanvas(decay=1.2, deviation=0.7, contrast=1.5)
    (numbers,) = (each.double() for each in canvas.start(1, shape, seeded()))
    channels, height, width = shape
    scale = torch.zeros(height, width, dtype=torch.float64)
    for row in range(height):
        for column in range(width):
            down, across = min(row, height - row) / height, min(column, width - column) / width
            scale[row, column] = 1 / max(math.hypot(down, across), 1 / max(height, width)) ** 1.2
    scale /= math.sqrt(sum(float(each) ** 2 for each in scale.flatten()) / (height * width))
    mixing = torch.tensor(MIXING, dtype=torch.float64) if channels == 3 else torch.eye(1, dtype=torch.float64)

    expected = torch.zeros(shape, dtype=torch.float64)
    for y in range(height):
        for x in range(width):
            parts = torch.zeros(channels, dtype=torch.float64)
            for row in range(height):
                for column in range(width):
                    angle = 2 * math.pi * (row * y / height + column * x / width)
                    # A cosine and a sine of the same strength are one cosine, an eighth of a turn later.
                    wave = math.sqrt(2) * math.cos(angle - math.pi / 4)
                    parts += numbers[0, :, row, column] * scale[row, column] * wave
            values = mixing @ parts / math.sqrt(height * width)
            expected[:, y, x] = 1 / (1 + (-6.2 * (1.5 * values / 6.2).tanh()).exp())
    torch.testing.assert_close(canvas.picture((numbers,), shape)[0], expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("decay", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_starts_equally_contrasted_at_every_size(decay: float, channels: int) -> None:
    canvas = FourierCanvas(decay=decay, deviation=0.1)
    found = []
    for size in ((33, 33), (96, 96), (224, 224), (60, 201)):
        shape = (channels, *size)
        picture = canvas.picture(canvas.start(40, shape, seeded()), shape)
        # Around each pixel's mean over pictures: one picture of low waves alone varies about the constant.
        found.append(float((picture - 0.5).square().mean().sqrt()))
    expected = 0.1 * canvas.contrast / 4  # the sigmoid's slope
    assert found == pytest.approx([expected] * len(found), rel=0.15)


def test_a_first_step_of_adam_changes_every_size_as_much() -> None:
    changes = []
    for size in (48, 192):
        canvas, shape = FourierCanvas(), (1, size, size)
        (numbers,) = canvas.start(8, shape, seeded())
        before = canvas.picture((numbers,), shape)
        signs = torch.randn(numbers.shape, generator=seeded(1)).sign()
        changes.append(float((canvas.picture((numbers + canvas.rate * signs,), shape) - before).std()))
    assert changes[0] == pytest.approx(changes[1], rel=0.1)
    assert changes[0] > 0.01


def test_a_size_of_a_large_prime_is_part_of_a_quicker_one() -> None:
    canvas = FourierCanvas()
    (numbers,) = canvas.start(1, (3, 67, 70), torch.Generator().manual_seed(0))
    assert numbers.shape == (1, 3, 70, 70)
    picture = canvas.picture((numbers,), (3, 67, 70))
    assert torch.equal(picture, canvas.picture((numbers,), (3, 70, 70))[:, :, :67])


def test_no_colour_is_clipped_however_far_a_climb_goes() -> None:
    canvas = FourierCanvas(contrast=50.0, deviation=10.0)
    picture = canvas.picture(canvas.start(1, (3, 16, 16), seeded()), (3, 16, 16))
    levels = (picture * 255).round()
    assert levels.min() == 1
    assert levels.max() == 254
