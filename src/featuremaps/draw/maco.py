"""A picture with the spectrum of photographs: only where its waves lie is drawn, never how strong they are."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.canvas import Rows, Shape, canvas, check_numbers
from featuremaps.draw.colour import DEVIATION, correlate
from featuremaps.draw.spectrum import frequencies, half_plane, levelled, natural_amplitude

STEEPEST = 0.25
"""The slope of the sigmoid in its middle."""
BRIGHTEST = 0.98
"""The quantile of a picture's importance from which on a pixel counts fully."""


@canvas("maco")
@dataclass(frozen=True)
class MacoCanvas:
    """Magnitudes fixed to those of photographs, phases optimised (Fel et al. 2023, "Unlocking feature visualization").

    Colours go together as in photographs, and so does the contrast, times `contrast`. The spectrum is that of
    `values`; the sigmoid which brings them between 0 and 1 changes it a little. The four waves (or fewer) that are
    their own opposites, the constant among them, have no phase: they range between plus and minus their magnitude.
    Made for class outputs and deep layers, with many crops.

    The paper's rate of 1 belongs to NAdam; `rate` suits Adam.
    """

    contrast: float = 1.0
    rate: float = 0.3

    def __post_init__(self) -> None:
        check_numbers(self, "contrast", "rate")

    def start(self, count: int, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Phases that are all equally likely."""
        share = torch.rand((count, *shape), generator=generator, device=generator.device, dtype=torch.float32)
        return ((2 * share - 1) * torch.pi,)

    def picture(self, parameters: tuple[Tensor, ...], shape: Shape) -> Rows:
        """The waves at their phases, around grey, brought between 0 and 1."""
        return (self.values(parameters, shape) / STEEPEST).sigmoid()

    def values(self, parameters: tuple[Tensor, ...], shape: Shape) -> Rows:
        """The picture before the sigmoid, as deviations from grey: its spectrum is exactly the one prescribed."""
        (numbers,) = parameters
        here, opposite = half_plane(numbers)
        amplitudes = levelled(natural_amplitude(frequencies(shape[1], shape[2], numbers)))[:, : here.shape[-1]]
        alone = _own_opposites(shape, numbers.device)
        phases = torch.where(alone, here, here - opposite)
        spectrum = torch.complex(phases.cos(), torch.where(alone, 0, phases.sin())) * amplitudes
        drawn = torch.fft.irfft2(spectrum, s=shape[1:], norm="ortho")
        return correlate(drawn) * (self.contrast * DEVIATION)


def _own_opposites(shape: Shape, device: torch.device) -> Tensor:
    """Which frequencies of the half plane are their own opposites: the constant, and the finest of an even side."""
    down = torch.arange(shape[1], device=device)[:, None]
    across = torch.arange(shape[2] // 2 + 1, device=device)
    return (2 * down % shape[1] == 0) & (2 * across % shape[2] == 0)


def importance(summed: Float[Tensor, "height width"]) -> Float[Tensor, "height width"]:
    """How much each pixel mattered, 0 to 1 (section 3): what came back to it, `summed`; 1 where nothing did."""
    top = float(torch.quantile(summed.flatten(), BRIGHTEST)) if summed.numel() < 2**24 else float(summed.max())
    return (summed / top).clamp(max=1) if top > 0 else torch.ones_like(summed)
