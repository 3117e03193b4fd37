"""Which places of a layer's map lie in a region of the picture: pure formulas, in pixels of the model's input.

A place is a cell, one stride wide. It belongs to a region if at least half of it lies there; where no place does, the
first of those of which most does. So every region has a place of its own in every map, however coarse that is.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

HALF = 0.5 - 1e-6
"""The share of a cell from which on it belongs to a region; but for rounding one half."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Where the places of a map lie: the edges between its rows and between its columns, in pixels of the input."""

    rows: Float[Tensor, " rows_and_one"]
    columns: Float[Tensor, " columns_and_one"]


def cells_of(
    grid: tuple[int, int],
    input_size: tuple[int, int],
    stride: tuple[float, ...] | None,
    start: tuple[float, ...] | None,
) -> Cells:
    """The cells of a map of `grid` (rows, columns) over an input of `input_size` (height, width).

    Each is a `stride` wide, the first from the picture's edge on, or from where the first unit's field, around `start`,
    has its stride's width in a network without padding. The outer ones reach to the picture's edges at least; what the
    model adds around a picture lies beyond them. Where the stride is not known the map is laid from edge to edge.
    """
    rows, columns = (
        _edges(count, side, None if stride is None else stride[axis], None if start is None else start[axis])
        for axis, (count, side) in enumerate(zip(grid, input_size, strict=True))
    )
    return Cells(rows, columns)


def _edges(count: int, side: int, stride: float | None, start: float | None) -> Float[Tensor, " edge"]:
    steps = torch.arange(count + 1, dtype=torch.float64, device="cpu")
    if stride is None or start is None:
        return steps * (side / count)
    edges = max(0.0, start - stride / 2) + steps * stride
    edges[0], edges[-1] = 0.0, max(float(edges[-1]), float(side))
    return edges


def overlaps(
    edges: Float[Tensor, " cell_and_one"], low: Float[Tensor, " interval"], high: Float[Tensor, " interval"]
) -> Float[Tensor, "cell interval"]:
    """The share of each cell's length that lies in each interval."""
    before, after = edges[:-1, None], edges[1:, None]
    return (torch.minimum(after, high) - torch.maximum(before, low)).clamp(min=0) / (after - before)


def shares_of_boxes(boxes: Float[Tensor, "box 4"], cells: Cells) -> Float[Tensor, "box rows columns"]:
    """The share of each cell that lies in each box (left, top, right, bottom)."""
    across = overlaps(cells.columns, boxes[:, 0], boxes[:, 2])
    down = overlaps(cells.rows, boxes[:, 1], boxes[:, 3])
    return down.T[:, :, None] * across.T[:, None, :]


def shares_elsewhere(
    boxes: Float[Tensor, "box 4"], size: tuple[int, int], cells: Cells
) -> Float[Tensor, "rows columns"]:
    """The share of each cell that lies in the picture of `size` (height, width) and in no box."""
    height, width = size
    across, in_columns = _divided(boxes[:, 0], boxes[:, 2], width)
    down, in_rows = _divided(boxes[:, 1], boxes[:, 3], height)
    free = ((in_rows.T @ in_columns) == 0).double()
    return overlaps(cells.rows, down[:-1], down[1:]) @ free @ overlaps(cells.columns, across[:-1], across[1:]).T


def _divided(low: Tensor, high: Tensor, side: int) -> tuple[Float[Tensor, " edge"], Float[Tensor, "box interval"]]:
    """A side cut at every end of a box, and which of the pieces lie in which box."""
    ends = torch.cat([low, high, low.new_tensor([0.0, float(side)])]).clamp(0, side)
    edges = ends.unique(sorted=True)
    inside = (low[:, None] <= edges[:-1]) & (edges[1:] <= high[:, None])
    return edges, inside.double()


def shares_of_masks(
    masks: Bool[Tensor, "region mask_rows mask_columns"],
    rows: Float[Tensor, " mask_rows_and_one"],
    columns: Float[Tensor, " mask_columns_and_one"],
    cells: Cells,
) -> Float[Tensor, "region rows columns"]:
    """The share of each cell that lies in each region, whose masks' rows and columns have these edges."""
    down = overlaps(cells.rows, rows[:-1], rows[1:])
    across = overlaps(cells.columns, columns[:-1], columns[1:])
    return torch.stack([down @ mask.double() @ across.T for mask in masks])


def members(shares: Float[Tensor, "region rows columns"]) -> Bool[Tensor, "region rows columns"]:
    """Which cells belong to each region: half of them in it, or the first of which most is."""
    chosen = shares >= HALF
    flat = shares.flatten(1)
    alone = torch.zeros_like(chosen).flatten(1).scatter_(1, flat.argmax(1, keepdim=True), True)
    return torch.where(chosen.flatten(1).any(1, keepdim=True), chosen.flatten(1), alone).reshape(chosen.shape)
