"""A picture as waves in decorrelated colours: every step changes all of it, so that shapes appear before grain."""

from dataclasses import dataclass

import torch
from torch import Tensor

from featuremaps.draw.canvas import Rows, Shape, canvas, check_numbers
from featuremaps.draw.colour import correlate
from featuremaps.draw.spectrum import frequencies, levelled, quick_length, waves

LIMIT = 6.2
"""How far from grey a colour can go before the sigmoid: just not to a black or white that is clipped in 8 bits."""


@canvas("fourier")
@dataclass(frozen=True)
class FourierCanvas:
    """The sigmoid of a sum of waves, the lower the stronger (Olah et al. 2017, "Feature visualization").

    A wave of frequency f is scaled by 1 / max(f, 1 / longer side) ** `decay`, and the scales of all waves are levelled
    to a mean square of 1. The transform is orthonormal, so numbers of a certain deviation make pictures of that
    deviation at any size: 96 and 224 px start with the same contrast, and a step of Adam changes them as much.
    `deviation` is that of the numbers at the start, `contrast` what the picture is multiplied with before the sigmoid,
    which it reaches by way of a tanh that keeps it within `LIMIT`.
    """

    decay: float = 1.25
    deviation: float = 0.01
    contrast: float = 2.0
    rate: float = 0.1

    def __post_init__(self) -> None:
        check_numbers(self, "deviation", "contrast", "rate")
        check_numbers(self, "decay", zero=True)

    def start(self, count: int, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """One number for each wave of every picture and channel."""
        noise = torch.randn(
            (count, shape[0], *grid(shape)), generator=generator, device=generator.device, dtype=torch.float32
        )
        return (noise * self.deviation,)

    def picture(self, parameters: tuple[Tensor, ...], shape: Shape) -> Rows:
        """The waves added up, coloured, and brought between 0 and 1."""
        (numbers,) = parameters
        amplitudes = levelled(frequencies(*grid(shape), numbers) ** -self.decay)
        drawn = waves(numbers, amplitudes)[..., : shape[1], : shape[2]]
        return ((correlate(drawn) * self.contrast / LIMIT).tanh() * LIMIT).sigmoid()


def grid(shape: Shape) -> tuple[int, int]:
    """Height and width of the waves: the picture's own, or the next that are quick, of which it is a part."""
    return quick_length(shape[1]), quick_length(shape[2])
