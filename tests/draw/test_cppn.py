"""The coordinate network beside a loop over pixels, and in another resolution."""

import math

import pytest
import torch
import torch.nn.functional as F

from canvas_samples import seeded
from featuremaps.draw.colour import MIXING
from featuremaps.draw.cppn import CppnCanvas


def test_equals_a_network_run_pixel_by_pixel() -> None:
    canvas, shape = CppnCanvas(width=4, depth=2), (3, 3, 5)
    parameters = tuple(each.double() for each in canvas.start(2, shape, seeded()))
    parameters = tuple(each + 0.1 for each in parameters)  # no bias is zero
    picture = canvas.picture(parameters, shape)
    # Mean and deviation of the squared arctangent of normal numbers, by sampling.
    square = torch.randn(2_000_000, dtype=torch.float64, generator=seeded()).atan().square()
    mean, deviation = float(square.mean()), float(square.std())
    for row in range(2):
        for y in range(3):
            for x in range(5):
                passed = [(2 * y - 2) / 5 * math.sqrt(3), (2 * x - 4) / 5 * math.sqrt(3)]
                for layer in (0, 2):
                    weight, bias = parameters[layer][row], parameters[layer + 1][row]
                    arcs = [
                        math.atan(sum(float(w) * p for w, p in zip(line, passed, strict=True)) + float(b))
                        for line, b in zip(weight, bias, strict=True)
                    ]
                    passed = [arc / math.sqrt(mean) for arc in arcs] + [(arc**2 - mean) / deviation for arc in arcs]
                values = parameters[4][row] @ torch.tensor(passed, dtype=torch.float64) + parameters[5][row, :, 0]
                expected = (torch.tensor(MIXING, dtype=torch.float64) @ values).sigmoid()
                torch.testing.assert_close(picture[row, :, y, x], expected, rtol=0, atol=2e-3)


def test_the_same_numbers_in_another_resolution_are_the_same_picture() -> None:
    canvas = CppnCanvas()
    parameters = canvas.start(2, (3, 32, 48), seeded())
    small = canvas.picture(parameters, (3, 32, 48))
    large = canvas.picture(parameters, (3, 96, 144))
    torch.testing.assert_close(F.avg_pool2d(large, 3), small, rtol=0, atol=0.02)
    # The middle of every third pixel of the larger one is the middle of a pixel of the smaller.
    torch.testing.assert_close(large[:, :, 1::3, 1::3], small, rtol=0, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 6, 12])
@pytest.mark.parametrize("width", [8, 48])
def test_starts_with_its_contrast_however_deep_and_wide(depth: int, width: int) -> None:
    canvas, shape = CppnCanvas(width=width, depth=depth, contrast=0.2), (1, 40, 40)
    values = canvas.picture(canvas.start(100, shape, seeded()), shape).logit()
    assert float(values.square().mean().sqrt()) == pytest.approx(0.2, rel=0.35)
