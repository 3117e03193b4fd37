"""How drawings are made: on which canvas, how large, with what jitter, in how many steps."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from torch import Tensor

from featuremaps.draw.canvas import Canvas, Shape
from featuremaps.draw.jitter import Jitter
from featuremaps.draw.multiscale import Multiscale
from featuremaps.errors import OptionError
from featuremaps.needs import Precision

Size = int | tuple[int, int] | None


def pair(size: Size) -> tuple[int, int] | None:
    """Height and width of a size; one number stands for both."""
    return (size, size) if isinstance(size, int) else size


@dataclass(frozen=True)
class Manner:
    """How drawings are made.

    `canvas` is how a picture is described; "multiscale" is the classic recipe, which has sizes, steps and a rate of its
    own (see `Multiscale`). `size` is its height and width, None for the model's own; `jitter` what is changed at every
    step; `variants` how many pictures of each unit, which differ by `diversity` (a share of the value that is given up
    for it). `steps` of at most `rate` (None: the canvas's own) are made, fewer where `patience` steps bring no gain.
    `frames` pictures of the way are kept. `alpha` shows how much each pixel mattered as transparency (None: on the
    "maco" canvas). `precision` is that of the model's operations while it is drawn from; "auto" is bfloat16 where the
    hardware is quick at it. What a drawing reaches is measured in float32 in any case. `batch_size` pictures are drawn
    together. `compile` compiles the model as far as it is needed, which pays for many steps.
    """

    canvas: str | Canvas | Multiscale = "fourier"
    size: Size = None
    jitter: Jitter = field(default_factory=Jitter)
    variants: int = 1
    diversity: float = 0.5
    steps: int = 128
    rate: float | None = None
    patience: int | None = 64
    frames: int = 0
    alpha: bool | None = None
    seed: int = 0
    precision: Literal["auto"] | Precision = "auto"
    batch_size: int = 32
    compile: bool = False

    def __post_init__(self) -> None:
        if self.variants < 1:
            raise OptionError(f"variants is how many pictures of each unit are drawn, 1 or more; got {self.variants}.")
        if self.batch_size < 1:
            raise OptionError(f"batch_size is how many pictures are drawn together, 1 or more; got {self.batch_size}.")
        if self.precision not in ("auto", *get_args(Precision)):
            raise OptionError(f"precision={self.precision!r} is not known; choose 'auto' or {get_args(Precision)}.")

    def shape(self, blank: Tensor) -> Shape:
        """Channels, height and width of the pictures, for a model that takes inputs like `blank`."""
        channels, *own = blank.shape[1:]
        if len(own) != 2:
            raise OptionError(f"pictures are drawn with a height and a width; this model takes {tuple(own)}.")
        height, width = pair(self.size) or own
        if min(height, width) < 1:
            raise OptionError(f"size is a number of pixels, or (height, width); got {self.size}.")
        return channels, height, width

    @property
    def recipe(self) -> Multiscale | None:
        """The classic recipe, where that is asked for."""
        if isinstance(self.canvas, Multiscale):
            return self.canvas
        return Multiscale(frames=self.frames) if self.canvas == "multiscale" else None
