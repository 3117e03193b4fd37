"""How maps become pictures: enlarging, scaling to 0..1, colouring, and laying over a photograph."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.errors import OptionError, check_choice
from featuremaps.plotting.colour_tables import colour_table

Scaling = Literal["max", "minmax", "signed"]
Collapse = Literal["sum", "max_abs", "norm"]
Map = Float[Tensor, "*space"]
"""Of a picture (height, width), of a signal (time,), of a volume (depth, height, width)."""
SEQUENTIAL, DIVERGING = "inferno", "RdBu_r"
ALPHA, PALE = 0.7, 0.6
"""How opaque a map is where it is strongest unless it is said, and how much colour a picture loses below it."""
NEGATIVE = "Every value is negative"
"""How the remark on a map begins that speaks against its target everywhere."""
BIASES = "Biases keep"
"""How the remark on a map begins whose values add up to something else than the score."""
KEPT = 0.99
"""The share of the magnitudes of pixel maps that are told apart by colour; the few above it look alike."""
SAVED = 448
"""How many pixels the shorter side of an overlay has in a file, at least."""


def is_remark(note: str) -> bool:
    """Whether a note on a map only says how to read it, and is no reason to distrust it."""
    return note.startswith((NEGATIVE, BIASES))


def scaling_for(map: Float[Tensor, "*space"], scaling: Scaling | None) -> Scaling:
    """The scaling asked for; without one "max", or "signed" for a map in which nothing speaks for the target."""
    if scaling is not None:
        return scaling
    known = map[map.isfinite()]
    return "signed" if known.numel() and bool((known <= 0).all()) and bool((known < 0).any()) else "max"


def enlarged(maps: Float[Tensor, "batch *grid"], size: tuple[int, ...]) -> Float[Tensor, "batch *size"]:
    """Maps enlarged to `size`: linear along each axis, the middles of places aligned, so that nothing overshoots.

    `OptionError` for maps of another number of axes.
    """
    if len(size) != maps.ndim - 1:
        raise OptionError(
            f"a map of {places(maps.shape[1:])} places has other axes than the model's input, {places(size)}, and "
            "cannot be drawn over it. Its values are in .maps; choose a layer whose places lie as the input's do."
        )
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    return torch.nn.functional.interpolate(maps[:, None], size, mode=mode, align_corners=False)[:, 0]


def scaled(map: Map, scaling: Scaling) -> Map:
    """One map for looking at.

    `"max"`: what speaks for the target (ReLU), divided by its maximum, 0..1. `"minmax"`: from the lowest to the
    highest value, 0..1. `"signed"`: divided by the largest magnitude, −1..1. A map with nothing to show becomes 0.
    """
    check_choice("scaling", scaling, get_args(Scaling))
    if scaling == "minmax":
        return (map - map.min()) / _nonzero(map.max() - map.min())
    map = map.relu() if scaling == "max" else map
    return map / _nonzero(map.abs().max())


def looked_at(map: Map, enlarge: Callable[[Tensor], Tensor], scaling: Scaling) -> Float[Tensor, "*size"]:
    """One raw map as it is drawn over a picture: ReLU where the scaling asks for it, enlarged, then scaled."""
    map = map.detach().float().cpu().nan_to_num(0.0, 0.0, 0.0)
    return scaled(enlarge((map.relu() if scaling == "max" else map)[None])[0], scaling)


def collapsed(values: Float[Tensor, "colour *space"], collapse: Collapse) -> Map:
    """The colours of a pixel as one number: their sum, their largest magnitude or their Euclidean length."""
    check_choice("collapse", collapse, get_args(Collapse))
    if collapse == "sum":
        return values.sum(0)
    return values.abs().amax(0) if collapse == "max_abs" else values.square().sum(0).sqrt()


def clipped(map: Map) -> Map:
    """The map with magnitudes beyond the quantile `KEPT` of those that are not 0 cut to it."""
    magnitudes = map.detach().abs().flatten()
    magnitudes = magnitudes[magnitudes.isfinite() & (magnitudes > 0)].sort().values
    if not len(magnitudes):
        return map
    limit = magnitudes[min(len(magnitudes) - 1, int(KEPT * len(magnitudes)))]
    return map.clamp(-limit, limit)


def around_grey(values: Float[Tensor, "colour height width"]) -> Image.Image:
    """Signed values as colours: 0 is mid-grey, three standard deviations reach black and white.

    Of one or two colours the first is shown in grey, of more than three the first three.
    """
    shown = (values[:3] if len(values) >= 3 else values[:1]).detach().float().cpu().nan_to_num(0.0, 0.0, 0.0)
    spread = shown.square().mean().sqrt()
    levels = (shown / (6 * _nonzero(spread)) + 0.5).clamp(0, 1).mul(255).round().to(torch.uint8)
    image = Image.fromarray(levels.permute(1, 2, 0).numpy() if len(levels) == 3 else levels[0].numpy())
    return image.convert("RGB")


def coloured(map: Map, colormap: str, signed: bool = False) -> Image.Image:
    """A scaled map as an RGB picture in a matplotlib colour map."""
    values = ((map + 1) / 2 if signed else map).clamp(0, 1).numpy()
    return Image.fromarray(colour_table(colormap)[(values * 256).clip(0, 255).astype(int)])


def overlay(picture: Image.Image, map: Map, *, alpha: float, colormap: str, signed: bool = False) -> Image.Image:
    """A scaled map, of the picture's size, laid over it.

    The photograph keeps its light and loses most of its colour, and the map is as opaque as it is strong, up to
    `alpha`: where it says nothing, the picture stays visible. A report's page paints the same.
    """
    if not 0 <= alpha <= 1:
        raise OptionError(f"alpha is the opacity of the colour, from 0 (picture only) to 1; got {alpha}.")
    grey = np.asarray(picture.convert("L").convert("RGB"), dtype=np.float32)
    pale = PALE * min(1.0, alpha / ALPHA)
    base = pale * grey + (1 - pale) * np.asarray(picture.convert("RGB"), dtype=np.float32)
    heat = np.asarray(coloured(map, colormap, signed), dtype=np.float32)
    opacity = alpha * (1.25 * map.abs()).clamp(0, 1).numpy()[..., None]
    return Image.fromarray((base * (1 - opacity) + heat * opacity).round().astype(np.uint8))


def large(image: Image.Image, side: int = SAVED) -> Image.Image:
    """The picture enlarged until its shorter side has `side` pixels, or the longer one four times as many."""
    factor = min(side / min(image.size), 4 * side / max(image.size))
    if factor <= 1:
        return image
    width, height = (round(factor * length) for length in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def tiled(tiles: Sequence[Image.Image], columns: int | None = None, gap: int = 2) -> Image.Image:
    """Pictures of one size beside each other, row by row, on white; nearly square unless `columns` are given."""
    columns = min(len(tiles), columns or math.ceil(math.sqrt(len(tiles))))
    if columns < 1:
        raise OptionError(f"a grid has 1 column or more; got {columns}.")
    width, height = tiles[0].size
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet.paste(tile, (column * (width + gap), row * (height + gap)))
    return sheet


def blocks(image: Image.Image, smallest: int) -> Image.Image:
    """A picture whose pixels are squares, so large that neither side is below `smallest` pixels."""
    factor = math.ceil(smallest / min(image.size))
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)


def bars(image: Image.Image, width: int, height: int) -> Image.Image:
    """A row of pixels as upright bars, at least so wide together."""
    return image.resize((image.width * math.ceil(width / image.width), height), Image.Resampling.NEAREST)


def captioned(image: Image.Image, text: str) -> Image.Image:
    """The picture with a line of text below it, as wide as both need."""
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(12)
    width = max(image.width, math.ceil(font.getlength(text)) + 8)
    sheet = Image.new("RGB", (width, image.height + 22), "white")
    sheet.paste(image, (0, 0))
    ImageDraw.Draw(sheet).text((4, image.height + 4), text, (85, 85, 85), font)
    return sheet


def stacked(maps: Sequence[Tensor], field: str = "maps") -> Tensor:
    """Maps in one tensor; `OptionError` where pictures of different sizes have maps of different sizes."""
    sizes = {tuple(map.shape) for map in maps}
    if len(sizes) > 1:
        raise OptionError(
            f"the maps have different sizes ({', '.join(map(places, sorted(sizes)))}), because the pictures "
            f"have; take .{field}, a tuple of tensors, or give a transform that resizes the pictures alike."
        )
    return torch.stack(list(maps))


def places(size: Sequence[int]) -> str:
    """ "7×7": how many places a map has along each axis."""
    return "×".join(map(str, size))


def _nonzero(value: Tensor) -> Tensor:
    return torch.where(value > 0, value, torch.ones_like(value))
