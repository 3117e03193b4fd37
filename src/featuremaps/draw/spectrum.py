"""Pictures as sums of waves: the frequencies there are at a size, how strong each is in photographs, and the way back.

A wave is described by two real numbers, at its frequency and at the opposite one. The transform is orthonormal (a
Hartley transform), so that contrast does not depend on the size of the picture.
"""

import torch
from jaxtyping import Float
from torch import Tensor

# Fitted to the root mean square of the Fourier transform of the photographs that `colour.COVARIANCE` was measured on
# (224 px from their middle under a Hann window, all directions), 0.013 to 0.7 cycles per pixel: within 8%.
_SLOPE, _KNEE, _ROLL_OFF = 1.25, 0.83, 3.4

SHORT = 64
"""Below this, a transform costs next to nothing whatever the length."""


def natural_amplitude(frequency: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """How strong waves of a frequency (cycles per pixel, above 0) are in photographs, up to a common factor."""
    return frequency**-_SLOPE / (1 + (frequency / _KNEE) ** _ROLL_OFF)


def frequencies(height: int, width: int, like: Tensor) -> Float[Tensor, "{height} {width}"]:
    """The length of every frequency in cycles per pixel, of the dtype and on the device of `like`.

    The constant, which has none, is given the lowest frequency that fits the longer side.
    """
    down = torch.fft.fftfreq(height, dtype=like.dtype, device=like.device)
    across = torch.fft.fftfreq(width, dtype=like.dtype, device=like.device)
    return torch.hypot(down[:, None], across).clamp(min=1 / max(height, width))


def levelled(amplitudes: Float[Tensor, "height width"]) -> Float[Tensor, "height width"]:
    """Amplitudes with a root mean square of 1: numbers of variance 1 times these make pictures of variance 1."""
    return amplitudes / amplitudes.square().mean().sqrt()


def half_plane(numbers: Float[Tensor, "*rows height width"]) -> tuple[Tensor, Tensor]:
    """The numbers at the frequencies that a real transform keeps, and at their opposites: two of (…, height, half)."""
    half = numbers.shape[-1] // 2 + 1
    opposite = numbers.flip((-2, -1)).roll((1, 1), (-2, -1))
    return numbers[..., :half], opposite[..., :half]


def waves(
    numbers: Float[Tensor, "*rows height width"], amplitudes: Float[Tensor, "height width"]
) -> Float[Tensor, "*rows height width"]:
    """The sum of all waves, number × amplitude × (cos + sin)(2π frequency · place) / √(height × width).

    `amplitudes` are the same at opposite frequencies.
    """
    height, width = numbers.shape[-2:]
    here, opposite = half_plane(numbers)
    coefficients = torch.complex(here + opposite, opposite - here) * (amplitudes[:, : here.shape[-1]] / 2)
    return torch.fft.irfft2(coefficients, s=(height, width), norm="ortho")


def quick_length(length: int) -> int:
    """The next length that Fourier transforms are quick at: a product of 2, 3, 5 and 7. Short ones are quick anyway."""
    while length >= SHORT and not _is_smooth(length):
        length += 1
    return length


def _is_smooth(length: int) -> bool:
    for factor in (2, 3, 5, 7):
        while length % factor == 0:
            length //= factor
    return length == 1
