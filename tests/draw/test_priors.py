"""Measures of pictures against loops written from their definitions."""

import cmath
import math
from pathlib import Path

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.priors import alpha_norm, total_variation
from method_samples import photographs

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue, as of a screen (Rec. 709), here of the stored values."""
FINE = 0.25
"""Cycles per pixel from which structure is fine: half the highest that a row of pixels can hold."""
HALF_LEVEL = 0.5 / 255
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def rand(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def luminance(pictures: Float[Tensor, "batch channel height width"]) -> Float[Tensor, "batch height width"]:
    """How bright each pixel is: the weighted sum of three colours, the mean of any other number of channels."""
    if pictures.shape[1] != 3:
        return pictures.mean(1)
    return torch.einsum("bchw,c->bhw", pictures, torch.tensor(LUMINANCE).to(pictures))


def high_frequency_energy(pictures: Float[Tensor, "batch channel height width"]) -> Float[Tensor, " batch"]:
    """The share of the luminance's spectral energy above 0.25 cycles per pixel, its mean left out; 0 for a flat one.

    The spectrum is that of the picture repeated without end, so a picture whose opposite edges differ has a little
    more. White noise, whose energy is alike everywhere, has 1 − π/16 = 0.80; photographs have about 0.01.
    """
    shades = luminance(pictures).double()
    height, width = shades.shape[1:]
    energy = torch.fft.fft2(shades - shades.mean((1, 2), keepdim=True)).abs().square()
    down, across = (torch.fft.fftfreq(size, device=shades.device).double() for size in (height, width))
    fine = torch.hypot(down[:, None], across) > FINE
    whole = energy.sum((1, 2))
    # What rounding leaves of a flat picture is no structure.
    told = whole > 1e-12 * (height * width) ** 2
    return torch.where(told, (energy * fine).sum((1, 2)) / whole.where(told, 1), 0.0).to(pictures)


def clipped(pictures: Float[Tensor, "batch channel height width"]) -> Float[Tensor, " batch"]:
    """The share of values that 8 bits hold as the lowest or highest level: at most ½/255, or at least 1 − ½/255."""
    ends = (pictures <= HALF_LEVEL) | (pictures >= 1 - HALF_LEVEL)
    return ends.to(pictures).mean((1, 2, 3))


def slow_high_frequency(picture: Tensor) -> float:
    """One Fourier coefficient after the other, of grey values without their mean."""
    channels, height, width = picture.shape
    weights = (0.2126, 0.7152, 0.0722) if channels == 3 else (1 / channels,) * channels
    grey = sum(w * channel for w, channel in zip(weights, picture.double(), strict=True))
    grey = (grey - grey.mean()).tolist()
    fine = whole = 0.0
    for v in range(height):
        for u in range(width):
            coefficient = sum(
                grey[y][x] * cmath.exp(-2j * math.pi * (v * y / height + u * x / width))
                for y in range(height)
                for x in range(width)
            )
            down, across = min(v, height - v) / height, min(u, width - u) / width
            whole += abs(coefficient) ** 2
            if math.sqrt(down**2 + across**2) > 0.25:
                fine += abs(coefficient) ** 2
    return fine / whole


@pytest.mark.parametrize("shape", [(3, 7, 8), (1, 8, 5), (4, 6, 6)])
def test_high_frequency_energy_is_the_definition(shape: tuple[int, int, int]) -> None:
    pictures = rand(2, *shape)
    expected = [slow_high_frequency(picture) for picture in pictures]
    torch.testing.assert_close(high_frequency_energy(pictures), torch.tensor(expected), rtol=1e-5, atol=1e-6)


def test_high_frequency_energy_of_known_pictures(shared: Path) -> None:
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    board = ((x + y) % 2).float().expand(1, 3, 64, 64)
    coarse = (0.5 + 0.4 * torch.sin(2 * math.pi * 4 * x / 64)).expand(1, 3, 64, 64)
    flat = torch.full((1, 3, 64, 64), 0.3)
    known = high_frequency_energy(torch.cat([board, coarse, flat]))
    torch.testing.assert_close(known, torch.tensor([1.0, 0.0, 0.0]), atol=1e-6, rtol=0)
    assert float(high_frequency_energy(rand(4, 3, 128, 128)).mean()) == pytest.approx(1 - math.pi / 16, abs=0.01)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    photos = photographs(shared, (0, 100, 280, 400, 700)) * std + mean
    assert float(high_frequency_energy(photos).median()) < 0.03
    assert float(high_frequency_energy(photos + rand(*photos.shape)).min()) > 0.1


def test_luminance_weighs_colours_and_averages_other_channels() -> None:
    pure = torch.eye(3)[..., None, None]
    torch.testing.assert_close(luminance(pure).flatten(), torch.tensor([0.2126, 0.7152, 0.0722]))
    assert luminance(torch.tensor([[0.0, 1.0]]).reshape(1, 2, 1, 1)).item() == 0.5


def test_clipped_counts_what_a_file_would_hold_as_0_or_255() -> None:
    levels = torch.tensor([0.0, 0.4, 0.6, 128.0, 254.4, 254.6, 255.0, 300.0]) / 255
    assert clipped(levels.reshape(1, 1, 2, 4)).tolist() == [5 / 8]
    pictures = rand(3, 3, 9, 9)
    pictures[1] = 1.0
    expected = [
        sum(value <= 0.5 / 255 or value >= 1 - 0.5 / 255 for value in picture.flatten().tolist()) / 243
        for picture in pictures
    ]
    torch.testing.assert_close(clipped(pictures), torch.tensor(expected))


@pytest.mark.parametrize("beta", [1, 1.5, 2, 3])
def test_total_variation_is_the_definition(beta: float) -> None:
    pictures = rand(2, 3, 4, 5)
    expected = []
    for picture in pictures.tolist():
        total = 0.0
        for channel in picture:
            for i in range(4):
                for j in range(5):
                    right = channel[i][j + 1] - channel[i][j] if j < 4 else 0.0
                    below = channel[i + 1][j] - channel[i][j] if i < 3 else 0.0
                    total += (right**2 + below**2) ** (beta / 2)
        expected.append(total)
    torch.testing.assert_close(total_variation(pictures, beta), torch.tensor(expected))


@pytest.mark.parametrize(("alpha", "centre"), [(6, 0.5), (2, 0.0), (1, 0.4)])
def test_alpha_norm_is_the_definition(alpha: float, centre: float) -> None:
    pictures = rand(2, 3, 4, 5)
    expected = [sum(abs(value - centre) ** alpha for value in picture.flatten().tolist()) for picture in pictures]
    torch.testing.assert_close(alpha_norm(pictures, alpha, centre), torch.tensor(expected))


@pytest.mark.parametrize("beta", [1, 1.5, 2, 3])
def test_gradients_are_right_and_finite_where_pictures_are_flat(beta: float) -> None:
    pictures = rand(1, 2, 4, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: total_variation(x, beta), pictures)
    assert torch.autograd.gradcheck(alpha_norm, pictures)
    flat = torch.full((1, 3, 4, 4), 0.5, requires_grad=True)
    (total_variation(flat, beta).sum() + alpha_norm(flat).sum()).backward()
    assert flat.grad is not None
    assert not flat.grad.any()


def test_one_by_one_is_as_together_and_types_are_kept() -> None:
    pictures = rand(3, 3, 8, 8)
    for measure in (high_frequency_energy, clipped, alpha_norm, total_variation):
        torch.testing.assert_close(measure(pictures), torch.cat([measure(one[None]) for one in pictures]))
        assert measure(pictures.double()).dtype == torch.float64
        assert measure(rand(2, 1, 1, 1)).shape == (2,)
