"""What a transform does to colours and positions, found by running it.

A transform may be any callable and is never inspected: it is run on pictures that are known (flat ones and ramps),
and its `Normalization` and its `Placement` (crop, resize, padding, flip) are read off the results.
"""

import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from featuremaps.errors import ImageError
from featuremaps.session import random_state

PictureSize = tuple[int, int]
"""Width and height in pixels."""
RunTransform = Callable[[Image.Image], Tensor]

# How two ramps, one mostly along x and one mostly along y, are mixed: their tilt makes rounding average out.
_MAJOR, _MINOR = 0.9, 0.1


@dataclass(frozen=True)
class Placement:
    """Where a model's input lies in the original picture: `original = scale * input + offset`, along each axis.

    Both are continuous coordinates in pixels, so pixel i has its centre at i + 0.5. A flip has a negative scale.
    `height` and `width` are the input's.
    """

    scale_y: float
    offset_y: float
    scale_x: float
    offset_x: float
    height: int
    width: int

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the input in original pixels; beyond the picture where it was padded."""
        left, right = sorted((self.offset_x, self.offset_x + self.scale_x * self.width))
        top, bottom = sorted((self.offset_y, self.offset_y + self.scale_y * self.height))
        return (left, top, right, bottom)

    def box_of(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """A box (left, top, right, bottom) in pixels of the input, in pixels of the original."""
        left, right = sorted(self.offset_x + self.scale_x * edge for edge in box[::2])
        top, bottom = sorted(self.offset_y + self.scale_y * edge for edge in box[1::2])
        return (left, top, right, bottom)

    def paste(
        self, map: Float[Tensor, "height width"], size: PictureSize, *, outside: float = math.nan
    ) -> Float[Tensor, "original_height original_width"]:
        """A map over the model's input, of any resolution, on the canvas of the original of `size` (width, height).

        Bilinear, as in `interpolate(align_corners=False)`. What the model did not see is `outside`: NaN unless
        asked otherwise, since there the map has no value, which is not the same as zero.
        """
        width, height = size
        result = map
        for dim, (pixels, scale, offset, extent) in enumerate(
            [(height, self.scale_y, self.offset_y, self.height), (width, self.scale_x, self.offset_x, self.width)]
        ):
            centres = torch.arange(pixels, dtype=torch.float64, device="cpu") + 0.5
            share = (centres - offset) / (scale * extent)
            result = _resampled(result, share, dim)
            unseen = ((share < 0) | (share > 1)).nonzero().flatten().to(map.device)
            result.index_fill_(dim, unseen, outside)
        return result

    def cut(self, mask: Shaped[Tensor, "original_height original_width"]) -> Float[Tensor, "height width"]:
        """What of a mask of the original lies in each of the input's pixels: its mean there, 0 beyond the picture."""
        down = _covered(self.height, self.scale_y, self.offset_y, mask.shape[0])
        across = _covered(self.width, self.scale_x, self.offset_x, mask.shape[1])
        found = down @ mask.to("cpu", torch.float64) @ across.T
        return found.to(mask.device, torch.float32)


def _covered(count: int, scale: float, offset: float, pixels: int) -> Float[Tensor, "place pixel"]:
    """How much of each of the input's places along an axis shows each of the original's pixels, in shares."""
    edges = scale * torch.arange(count + 1, dtype=torch.float64, device="cpu") + offset
    near, far = torch.minimum(edges[:-1], edges[1:]), torch.maximum(edges[:-1], edges[1:])
    starts = torch.arange(pixels, dtype=torch.float64, device="cpu")
    shared = torch.minimum(far[:, None], starts + 1) - torch.maximum(near[:, None], starts)
    return shared.clamp(min=0) / abs(scale)


def _resampled(values: Tensor, share: Tensor, dim: int) -> Tensor:
    """Values along `dim` at shares 0..1 of its extent, linearly between centres."""
    last = values.shape[dim] - 1
    position = (share * (last + 1) - 0.5).clamp(0, last)
    low = position.floor().long()
    weight = (position - low).to(values.device, values.dtype)
    weight = weight[:, None] if dim == 0 else weight
    low = low.to(values.device)
    high = (low + 1).clamp(max=last)
    return values.index_select(dim, low) * (1 - weight) + values.index_select(dim, high) * weight


@dataclass(frozen=True)
class Normalization:
    """What preprocessing does to colours: channel c is `scale[c] * value + offset[c]`, with the value in 0..1.

    `shown` lists the channels that are red, green and blue, or the one that is grey. Channels beyond the third are
    not described.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    shown: tuple[int, ...]

    def undo(self, tensor: Float[Tensor, "channel height width"]) -> Float[Tensor, "colour height width"]:
        """Values 0..1, as red, green and blue or as grey, where the tensor came from a picture."""
        scale, offset = (tensor.new_tensor(values)[:, None, None] for values in (self.scale, self.offset))
        return ((tensor[: len(self.scale)] - offset) / scale)[list(self.shown)]


@contextmanager
def _same_chance(stream: int = 0) -> Iterator[None]:
    """The same random numbers inside each time, those of a stream; the user's random state is put back afterwards."""
    with random_state():
        torch.default_generator.manual_seed(stream)
        random.seed(stream)
        np.random.seed(stream)
        yield


def shape_of(run: RunTransform, size: PictureSize) -> tuple[int, ...] | None:
    """The shape that a picture of `size` (width, height) becomes; None where the transform does not take it."""
    try:
        with _same_chance():
            return tuple(run(Image.new("RGB", size)).shape)
    except ImageError:
        return None


def _run_noting_chance(run: RunTransform, image: Image.Image, stream: int = 0) -> tuple[Tensor, bool]:
    """The transform's result on the CPU, and whether it drew random numbers."""
    with _same_chance(stream):
        before = _chance()
        result = run(image).to("cpu", torch.float64)
        return result, _chance() != before


def _chance() -> tuple[object, ...]:
    numpy = np.random.get_state(legacy=False)["state"]
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), numpy["key"].tobytes(), numpy["pos"]


def _ramp(size: PictureSize, along_x: float, along_y: float, low: float = 0.0, high: float = 1.0) -> Image.Image:
    """Grey rising from `low` to `high`: by the share `along_x` from left to right, by `along_y` down.

    Levels between two of the 256 are dithered, so that they are right on average.
    """
    width, height = size
    span = (high - low) * 255 * 256
    x = low * 255 * 256 + span * along_x * (np.arange(width) + 0.5) / width
    y = span * along_y * (np.arange(height) + 0.5) / height
    fine = x.astype(np.uint16)[None] + y.astype(np.uint16)[:, None]
    fine += np.random.default_rng(0).integers(0, 256, fine.shape, np.uint8)
    return Image.fromarray((fine >> 8).astype(np.uint8)).convert("RGB")


def draws_chance(run: RunTransform) -> bool:
    """Whether the transform draws random numbers; one that takes no picture of 256 × 256 counts as not."""
    try:
        return _run_noting_chance(run, Image.new("RGB", (256, 256)))[1]
    except ImageError:
        return False


def find_normalization(run: RunTransform, size: PictureSize) -> Normalization | None:
    """Solved from flat pictures, and checked on all levels between by two ramps, and with other random numbers."""
    try:
        solved, drew = _solve_normalization(run, size)
        if solved is None or not drew:
            return solved
        again, _ = _solve_normalization(run, size, stream=1)
    except ImageError:
        return None
    close = again is not None and np.allclose(again.scale + again.offset, solved.scale + solved.offset, 1e-3, 1e-3)
    return solved if close else None


def _solve_normalization(run: RunTransform, size: PictureSize, stream: int = 0) -> tuple[Normalization | None, bool]:
    colours = [(0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    probes = [Image.new("RGB", size, colour) for colour in colours]
    probes += [_ramp(size, 1.0, 0.0), _ramp(size, 1.0, 0.0, 0.25, 0.75)]
    runs = [_run_noting_chance(run, probe, stream) for probe in probes]
    drew = any(drawn for _, drawn in runs)
    results = [result for result, _ in runs]
    if len({result.shape for result in results}) > 1:
        return None, drew
    count = 3 if results[0].shape[0] >= 3 else 1
    black, white, *others = (result[:count] for result in results)
    moved = ((white - black).abs() > 1e-9).all(0)  # padding is the same in both
    if not moved.any():
        return None, drew
    offset = black[:, moved].median(1).values
    scale = white[:, moved].median(1).values - offset
    *primaries, wide, narrow = ((other[:, moved] - offset[:, None]) / scale[:, None] for other in others)
    shown = _shown_channels(torch.stack([primary.median(1).values for primary in primaries], 1))
    if shown is None or (narrow - 0.25 - wide / 2).abs().mean() > 1.5 / 255:
        return None, drew
    return Normalization(tuple(scale.tolist()), tuple(offset.tolist()), shown), drew


def _shown_channels(shares: Tensor) -> tuple[int, ...] | None:
    """The channels that are red, green and blue, from each channel's share of them; one where all are the same grey."""
    order = shares.argmax(0)
    if shares.shape == (3, 3) and torch.allclose(
        shares[order], torch.eye(3, device=shares.device, dtype=shares.dtype), atol=0.02
    ):
        return tuple(order.tolist())
    return (0,) if (shares - shares[:1]).abs().max() < 0.02 else None


def find_placement(run: RunTransform, size: PictureSize, normalization: Normalization | None) -> Placement | str:
    """Where the transform puts ramps that encode x and y; or why that cannot be known."""
    if normalization is None:
        try:
            _run_noting_chance(run, Image.new("RGB", size))
        except ImageError as error:
            return str(error)
        return "the transform does more to the colours than scale each channel, so positions cannot be read from it."
    probes = [
        Image.new("RGB", size, "black"),
        Image.new("RGB", size, "white"),
        _ramp(size, _MAJOR, _MINOR),
        _ramp(size, _MINOR, _MAJOR),
        _ramp(size, _MAJOR, _MINOR),
        _ramp(size, _MAJOR, _MINOR, 0.25, 0.75),
    ]
    values: list[Tensor] = []
    for probe in probes:
        try:
            result, drew = _run_noting_chance(run, probe)
        except ImageError as error:
            return str(error)
        if drew:
            return "the transform draws random numbers, so it places a picture differently each time."
        if values and result.shape[1:] != values[0].shape:
            return "the transform returns another shape each time."
        values.append(normalization.undo(result).mean(0))
    black, white, first, second, again, half = values
    covered = (white - black) > 0.99
    if covered.sum() < 2:
        return "the transform shows nothing of the picture."
    if (again - first).abs().max() > 1e-3:
        return "the transform gives different results for the same picture."
    if (half - 0.25 - first / 2)[covered].abs().mean() > 2 / 255:
        return "the transform changes the contrast from picture to picture, so positions cannot be read from it."
    spread = _MAJOR**2 - _MINOR**2
    x = _fit((_MAJOR * first - _MINOR * second) / spread, covered, 1, size[0])
    y = _fit((_MAJOR * second - _MINOR * first) / spread, covered, 0, size[1])
    if x is None or y is None:
        return "the transform does more than crop, resize, pad and flip."
    height, width = black.shape
    return Placement(*y, *x, height=height, width=width)


def _fit(share: Tensor, covered: Tensor, dim: int, pixels: int) -> tuple[float, float] | None:
    """Scale and offset from the input to the original along `dim`, by least squares; None where no line fits."""
    centres = torch.arange(share.shape[dim], dtype=torch.float64, device="cpu") + 0.5
    along = (centres[None] if dim == 1 else centres[:, None]).expand_as(share)
    line = _line(along[covered], share[covered])
    if line is None:
        return None
    # Near the picture's edge a resize has no neighbours on one side, and is not linear.
    margin = min(0.25, 3 * max(1 / pixels, abs(line[0])))
    kept = covered & ((share - 0.5).abs() < 0.5 - margin)
    refined = _line(along[kept], share[kept])
    kept = covered if refined is None else kept  # a picture of a few pixels is all edge
    scale, offset = refined or line
    error = (share - scale * along - offset)[kept].square().mean().sqrt()
    return (scale * pixels, offset * pixels) if error < 2 / 255 and scale else None


def _line(x: Tensor, y: Tensor) -> tuple[float, float] | None:
    if x.numel() < 2 or x.min() == x.max():
        return None
    centred = x - x.mean()
    slope = (centred * y).sum() / centred.square().sum()
    return float(slope), float(y.mean() - slope * x.mean())
