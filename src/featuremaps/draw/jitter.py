"""Jitter: small random changes of the picture at every step, so that what is drawn does not hang on single pixels.

Olah et al. 2017, "Feature Visualization" (transformation robustness). One draw per step, the same for every row.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.canvas import Rows, at_least
from featuremaps.errors import OptionError, check_least
from featuremaps.methods.random_numbers import normal, uniform


@dataclass(frozen=True)
class Jitter:
    """How a picture is moved before the model looks at it; lengths are shares of its shorter side.

    `pad`: a grey border first; `shift`: up to this far in each direction; `scale`: by a factor between these;
    `rotate`: by up to this many degrees; `flip`: left to right, every other time; `blur`: a Gaussian with up to this
    deviation, in pixels; `noise`: normal, with this deviation; `crops`: how many moved copies the model looks at in
    each step, each cut to a share of the side between `crop`.
    """

    pad: float = 0.0
    shift: float = 1 / 16
    scale: tuple[float, float] = (0.9, 1.1)
    rotate: float = 5.0
    flip: bool = False
    blur: float = 0.0
    noise: float = 0.0
    crops: int = 1
    crop: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        at_least("jitter", self, pad=0, shift=0, rotate=0, blur=0, noise=0)
        for name, (low, high) in {"scale": self.scale, "crop": self.crop}.items():
            if not 0 < low <= high:
                raise OptionError(f"jitter: {name} is a range (low, high) above 0; got ({low}, {high}).")
        check_least("jitter: crops", self.crops, "how many copies are looked at")

    @staticmethod
    def without() -> "Jitter":
        """No change at all."""
        return Jitter(shift=0.0, scale=(1.0, 1.0), rotate=0.0)

    def __call__(self, pictures: Rows, generator: torch.Generator) -> Float[Tensor, "copy channel _height _width"]:
        """Moved copies, `crops` for each row, row by row; larger by the border if there is one."""
        if self.pad:
            border = round(self.pad * min(pictures.shape[2:]))
            pictures = F.pad(pictures, (border,) * 4, value=0.5)
        copies = [self._moved(pictures, generator) for _ in range(self.crops)]
        return copies[0] if self.crops == 1 else torch.stack(copies, 1).flatten(0, 1)

    def _moved(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        def between(low: float, high: float) -> float:
            return low + (high - low) * float(uniform((), generator))

        factor = between(*self.scale) / between(*self.crop)
        angle = math.radians(between(-self.rotate, self.rotate))
        room = self.shift + max(0.0, 1 - 1 / factor) / 2 if self.crop != (1.0, 1.0) else self.shift
        right, down = between(-room, room), between(-room, room)
        mirrored = self.flip and between(0.0, 1.0) < 0.5
        if factor != 1 or angle or right or down or mirrored:
            pictures = _affine(pictures, factor, angle, right, down, mirrored)
        if self.blur:
            pictures = blurred(pictures, between(0.0, self.blur))
        if self.noise:
            noise = normal(pictures.shape[1:], generator).to(pictures)
            pictures = pictures + self.noise * noise
        return pictures


def _affine(pictures: Tensor, factor: float, angle: float, right: float, down: float, mirrored: bool) -> Tensor:
    """Enlarged by `factor`, turned by `angle`, shifted; what comes in from outside mirrors the picture's edge."""
    height, width = pictures.shape[2:]
    shorter = min(height, width)
    cos, sin = math.cos(angle) / factor, math.sin(angle) / factor
    way = -1.0 if mirrored else 1.0
    matrix = [
        [way * cos, way * -sin * height / width, 2 * right * shorter / width],
        [sin * width / height, cos, 2 * down * shorter / height],
    ]
    theta = torch.tensor([matrix], device=pictures.device, dtype=pictures.dtype)
    grid = F.affine_grid(theta, [1, 1, height, width], align_corners=False)
    # All rows move alike, so they are the channels of one picture: the grid is read once.
    flat = pictures.flatten(0, 1)[None]
    moved = F.grid_sample(flat, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return moved.reshape(pictures.shape)


def blurred(pictures: Rows, deviation: float) -> Rows:
    """Convolved with a Gaussian of this deviation in pixels, cut at three deviations; edges are repeated."""
    radius = math.ceil(3 * deviation)
    if radius < 1:
        return pictures
    offsets = torch.arange(-radius, radius + 1, device=pictures.device, dtype=pictures.dtype)
    kernel = torch.exp(-(offsets**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    channels = pictures.shape[1]
    padded = F.pad(pictures, (radius,) * 4, mode="replicate")
    across = F.conv2d(padded, kernel.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(across, kernel[:, None].expand(channels, 1, -1, 1), groups=channels)
