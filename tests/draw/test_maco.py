"""The spectrum of MaCo pictures is the prescribed one, whatever the phases."""

import math
from functools import cache

import pytest
import torch

from canvas_samples import SHAPES, seeded
from featuremaps.draw.canvas import Shape
from featuremaps.draw.colour import DEVIATION, MIXING, decorrelate
from featuremaps.draw.maco import MacoCanvas
from featuremaps.draw.spectrum import natural_amplitude

SIZES = [*SHAPES, (3, 224, 224), (1, 97, 60)]


@cache
def slow_amplitudes(height: int, width: int) -> torch.Tensor:
    lengths = torch.zeros(height, width, dtype=torch.float64)
    for row in range(height):
        for column in range(width):
            down, across = min(row, height - row) / height, min(column, width - column) / width
            lengths[row, column] = max(math.hypot(down, across), 1 / max(height, width))
    found = natural_amplitude(lengths)
    return found / found.square().mean().sqrt()


@pytest.mark.parametrize("shape", SIZES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_spectrum_is_the_natural_one(shape: Shape, dtype: torch.dtype) -> None:
    canvas = MacoCanvas()
    (numbers,) = canvas.start(2, shape, seeded())
    numbers = numbers.to(dtype) * 3 + 0.1  # as after many steps
    values = canvas.values((numbers,), shape).double()
    parts = decorrelate(values) / (DEVIATION * canvas.contrast)
    found = torch.fft.fft2(parts, norm="ortho").abs()
    expected = slow_amplitudes(shape[1], shape[2]).expand_as(found).clone()
    for row in {0, shape[1] / 2}:
        for column in {0, shape[2] / 2}:
            if row == int(row) and column == int(column):  # no phase: anything up to the magnitude
                place = (..., int(row), int(column))
                expected[place] = expected[place] * numbers[place].double().cos().abs()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.mean()))


def test_colours_and_contrast_are_those_of_photographs() -> None:
    canvas, shape = MacoCanvas(), (3, 64, 64)
    values = canvas.values(tuple(each.double() for each in canvas.start(200, shape, seeded())), shape)
    mixing = torch.tensor(MIXING, dtype=torch.float64) * DEVIATION
    found = torch.cov(values.movedim(1, 0).flatten(1))
    torch.testing.assert_close(found, mixing @ mixing.T, rtol=0.1, atol=0.002)


def test_the_picture_is_the_sigmoid_of_the_values_with_their_contrast() -> None:
    canvas, shape = MacoCanvas(contrast=0.05), (1, 32, 32)
    parameters = canvas.start(1, shape, seeded())
    shown = canvas.picture(parameters, shape) - 0.5
    torch.testing.assert_close(shown, canvas.values(parameters, shape), rtol=0.02, atol=1e-5)


def test_phases_are_all_equally_likely_at_the_start() -> None:
    (numbers,) = MacoCanvas().start(1, (1, 200, 200), seeded())
    assert -math.pi <= float(numbers.min()) < -3.1
    assert 3.1 < float(numbers.max()) <= math.pi
    assert float(numbers.mean()) == pytest.approx(0, abs=0.05)
    turned = torch.fft.fft2(MacoCanvas().values((numbers,), (1, 200, 200)))[0, 0, 1:100, 1:100]
    assert abs(complex((turned / turned.abs()).mean())) < 0.03
