"""How drawings are made: on which canvas, how large, with what jitter, in how many steps."""

from dataclasses import dataclass, field
from typing import Annotated

from torch import Tensor

from featuremaps.draw.canvas import Canvas, Shape, find_canvas
from featuremaps.draw.choices import DRAWN_ON, DrawChoices, pair
from featuremaps.draw.jitter import Jitter
from featuremaps.draw.multiscale import Multiscale
from featuremaps.errors import OptionError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.options import is_whole
from featuremaps.pictures.signals import KINDS


@dataclass(frozen=True, kw_only=True)
class DrawOptions(DrawChoices):
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

    canvas: Annotated[str | Canvas | Multiscale, DRAWN_ON] = "fourier"
    jitter: Jitter = field(default_factory=Jitter)
    patience: int | None = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.jitter, Jitter):
            raise OptionError(f"jitter is a featuremaps.draw.Jitter, such as Jitter(rotate=10.0); got {self.jitter!r}.")
        if self.patience is not None and not (is_whole(self.patience) and self.patience >= 1):
            raise OptionError(
                "patience is after how many steps without a gain drawing stops, a whole number of 1 or more, or None; "
                f"got {self.patience!r}."
            )
        if self.recipe is None and not isinstance(self.canvas, Multiscale):
            find_canvas(self.canvas)
            return
        given = {"size": self.size is not None, "rate": self.rate is not None, "alpha": bool(self.alpha)}
        unused = [name for name, is_given in given.items() if is_given]
        if unused:
            raise OptionError(
                f"{unused[0]} does not apply to the multiscale canvas: the recipe has its own sizes and rate, and no "
                "transparency. They are said by canvas=featuremaps.draw.Multiscale(start=33, times=20, rate=0.2)."
            )

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
