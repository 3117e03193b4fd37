"""The maps of one layer as one grey-level PNG, averaged down to a few cells, so that all channels of a model fit."""

import math
from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Sprite:
    """`count` maps of one size below each other: `value = (grey - zero) * scales[i]`, so zero stays exactly zero.

    `missing` is the grey that stands for a cell with a value that is not finite; None where all are finite.
    `png` is a `data:` URI.
    """

    count: int
    height: int
    width: int
    zero: int
    missing: int | None
    scales: tuple[float, ...]
    png: str

    def to_json(self) -> dict[str, object]:
        """The fields under their own names."""
        return {**vars(self), "scales": list(self.scales)}


def sprite(maps: Float[Tensor, "channel height width"], cells: int = 32) -> Sprite:
    """All maps at no more than `cells` a side, each with its own scale: an error of half a step, its peak / 254."""
    small = averaged(maps.detach().cpu().double(), *reduced(maps.shape[1], maps.shape[2], cells))
    finite = small.isfinite()
    known = small.where(finite, torch.zeros(()))
    signed = not bool(finite.all()) or bool((known < 0).any())
    zero, limit = (128, 127) if signed else (0, 255)
    peaks = known.abs().amax((1, 2))
    # Six digits are plenty for 255 steps, and a third of the text.
    scales = tuple(rounded(peak / limit) or 1.0 for peak in peaks.tolist())
    steps = (known / torch.tensor(scales, dtype=torch.float64)[:, None, None]).round().clamp(-limit, limit) + zero
    greys = steps.where(finite, torch.zeros(())).to(torch.uint8)
    count, height, width = greys.shape
    file = BytesIO()
    Image.fromarray(greys.reshape(count * height, width).numpy()).save(file, "png", optimize=True)
    uri = f"data:image/png;base64,{b64encode(file.getvalue()).decode('ascii')}"
    return Sprite(count, height, width, zero, None if bool(finite.all()) else 0, scales, uri)


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
    means = down @ maps.where(finite, torch.zeros(())) @ over.T
    lost = down @ (~finite).double() @ over.T
    return means.masked_fill(lost > 0, torch.nan)


def _overlaps(length: int, parts: int) -> Float[Tensor, "parts length"]:
    """The share of each of `parts` equal stretches that every cell of a line covers; rows sum to one."""
    edges = torch.arange(parts + 1, dtype=torch.float64) * length / parts
    cells = torch.arange(length, dtype=torch.float64)
    low = torch.maximum(edges[:-1, None], cells)
    high = torch.minimum(edges[1:, None], cells + 1)
    return (high - low).clamp_min(0) * parts / length


def rounded(value: float | None) -> float | None:
    """A number with six significant digits, as it travels in a report; None where it is not finite."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None
