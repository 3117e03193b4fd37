"""DeepDream: what a layer begins to see in a picture, made stronger in it, from coarse structure to fine.

Mordvintsev, Olah & Tyka 2015, "Inceptionism".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.ascent import Climb, Course, climb_canvas
from featuremaps.draw.canvas import at_least
from featuremaps.draw.choices import OCTAVES, DreamChoices
from featuremaps.draw.drawing import Drawing
from featuremaps.draw.jitter import Jitter
from featuremaps.draw.model_view import ModelView, Responses
from featuremaps.draw.multistage import in_stages
from featuremaps.draw.options import check_takes_pictures
from featuremaps.draw.pixels import PixelCanvas
from featuremaps.draw.start_picture import rounded, sized, start_numbers, whole
from featuremaps.errors import OptionError
from featuremaps.layers.addresses import Address, parse
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.rules import Rule
from featuremaps.runtime.capture import device_of


@dataclass(frozen=True)
class Octaves:
    """From `count` - 1 times reduced to the picture's own size, each `scale` times the one before.

    At each size `steps` along the gradient, divided by its mean magnitude, each of `rate` (white is 1). The picture is
    shifted by up to `shift` of its shorter side before every step. `frames` pictures of the way are kept.
    """

    count: int = 4
    scale: float = 1.4
    steps: int = 10
    rate: float = 0.005
    shift: float = 0.1
    frames: int = 0

    def __post_init__(self) -> None:
        at_least("octaves", self, count=1, scale=1, steps=1, shift=0, frames=0)

    @property
    def climb(self) -> Climb:
        """How to climb at one size."""
        frames = -(-self.frames // self.count)
        return Climb(self.steps, self.rate, "gradient", patience=None, frames=frames, steady=True)

    @property
    def jitter(self) -> Jitter:
        """How the picture is moved before each step."""
        return Jitter(shift=self.shift, scale=(1.0, 1.0), rotate=0.0)

    def sizes(self, height: int, width: int) -> tuple[tuple[int, int], ...]:
        """Height and width of each, the smallest first."""
        shrunk = [self.scale ** (self.count - 1 - octave) for octave in range(self.count)]
        return tuple((max(1, round(height / by)), max(1, round(width / by))) for by in shrunk)


@dataclass(frozen=True, kw_only=True)
class DreamOptions(DreamChoices):
    """How a picture is dreamt: in how many octaves, with how many steps in each; `Octaves` say these and the rest."""

    octaves: Annotated[int | Octaves, OCTAVES] = 4

    @property
    def sizes(self) -> Octaves:
        """The octaves themselves."""
        if isinstance(self.octaves, Octaves):
            return self.octaves
        if isinstance(self.octaves, bool) or not isinstance(self.octaves, int):
            raise OptionError(f"octaves is a whole number, or featuremaps.draw.Octaves; got {self.octaves!r}.")
        return Octaves(count=self.octaves, steps=self.steps, frames=self.frames)


def strength(looked: Responses, wanted: Sequence[Address]) -> Float[Tensor, " row"]:
    """What a dream makes larger: of each layer the mean of its maps' squares, of each channel the mean of its map."""
    parts = [
        looked.maps[address.name].square().mean((1, 2, 3))
        if address.channel is None
        else looked.channel(address.name, address.channel).mean((1, 2))
        for address in wanted
    ]
    return torch.stack(parts).sum(0)


def dream(studied: StudiedModel, seen: Seen, layers: str | Sequence[str], options: DreamOptions) -> Drawing:
    """The picture, at its own size, with what `layers` or units ("layer4:452") see in it made stronger.

    `value` is the sum of the mean squares of the layers' maps and the means of the channels', of the picture as a file
    of 8 bits keeps it. Raises `LayerNotFoundError`, `LayoutError` for a layer that gives no map, `ModelError` where the
    model does not take the picture's own size or that of the smallest octave.
    """
    check_takes_pictures(studied)
    wanted = _wanted(studied, seen, layers)
    begin = whole(seen)
    original = begin.picture[None].to(device_of(studied.model))
    with studied.session() as session:
        addresses = [parse(name) for name in dict.fromkeys(address.name for address in wanted)]
        view = ModelView(session, addresses, False, begin.to_input)
        dreamt = _Dream(view, wanted, original, options.sizes, options)
        dreamt.check_sizes()
        small, course = in_stages(dreamt.stages())
        picture = rounded(dreamt.finished(small))
        with torch.no_grad():
            value = float(strength(view(picture), wanted))
    names = [str(address) for address in wanted]
    settings = {"verb": "dream", "picture": seen.picture.name, "layers": names, "octaves": options.sizes}
    settings["seed"] = options.seed
    name = f"{seen.picture.name}, dreamt by {', '.join(names)}"
    return course.drawing(0, name, picture[0], settings, value, notes=begin.notes)


def _wanted(studied: StudiedModel, seen: Seen, layers: str | Sequence[str]) -> list[Address]:
    """The layers and units meant, each once."""
    addresses: dict[str, Address] = {}
    inputs = seen.input[None]
    for text in [layers] if isinstance(layers, str) else layers:
        exact = studied.walk(inputs).resolve(text)
        is_unit = text not in exact and parse(text).channel is not None
        meant = studied.walk(inputs).units([text]) if is_unit else [parse(name) for name in exact]
        addresses.update((str(address), address) for address in meant)
    if not addresses:
        raise OptionError("no layer was given to dream with; 'last' is the last one whose output is still a map.")
    return list(addresses.values())


@dataclass(frozen=True, eq=False)
class _Dream:
    """One picture and what is wanted of it, octave by octave."""

    view: ModelView
    wanted: Sequence[Address]
    original: Tensor
    octaves: Octaves
    options: DreamOptions

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        return self.octaves.sizes(*self.original.shape[2:])

    def check_sizes(self) -> None:
        """`ModelError` with what to do where the model does not run on the smallest or the largest octave."""
        advice = (
            "Give fewer octaves, so that the smallest is larger.",
            "Give the picture as the model sees it: scope.see(picture).seen[0].image.",
        )
        for size, words in zip((self.sizes[0], self.sizes[-1]), advice, strict=True):
            with torch.no_grad(), sized(*size, words):
                self.view(_resized(self.original, size))

    def stages(self) -> Iterator[tuple[Tensor, Course]]:
        """One climb for each octave; what it adds to the picture is carried to the next."""
        generator, reached = self.options.generator, self.original
        for size in self.sizes:
            reached, course = self._climbed(self.finished(reached, size), generator)
            yield reached, course

    def finished(self, pictures: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """The picture of that size, its own if none, with what the dream has added at another size."""
        size = size or (self.original.shape[2], self.original.shape[3])
        added = pictures - _resized(self.original, (pictures.shape[2], pictures.shape[3]))
        return (_resized(self.original, size) + _resized(added, size, True)).clamp(0, 1)

    def _climbed(self, start: Tensor, generator: torch.Generator) -> tuple[Tensor, Course]:
        canvas = PixelCanvas("mirror").from_picture(start[0])
        shape = (start.shape[1], start.shape[2], start.shape[3])
        parameters = start_numbers(canvas, 1, shape, self.options.generator, self.view.session.model)

        def worth(pictures: Tensor, rule: Rule | None) -> Tensor:
            return strength(self.view(self.octaves.jitter(pictures, generator), rule), self.wanted)

        doing = f"dreaming at {shape[2]}×{shape[1]}"
        return climb_canvas(canvas, parameters, shape, worth, self.octaves.climb, doing)


def _resized(pictures: Tensor, size: tuple[int, int], signed: bool = False) -> Tensor:
    if tuple(pictures.shape[2:]) == size:
        return pictures
    resized = F.interpolate(pictures, size, mode="bicubic", antialias=True)
    return resized if signed else resized.clamp(0, 1)
