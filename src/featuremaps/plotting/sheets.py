"""Signals and volumes on a flat sheet, with their maps laid out alike: curves above each other, slices side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool3d, adaptive_max_pool1d

from featuremaps.plotting.rendering import enlarged

GROUND, INK, RULE = "#0b0b12", "#f4f4f6", "#ffffff"
"""Of curves: dark, as maps are laid over them whose colours begin dark. Between slices: white."""
WIDE, LANE, TALLEST = 640, 150, 960
"""The width of a signal's sheet, the height of one curve, and the greatest height of all, in pixels."""
SMALLEST, LARGEST = 256, 1024
"""A volume's sheet is enlarged to about so many pixels a side, or shrunk."""
FINE = 2
"""Curves are drawn so many times larger, and shrunk."""


@dataclass(frozen=True)
class Sheet:
    """Where the places of a model's input lie on a flat picture; `space` is its shape without the channels.

    A picture is as it is. A signal's samples go from left to right, its `channels` below each other; a volume's slices
    stand beside each other, row by row.
    """

    space: tuple[int, ...]
    channels: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        if len(self.space) == 1:
            return min(TALLEST, LANE + (self.channels - 1) * LANE // 2), WIDE
        rows, (height, width) = self._rows, self.slice_size
        return (height, width) if len(self.space) == 2 else (rows * height, self._columns * width)

    @property
    def slice_size(self) -> tuple[int, int]:
        """Height and width of one slice on the sheet."""
        height, width = self.space[-2:]
        if len(self.space) == 2:
            return height, width
        longest = max(self._rows * height, self._columns * width)
        scale = LARGEST / longest if longest > LARGEST else max(1, SMALLEST // longest)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def lay(self, maps: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch height width"]:
        """Maps of however few places, enlarged to the sheet; `OptionError` for maps of other axes than the input."""
        height, width = self.size
        if len(self.space) == 1:
            return enlarged(strongest(maps, width), (width,))[:, None].expand(-1, height, -1)
        if len(self.space) == 2:
            return enlarged(maps, self.space)
        return self.abutted(enlarged(maps, (self.space[0], *self.slice_size)))

    def small(self, maps: Float[Tensor, "batch *grid"], longest: int) -> Float[Tensor, "batch _height _width"]:
        """Maps that lie as `lay` has them, at about their own resolution: a volume's of `longest` a side or less."""
        if len(self.space) < 3:
            return plainly(maps)
        height = min(maps.shape[2], max(1, longest // self._rows))
        width = min(maps.shape[3], max(1, longest // self._columns))
        reduced = adaptive_avg_pool3d(maps, (maps.shape[1], height, width))
        return self.abutted(enlarged(reduced, (self.space[0], height, width)))

    def bands(self, values: Float[Tensor, "channel time"]) -> Float[Tensor, "_height width"]:
        """A value for each sample and channel of a signal, the channels as bands below each other."""
        height, width = self.size
        return enlarged(values, (width,)).repeat_interleave(max(1, height // len(values)), 0)

    def tiled(self, slices: Sequence[Image.Image]) -> Image.Image:
        """A volume's slices as the sheet has them, with lines between."""
        height, width = self.slice_size
        sheet = Image.new("RGB", (self._columns * width, self._rows * height), RULE)
        pen = ImageDraw.Draw(sheet)
        for number, slice in enumerate(slices):
            row, column = divmod(number, self._columns)
            left, top = column * width, row * height
            sheet.paste(slice.resize((width, height), Image.Resampling.BICUBIC), (left, top))
            pen.rectangle((left, top, left + width - 1, top + height - 1), outline=RULE)
        return sheet

    @property
    def _columns(self) -> int:
        depth, height, width = self.space if len(self.space) == 3 else (1, 1, 1)
        return min(depth, max(1, math.ceil(math.sqrt(depth * height / width))))

    @property
    def _rows(self) -> int:
        return -(-self.space[0] // self._columns) if len(self.space) == 3 else 1

    def abutted(self, slices: Float[Tensor, "batch depth height width"]) -> Float[Tensor, "batch rows columns"]:
        """A volume's slices as the sheet has them, without lines between."""
        rows, columns = self._rows, self._columns
        batch, depth, height, width = slices.shape
        filled = torch.cat([slices, slices.new_zeros(batch, rows * columns - depth, height, width)], 1)
        return (
            filled.reshape(batch, rows, columns, height, width)
            .transpose(2, 3)
            .reshape(batch, rows * height, columns * width)
        )


def plainly(maps: Float[Tensor, "batch *grid"]) -> Float[Tensor, "batch height width"]:
    """Maps at their own resolution: a signal's as one row, a volume's slices side by side."""
    if maps.ndim == 2:
        return maps[:, None]
    return maps if maps.ndim == 3 else Sheet(tuple(maps.shape[1:])).abutted(maps)


def curves(values: Float[Tensor, "channel time"], sheet: Sheet) -> Image.Image:
    """A signal's channels as bright lines on dark ground, below each other, on one scale."""
    height, width = (FINE * side for side in sheet.size)
    image = Image.new("RGB", (width, height), GROUND)
    pen, lane = ImageDraw.Draw(image), height / len(values)
    for number, line in enumerate(lanes(envelope(values, width))):
        across = [(i + 0.5) * width / len(line) for i in range(len(line))]
        down = [(number + 0.92 - 0.84 * value) * lane for value in line.tolist()]
        pen.line(list(zip(across, down, strict=True)), INK, FINE * 2 if len(values) < 6 else FINE, "curve")
    return image.resize((sheet.size[1], sheet.size[0]), Image.Resampling.LANCZOS)


def envelope(values: Float[Tensor, "channel time"], width: int) -> Float[Tensor, "channel _shorter"]:
    """A long signal as the lowest and the highest of so many parts, so that no peak is lost; a short one as it is."""
    if values.shape[1] < 4 * width:
        return values
    ends = [-adaptive_max_pool1d(-values, width), adaptive_max_pool1d(values, width)]
    return torch.stack(ends, 2).flatten(1)


def strongest(maps: Float[Tensor, "batch *grid"], width: int) -> Float[Tensor, "batch *_shorter"]:
    """Long maps (time,) as the value of largest magnitude in each of so many parts, so that no peak is lost."""
    if maps.ndim != 2 or maps.shape[1] <= width:
        return maps
    low, high = -adaptive_max_pool1d(-maps, width), adaptive_max_pool1d(maps, width)
    return torch.where(high.abs() >= low.abs(), high, low)


def lanes(values: Float[Tensor, "channel time"]) -> Float[Tensor, "channel time"]:
    """Channels scaled to 0..1, all by the widest of them, each about the middle of its own range."""
    low, high = values.aminmax(dim=1, keepdim=True)
    widest = (high - low).max().clamp(min=1e-12)
    return (values - (low + high) / 2) / widest + 0.5
