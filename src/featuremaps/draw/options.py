"""How drawings are made: on which canvas, how large, with what jitter, in how many steps."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from torch import Tensor

from featuremaps.draw.canvas import Canvas, Shape
from featuremaps.draw.canvas_registry import find_canvas
from featuremaps.draw.jitter import Jitter
from featuremaps.draw.multiscale import Multiscale
from featuremaps.errors import OptionError
from featuremaps.options import Help, Precision, Seeded
from featuremaps.pictures.signals import KINDS
from featuremaps.runtime.studied_model import StudiedModel

Size = int | tuple[int, int] | None


def pair(size: Size) -> tuple[int, int] | None:
    """Height and width of a size; one number stands for both."""
    return (size, size) if isinstance(size, int) else size


def read_size(text: str) -> Size:
    """`"224"` as 224, `"160x224"` as (160, 224)."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise ValueError("224, or height x width such as 160x224")
    sides = [int(part) for part in parts]
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])


SIZE = Help("Pixels: 224, or height x width as 160x224. Default: what suits the model.", read=read_size)
STEPS = Help("Steps of the optimisation.", least=1, what="how often the picture is changed")
RATE = Help("How large a step is. Default: what suits the canvas.", above=0, what="the size of a step")
OPTIMIZER = Help("lbfgs, adam or gradient.")


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Seeded):
    """What the options of all that is made by optimisation have in common: `frames` pictures of the way are kept."""

    frames: Annotated[
        int,
        Help("Also write the way there, as an animated WebP.", 0, what="how many are kept", flag="--animation", on=24),
    ] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        size = pair(getattr(self, "size", None))
        if size is not None and min(size) < 1:
            raise OptionError(f"size is (height, width) in pixels, 1 or more; got {size}.")


@dataclass(frozen=True, kw_only=True)
class DrawOptions(PictureOptions):
    """How drawings are made.

    `canvas` is how a picture is described; "multiscale" is the classic recipe, which has sizes, steps and a rate of its
    own (see `Multiscale`). `size` is its height and width, None for the model's own; `jitter` what is changed at every
    step; `variants` how many pictures of each unit, which differ by `diversity` (a share of the value that is given up
    for it). `steps` of at most `rate` (None: the canvas's own) are made, fewer where `patience` steps bring no gain.
    `alpha` shows how much each pixel mattered as transparency (None: on the "maco" canvas). `precision` is that of the
    model's operations while it is drawn from; "auto" is bfloat16 where the hardware is quick at it. What a drawing
    reaches is measured in float32 in any case. `batch_size` pictures are drawn together. `compile` compiles the model
    as far as it is needed, which pays for many steps.
    """

    canvas: Annotated[
        str | Canvas | Multiscale, Help("What is optimised: fourier, pixels, maco or cppn; or multiscale.")
    ] = "fourier"
    size: Annotated[Size, SIZE] = None
    jitter: Jitter = field(default_factory=Jitter)
    variants: Annotated[int, Help("Pictures of each unit.", 1, what="how many pictures of each unit are drawn")] = 1
    diversity: Annotated[float, Help("How much variants differ, as a share of the value that is given up for it.")] = (
        0.5
    )
    steps: Annotated[int, STEPS] = 128
    rate: Annotated[float | None, RATE] = None
    patience: int | None = 64
    alpha: Annotated[
        bool | None, Help("Show how much each pixel mattered, as transparency. Default: on the maco canvas.")
    ] = None
    precision: Annotated[
        Literal["auto"] | Precision,
        Help("Of the model while it is drawn from: float32, bfloat16, float16, or auto: what is quick here."),
    ] = "auto"
    batch_size: Annotated[
        int, Help("Pictures that are drawn at once.", least=1, what="how many pictures are drawn together")
    ] = 32
    compile: Annotated[bool, Help("Compile the model first, which pays for many steps.")] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.recipe is None and not isinstance(self.canvas, Multiscale):
            find_canvas(self.canvas)

    def shape(self, blank: Tensor) -> Shape:
        """Channels, height and width of the pictures, for a model that takes inputs like `blank`."""
        channels, *sides = blank.shape[1:]
        height, width = pair(self.size) or sides
        return channels, height, width

    @property
    def recipe(self) -> Multiscale | None:
        """The classic recipe, where that is asked for."""
        if isinstance(self.canvas, Multiscale):
            return self.canvas
        return Multiscale(frames=self.frames) if self.canvas == "multiscale" else None


def check_takes_pictures(studied: StudiedModel) -> None:
    """`OptionError` for a model of signals or volumes: nothing is drawn for those."""
    axes = studied.preprocessing.form.axes
    if axes in KINDS:
        raise OptionError(
            f"what is drawn are pictures, and {studied.name or 'the model'} takes {KINDS[axes]}. What a unit looks for "
            "is in its strongest examples: survey.top_pictures(unit), or scope.maps(examples, layer).top()."
        )
