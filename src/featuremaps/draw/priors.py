"""What can be told from drawn pictures alone: noise, clipped colours, and the two priors that keep pictures natural.

Pictures are (batch, channel, height, width) with values 0 to 1; every measure has a value for each.
"""

import torch
from jaxtyping import Float
from torch import Tensor

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue, as of a screen (Rec. 709), here of the stored values."""
FINE = 0.25
"""Cycles per pixel from which structure is fine: half the highest that a row of pixels can hold."""
HALF_LEVEL = 0.5 / 255


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


def alpha_norm(
    pictures: Float[Tensor, "batch channel height width"], alpha: int | float = 6, centre: int | float = 0.5
) -> Float[Tensor, " batch"]:
    """Σ |x|^α with x = value − centre: what keeps values in their range (Mahendran & Vedaldi 2015, section 2.2).

    The paper's x has the mean of photographs taken off; `centre` stands for it.
    """
    return (pictures - centre).abs().pow(alpha).sum((1, 2, 3))


def total_variation(
    pictures: Float[Tensor, "batch channel height width"], beta: int | float = 2
) -> Float[Tensor, " batch"]:
    """Σ ((x right − x)² + (x below − x)²)^(β/2): what keeps pictures smooth (Mahendran & Vedaldi 2015, section 2.2).

    The sum is over all pixels and channels; a neighbour outside the picture adds nothing.
    """
    right = torch.nn.functional.pad(pictures.diff(dim=3), (0, 1))
    below = torch.nn.functional.pad(pictures.diff(dim=2), (0, 0, 0, 1))
    squares = right.square() + below.square()
    if beta < 2:
        # The slope of a root is infinite at 0; flat places should have none.
        squares = squares.where(squares > 0, 1).pow(beta / 2) * (squares > 0)
    else:
        squares = squares.pow(beta / 2)
    return squares.sum((1, 2, 3))
