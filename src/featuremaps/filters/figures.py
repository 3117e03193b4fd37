"""Figures of filters: tiles in colour or in red and blue, rows of channels, matrices, and frequency responses."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from textwrap import wrap
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError, check_least
from featuremaps.filters.weights import FilterWeights
from featuremaps.options import is_whole
from featuremaps.plotting.contact_sheet import (
    PITCH,
    Pixels,
    Tile,
    blank_figure,
    draw_sheet,
    inches,
    pixels_of,
    sheet_height,
)
from featuremaps.plotting.figure_types import Axes, Figure
from featuremaps.plotting.panels import number, three_digits
from featuremaps.plotting.rendering import DIVERGING, SEQUENTIAL, coloured

FilterScaling = Literal["filter", "layer"]
TILES, ROWS, CHANNELS = 128, 16, 8
TILE, TOP, BOTTOM, SIDE = 0.62, 0.75, 0.75, 0.35
GAP, COLOUR_GAP = (222, 224, 230), (255, 255, 255)
RESPONSE = 64
"""How many frequencies along each axis a response has; as many as the kernel is long where that is longer."""
DEAD, ALIKE = "#d62728", "#b8860b"


def filters_figure(filters: FilterWeights, which: Sequence[int] | None, most: int) -> Figure:
    """The figure that suits the kind of kernel, of the filters `which` or the first `most` (0: a readable number)."""
    axes, channels = len(filters.kernel), filters.tensor.shape[1]
    if filters.tensor[0].numel() == 1:  # on a scale of its own a single weight is 1 or -1 in any case
        filters = replace(filters, scaling="layer")
    if set(filters.kernel) == {1} or (axes == 1 and channels == 1):
        return _matrix(filters, which, most)
    if axes == 1 or channels == 1 or channels == 3:
        return _tiles(filters, which, most)
    return _rows(filters, which, most)


def _tiles(filters: FilterWeights, which: Sequence[int] | None, most: int) -> Figure:
    """A tile per filter, and for a first layer its frequency response in the same place of a second sheet."""
    chosen, title = _chosen(filters, which, most or TILES)
    limits = full_weights(filters.tensor, filters.scaling)
    shown = _strips(filters) if len(filters.kernel) == 1 else filters.spread()
    tiles = [Tile(kernel_pixels(shown[i], float(limits[i]), filters.colours), *_mark(filters, i)) for i in chosen]
    wide = _proportion(tiles[0])
    columns = max(6, math.ceil(math.sqrt(1.4 * len(tiles) / wide)))
    sheets = [tiles]
    if filters.first and len(filters.kernel) == 2:
        responses = filters.frequency_response(max(RESPONSE, *filters.spread().shape[2:]))[chosen].cpu()
        shares = responses / responses.amax((1, 2), keepdim=True).clamp_min(1e-30)
        sheets.append(
            [Tile(pixels_of(coloured(share, SEQUENTIAL)), str(i)) for i, share in zip(chosen, shares, strict=True)]
        )
    columns = min(columns, len(tiles))
    rows = math.ceil(len(tiles) / columns)
    width, height = columns * TILE * wide, sheet_height(rows, TILE)
    figure = _figure(len(sheets) * (width + SIDE) + SIDE, height, title, _caption(filters, len(sheets) > 1))
    for place, sheet in enumerate(sheets):
        broken = [sheet[start : start + columns] for start in range(0, len(sheet), columns)]
        draw_sheet(inches(figure, SIDE + place * (width + SIDE), TOP, width, height), broken, columns, wide=wide)
    return figure


def _rows(filters: FilterWeights, which: Sequence[int] | None, most: int) -> Figure:
    """A row of tiles per filter, its channels with the largest norms first, the rest counted."""
    chosen, title = _chosen(filters, which, most or ROWS)
    spread, limits = filters.spread(), full_weights(filters.tensor, filters.scaling)
    count = filters.tensor.shape[1]
    norms = filters.tensor.flatten(2).norm(dim=2)
    start = filters.inputs // filters.groups
    per_group = len(filters.tensor) // filters.groups
    rows = []
    for i in chosen:
        order = norms[i].argsort(descending=True, stable=True)[:CHANNELS].tolist()
        offset = i // per_group * start
        rows.append(
            [
                Tile(kernel_pixels(spread[i, c : c + 1], float(limits[i]), filters.colours), str(offset + c))
                for c in order
            ]
        )
    columns = min(CHANNELS, count)
    wide = _proportion(rows[0][0])
    left, more = 1.15, 0.75 if count > CHANNELS else 0.0
    width, height = columns * TILE * wide, sheet_height(len(rows), TILE)
    caption = _caption(filters, False)
    figure = _figure(left + width + more + 1.05, height, title, f"above a tile: its input channel; {caption}")
    sheet = inches(figure, left, TOP, width, height)
    sides = [f"filter {_mark(filters, i)[0]}\nnorm {three_digits(float(filters.norms[i]))}" for i in chosen]
    draw_sheet(sheet, rows, columns, sides, wide)
    if more:
        for row in range(len(rows)):
            sheet.text(columns + 0.08 / wide, row * PITCH + 0.5, f"+ {count - columns} more", fontsize=6.5, va="center")
    _bar(figure, inches(figure, left + width + more + 0.15, TOP + 0.2, 0.12, min(height - 0.3, 2.5)), filters)
    return figure


def _matrix(filters: FilterWeights, which: Sequence[int] | None, most: int) -> Figure:
    """1×1 kernels as filters × channels; 1-D kernels over one channel as filters × positions."""
    from matplotlib.ticker import MaxNLocator

    chosen, title = _chosen(filters, which, most or len(filters.tensor))
    values = filters.spread().flatten(1)[chosen].cpu()
    shares = (values / full_weights(filters.tensor, filters.scaling)[chosen, None].cpu()).numpy()
    rows, columns = shares.shape
    cell = min(0.25, 6.0 / max(rows, columns))
    width, height = max(2.0, columns * cell), max(2.0, rows * cell)
    figure = _figure(width + 2.2, height + 0.35, title, _caption(filters, False))
    axes = inches(figure, 0.8, TOP, width, height)
    axes.imshow(
        np.where(np.isnan(shares), 0.0, shares), cmap=DIVERGING, vmin=-1, vmax=1, aspect="auto", interpolation="nearest"
    )
    grouped = " within its group" if filters.groups > 1 else ""
    positions = set(filters.kernel) != {1}
    axes.set_xlabel("position in the kernel" if positions else f"input channel{grouped}", fontsize=8)
    axes.set_ylabel("filter", fontsize=8)
    if which is not None:
        axes.set_yticks(range(rows), [str(i) for i in chosen])
    axes.tick_params(labelsize=7)
    for axis in (axes.xaxis, axes.yaxis) if which is None else (axes.xaxis,):
        axis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    _bar(figure, inches(figure, 0.8 + width + 0.25, TOP, 0.14, min(height, 2.5)), filters)
    return figure


def _chosen(filters: FilterWeights, which: Sequence[int] | None, most: int) -> tuple[list[int], str]:
    """The filters to draw, and the figure's title."""
    count = len(filters.tensor)
    if which is not None and not (isinstance(which, Iterable) and all(map(is_whole, which))):
        raise OptionError(f"which is the numbers of filters, such as [0, 5]; got {which!r}.")
    for i in () if which is None else which:
        if not 0 <= i < count:
            raise OptionError(f"{filters.layer} has filters 0 to {count - 1}, there is no {i}.")
    check_least("most", most, "how many filters are shown")
    chosen = list(range(min(most, count))) if which is None else list(which)
    if not chosen:
        raise OptionError("no filter was chosen; which=None shows the first ones.")
    rest = f" (first {len(chosen)} shown)" if which is None and len(chosen) < count else ""
    head, *facts = filters.summary().split(", ")
    return chosen, f"{filters.layer}: {head}{rest}\n{', '.join(facts)}"


def full_weights(weights: Float[Tensor, "filter channel *kernel"], scaling: FilterScaling) -> Float[Tensor, " filter"]:
    """For each filter the weight drawn in full colour."""
    largest = weights.flatten(1).abs().amax(1)
    shared = largest if scaling == "filter" else largest.max().expand_as(largest)
    return torch.where(shared > 0, shared, 1.0)


def kernel_pixels(kernel: Float[Tensor, "channel *kernel"], limit: float, colours: Sequence[int]) -> Pixels:
    """A kernel as a tile: three channels as colours about mid-grey, one in red and blue; gaps stay empty.

    `limit` is the weight in full colour, `colours` the channels that are red, green and blue.
    """
    flat = _laid_out(kernel.cpu()) / limit
    missing = flat[0].isnan().numpy()
    if len(flat) == 3:
        levels = (flat[list(colours)].nan_to_num(0.0) + 1) / 2
        pixels = (levels.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy().copy()
    else:
        pixels = pixels_of(coloured(flat[0].nan_to_num(0.0), DIVERGING, signed=True)).copy()
    pixels[missing] = COLOUR_GAP if len(flat) == 3 else GAP
    return pixels


def _proportion(tile: Tile) -> float:
    """How many times as wide as high the cells of such tiles are."""
    height, width = tile.pixels.shape[:2]
    return min(3.0, max(1.0, float(width / height)))


def _strips(filters: FilterWeights) -> Float[Tensor, "filter 1 row position"]:
    """1-D kernels as pictures: a row for each of the channels with the largest norms."""
    order = filters.tensor.norm(dim=2).argsort(dim=1, descending=True, stable=True)[:, :CHANNELS]
    spread = filters.spread()
    return spread.gather(1, order[:, :, None].expand(-1, -1, spread.shape[2]))[:, None]


def _laid_out(kernel: Float[Tensor, "channel *kernel"]) -> Float[Tensor, "channel height width"]:
    """The slices of a volume beside each other with a gap between; a line is one row."""
    if kernel.ndim < 4:
        return kernel if kernel.ndim == 3 else kernel[:, None]
    gap = kernel.new_full((*kernel.shape[:1], kernel.shape[2], 1), torch.nan)
    parts = [part for slice in kernel.unbind(1) for part in (slice, gap)]
    return torch.cat(parts[:-1], -1)


def _mark(filters: FilterWeights, i: int) -> tuple[str, str]:
    """A filter's label and frame: its number, whether it is dead, and what it is a near-duplicate of."""
    if i in filters.dead:
        return f"{i} dead", DEAD
    return (f"{i} ≈ {filters.twins[i]}", ALIKE) if i in filters.twins else (str(i), "")


def _caption(filters: FilterWeights, with_response: bool) -> str:
    count, line = filters.tensor.shape[1], len(filters.kernel) == 1
    colour = count == 3 and not line and set(filters.kernel) != {1}
    strips = f"a row for each of {min(count, CHANNELS)} channels, largest norms first" if line and count > 1 else ""
    strips += f", + {count - CHANNELS} more; " if strips and count > CHANNELS else "; " if strips else ""
    middle = "channels as red, green and blue, mid-grey is 0" if colour else "red above 0, blue below"
    largest = number(float(filters.tensor.abs().max()))
    ends = (
        "each filter has its own scale: ± its largest weight"
        if filters.scaling == "filter"
        else f"one scale for all: ±{largest}"
    )
    gaps = "; gaps of the dilation are empty" if set(filters.dilation) - {1} else ""
    response = (
        "\nright: frequency response, frequency 0 in the middle, each up to its own maximum" if with_response else ""
    )
    return f"{strips}{middle}; {ends}{gaps}{response}"


def _bar(figure: Figure, place: Axes, filters: FilterWeights) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    end = 1.0 if filters.scaling == "filter" else float(filters.tensor.abs().max())
    bar = figure.colorbar(ScalarMappable(Normalize(-end, end), DIVERGING), cax=place)
    line = "\n" if figure.get_size_inches()[1] * place.get_position().height < 1.5 else " "
    told = f"weight{line}(share of the{line}filter's largest)" if filters.scaling == "filter" else "weight"
    bar.set_label(told, fontsize=7)
    bar.ax.tick_params(labelsize=7)


def _figure(width: float, height: float, title: str, caption: str) -> Figure:
    """A figure with a title and a caption around a drawing of this height."""
    whole = TOP + height + BOTTOM
    figure = blank_figure(max(width, 5.5), whole)
    figure.text(0.5, 1 - 0.12 / whole, title, ha="center", va="top", fontsize=9, linespacing=1.4)
    lines = [line for part in caption.split("\n") for line in wrap(part, int(figure.get_size_inches()[0] * 15))]
    figure.text(0.5, 0.15 / whole, "\n".join(lines), ha="center", fontsize=7, color="#555555")
    return figure
