"""The classic recipe for a unit's pattern: begin small, climb a little, enlarge, and so on.

Graetz 2019, "How to visualize convolutional features in 40 lines of code". Kept for those who want the same pictures;
Fourier canvases are quicker and clearer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.ascent import Climb, Course, ascend
from featuremaps.draw.canvas import Rows, at_least
from featuremaps.draw.jitter import blurred
from featuremaps.draw.multistage import in_stages
from featuremaps.draw.start_picture import sized
from featuremaps.methods.random_numbers import uniform
from featuremaps.rules import Rule

Worth = Callable[[Rows, Rule | None], Float[Tensor, " row"]]
"""How much each picture is worth, looked at by way of a backward rule if one is given."""

BRIGHT = (150 / 255, 180 / 255)
"""The range of the noise at the start, before the sigmoid."""


@dataclass(frozen=True)
class Multiscale:
    """The sizes and steps of the recipe: from `start` pixels, `times` sizes, each `factor` times the one before.

    At each size Adam takes `steps` of `rate`, all alike. `blur` is the deviation in pixels of a Gaussian that follows
    each enlarging; 0 for none. `redirect` leads around dead ReLUs, which the recipe as published does not.
    """

    start: int = 33
    steps: int = 20
    times: int = 20
    factor: float = 1.2
    blur: float = 0.0
    rate: float = 0.2
    redirect: bool = True
    frames: int = 0

    def __post_init__(self) -> None:
        at_least("multiscale", self, start=1, steps=1, times=1, factor=1, blur=0, frames=0)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The side of the picture, size by size."""
        sizes = [self.start]
        while len(sizes) < self.times:
            sizes.append(int(self.factor * sizes[-1]))
        return tuple(sizes)

    @property
    def climb(self) -> Climb:
        """How to climb at one size."""
        frames = -(-self.frames // self.times)
        return Climb(self.steps, self.rate, patience=None, redirect=self.redirect, frames=frames, steady=True)


def draw_multiscale(
    worth: Worth,
    count: int,
    channels: int,
    how: Multiscale,
    generator: torch.Generator,
    device: torch.device,
    doing: str = "drawing",
) -> tuple[Rows, Course]:
    """`count` pictures, values 0 to 1, each as worth as it gets, and how the climb through all sizes went.

    Ctrl-C keeps what is there, at the size reached. `ModelError` for a model that does not take so small a picture.
    """
    low, high = BRIGHT
    noise = uniform((count, channels, how.start, how.start), generator)
    pictures, course = in_stages(_stages(worth, (low + (high - low) * noise).to(device), how, doing))
    return pictures.sigmoid(), course


def _stages(worth: Worth, numbers: Tensor, how: Multiscale, doing: str) -> Iterator[tuple[Tensor, Course]]:
    with torch.no_grad(), sized(how.start, how.start, "Begin larger: start=64, say."):
        worth(numbers.sigmoid(), None)
    for size in how.sizes:
        if size != how.start:
            numbers = F.interpolate(numbers, (size, size), mode="bicubic")
            numbers = blurred(numbers, how.blur)
        shown = numbers.sigmoid
        course = ascend([numbers], lambda step, rule: worth(shown(), rule), shown, how.climb, f"{doing} at {size} px")  # noqa: B023
        yield numbers, course
