"""The maps of one layer as one grey-level PNG, averaged down to a few cells, so that all channels of a model fit."""

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.report.encode import Json, png_uri, rounded


def sprite(maps: Float[Tensor, "channel height width"], cells: int = 32) -> Json:
    """Maps of one size below each other in a PNG: `value = (grey - zero) * scales[i]`, so zero stays exactly zero.

    None has more than `cells` a side; each has its own scale: an error of half a step, its peak / 254. `missing` is the
    grey that stands for a cell with a value that is not finite; None where all are finite.
    """
    small = averaged(maps.detach().cpu().double(), *reduced(maps.shape[1], maps.shape[2], cells))
    finite = small.isfinite()
    known = small.where(finite, small.new_zeros(()))
    signed = not bool(finite.all()) or bool((known < 0).any())
    zero, limit = (128, 127) if signed else (0, 255)
    peaks = known.abs().amax((1, 2))
    # Six digits are plenty for 255 steps, and a third of the text.
    scales = [rounded(peak / limit) or 1.0 for peak in peaks.tolist()]
    steps = (known / torch.tensor(scales, dtype=torch.float64, device="cpu")[:, None, None]).round().clamp(
        -limit, limit
    ) + zero
    greys = steps.where(finite, steps.new_zeros(())).to(torch.uint8)
    count, height, width = greys.shape
    return {
        "count": count,
        "height": height,
        "width": width,
        "zero": zero,
        "missing": None if bool(finite.all()) else 0,
        "scales": scales,
        "png": png_uri(Image.fromarray(greys.reshape(count * height, width).numpy())),
    }


def reduced(height: int, width: int, cells: int) -> tuple[int, int]:
    """The size in which a map is shown: its own, or the same shape with `cells` on the longer side."""
    ratio = min(1.0, cells / max(height, width))
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def averaged(
    maps: Float[Tensor, "channel height width"], height: int, width: int
) -> Float[Tensor, "channel small_height small_width"]:
    """Each cell the mean of the area it covers, parts of cells counted in part; a missing value stays in its cell."""
    if maps.shape[1:] == (height, width):
        return maps
    down, over = _overlaps(maps.shape[1], height), _overlaps(maps.shape[2], width)
    finite = maps.isfinite()
    means = down @ maps.where(finite, maps.new_zeros(())) @ over.T
    lost = down @ (~finite).double() @ over.T
    return means.masked_fill(lost > 0, torch.nan)


def _overlaps(length: int, parts: int) -> Float[Tensor, "parts length"]:
    """The share of each of `parts` equal stretches that every cell of a line covers; rows sum to one."""
    edges = torch.arange(parts + 1, dtype=torch.float64, device="cpu") * length / parts
    cells = torch.arange(length, dtype=torch.float64, device="cpu")
    low = torch.maximum(edges[:-1, None], cells)
    high = torch.minimum(edges[1:, None], cells + 1)
    return (high - low).clamp_min(0) * parts / length
