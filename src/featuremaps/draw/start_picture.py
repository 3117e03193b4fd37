"""A real picture that a drawing begins from or is held against, with values 0 to 1, and its way into the model."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from featuremaps.draw.canvas import Canvas, Rows, Shape
from featuremaps.draw.colour import decorrelate
from featuremaps.draw.fourier import LIMIT, FourierCanvas, grid
from featuremaps.draw.model_view import known_colours, to_input
from featuremaps.draw.pixels import EDGE
from featuremaps.draw.spectrum import frequencies, levelled
from featuremaps.errors import FeatureMapsError, ImageError, ModelError
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.capture import device_of

FURTHEST = 0.98
"""The share of the canvas's limit at which a given picture's black and white are begun."""
LEEWAY = 0.25
"""How far values may lie outside 0 to 1 and still be a picture's: interpolation overshoots a little."""
STRETCHED = (
    "what the preprocessing did to this picture's colours is not known: 0 to 1 stands for the lowest to the highest "
    "value of the model's input"
)
UNTOLD = "what the transform does to colours cannot be told, so the model was given values 0 to 1 as they are"


@dataclass(frozen=True, eq=False)
class StartPicture:
    """A picture with values 0 to 1, how such values become the model's input, and what a reader must know of it."""

    picture: Float[Tensor, "channel height width"]
    to_input: Callable[[Tensor], Tensor]
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> Shape:
        """Channels, height and width."""
        channels, height, width = self.picture.shape
        return channels, height, width

    def resized(self, size: Sequence[int]) -> "StartPicture":
        """The picture at this height and width."""
        smaller = F.interpolate(self.picture[None], list(size), mode="bicubic", antialias=True)[0]
        return replace(self, picture=smaller.clamp(0, 1))


def as_received(seen: Seen) -> StartPicture:
    """The picture at the size at which the model received it."""
    inputs = seen.input.detach().float().cpu()
    preprocessing = seen.preprocessing
    known = known_colours(preprocessing, len(inputs))
    if known is None and preprocessing.transform is not None:
        return _stretched(inputs)
    values = inputs if known is None else known.undo(inputs)
    if values.min() < -LEEWAY or values.max() > 1 + LEEWAY:
        return _stretched(inputs)
    return StartPicture(values.clamp(0, 1), to_input(preprocessing, len(inputs)))


def whole(seen: Seen) -> StartPicture:
    """The picture at its own size and proportions, whatever the transform cuts out of it.

    A tensor has no other size than the model's. `ImageError` for a model of neither one nor three channels.
    """
    image, channels = seen.picture.image, len(seen.input)
    if image is None:
        return as_received(seen)
    if channels not in (1, 3):
        raise ImageError(
            f"{seen.picture.name}: the model takes {channels} channels, and a picture at its own size has 1 or 3. Give "
            "the preprocessed tensor instead, which is kept at the model's size."
        )
    levels = torch.from_numpy(np.array(image.convert("L" if channels == 1 else "RGB"))).float() / 255
    picture = levels[None] if channels == 1 else levels.permute(2, 0, 1).contiguous()
    preprocessing = seen.preprocessing
    known = preprocessing.transform is None or known_colours(preprocessing, channels) is not None
    return StartPicture(picture, to_input(preprocessing, channels), () if known else (UNTOLD,))


def start_numbers(
    canvas: Canvas, count: int, shape: Shape, generator: torch.Generator, model: nn.Module
) -> tuple[Tensor, ...]:
    """A canvas's numbers to begin with, on the model's device; the same for a seed whatever the device."""
    return tuple(numbers.to(device_of(model)) for numbers in canvas.start(count, shape, generator))


def as_waves(
    canvas: FourierCanvas, picture: Float[Tensor, "channel height width"]
) -> Float[Tensor, "1 channel _height _width"]:
    """The numbers of a Fourier canvas that stand for this picture, values 0 to 1."""
    channels, height, width = picture.shape
    down, across = grid((channels, height, width))
    padded = F.pad(picture[None], (0, across - width, 0, down - height), mode="replicate")
    bent = padded.clamp(EDGE, 1 - EDGE).logit() / LIMIT
    inside = bent.clamp(-FURTHEST, FURTHEST).atanh() * LIMIT / canvas.contrast
    amplitudes = levelled(frequencies(down, across, picture) ** -canvas.decay)
    coefficients = torch.fft.fft2(decorrelate(inside), norm="ortho")
    return (coefficients.real - coefficients.imag) / amplitudes


def rounded(pictures: Rows) -> Rows:
    """The pictures as a file of 8 bits keeps them."""
    return pictures.detach().clamp(0, 1).mul(255).round().div(255)


@contextmanager
def sized(height: int, width: int, advice: str) -> Iterator[None]:
    """While a model first runs on pictures of this size; `ModelError` with `advice` where it cannot."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{error} {advice}") from error
    except FeatureMapsError:
        raise
    except (RuntimeError, ValueError, AssertionError) as error:
        raise ModelError(
            f"the model does not run on a picture of {height}×{width} as far as the layers asked for "
            f"({type(error).__name__}: {error}). {advice}"
        ) from error


def _stretched(inputs: Tensor) -> StartPicture:
    low, high = torch.aminmax(inputs)
    spread = (high - low).clamp(min=1e-12)
    return StartPicture(
        (inputs - low) / spread, lambda pictures: pictures * spread.to(pictures) + low.to(pictures), (STRETCHED,)
    )
