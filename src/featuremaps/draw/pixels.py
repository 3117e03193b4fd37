"""A picture as its own pixels: what a picture that exists already is changed with."""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.canvas import Rows, Shape, canvas, check_numbers
from featuremaps.errors import OptionError, check_choice

Squash = Literal["sigmoid", "mirror"]

EDGE = 1 / 512
"""How far from black and white a picture begins: half a step of 8 bits, where the sigmoid still has a slope."""


@canvas("pixels")
@dataclass(frozen=True, eq=False)
class PixelCanvas:
    """Raw pixels, kept between 0 and 1 by `squash`: "sigmoid", or "mirror", which folds at 0 and at 1.

    Folding leaves colours as they are, as clamping does, but a pixel that went too far still has a gradient. It begins
    as noise of `deviation` (of the numbers before they are squashed) around grey, or around the picture `begin`.
    """

    squash: Squash = "sigmoid"
    deviation: float = 0.01
    rate: float = 0.05
    begin: Float[Tensor, "channel height width"] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_numbers(self, "rate")
        check_numbers(self, "deviation", zero=True)
        check_choice("squash", self.squash, get_args(Squash))

    def from_picture(self, picture: Float[Tensor, "channel height width"]) -> "PixelCanvas":
        """The canvas that begins as this picture (values 0 to 1), without noise."""
        if not bool(((picture >= 0) & (picture <= 1)).all()):
            low, high = picture.min(), picture.max()
            raise OptionError(
                f"a canvas begins as a picture with values 0 to 1; got {low:.3g} to {high:.3g}. Undo its normalisation."
            )
        return replace(self, begin=picture.detach(), deviation=0.0)

    def start(self, count: int, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """One number for each pixel and channel of every picture; `OptionError` where `begin` has another shape."""
        noise = (
            torch.randn((count, *shape), generator=generator, device=generator.device, dtype=torch.float32)
            * self.deviation
        )
        if self.begin is None:
            return (noise if self.squash == "sigmoid" else noise + 0.5,)
        if tuple(self.begin.shape) != shape:
            raise OptionError(
                f"the canvas begins as a picture of (channels, height, width) {tuple(self.begin.shape)}, and {shape} "
                "is to be drawn; resize the picture first."
            )
        inside = self.begin.to(noise).clamp(EDGE, 1 - EDGE)
        return (noise + (inside.logit() if self.squash == "sigmoid" else inside),)

    def picture(self, parameters: tuple[Tensor, ...], shape: Shape) -> Rows:
        """The pixels, brought between 0 and 1."""
        (pixels,) = parameters
        return pixels.sigmoid() if self.squash == "sigmoid" else 1 - (1 - pixels.remainder(2)).abs()
