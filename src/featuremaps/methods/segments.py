"""Superpixels: a picture cut into about n connected pieces of like colour (SLIC), or into a plain grid.

Pieces are numbered as the cells of the grid they start from; a number that no pixel carries is an absent piece.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.methods.channels import divided

Pictures = Float[Tensor, "batch colour height width"]
Labels = Int[Tensor, "batch height width"]
Segmentation = Literal["slic", "grid"]

COMPACTNESS = 0.7


def segmented(inputs: Pictures, count: int, segmentation: Segmentation) -> tuple[Labels, int]:
    """A piece's number for every pixel, and how many numbers there are: `count`, or nearly."""
    rows, columns = grid_shape(inputs.shape[2], inputs.shape[3], count)
    labels = grid(inputs, rows, columns) if segmentation == "grid" else slic(inputs, rows, columns)
    return labels, rows * columns


def grid_shape(height: int, width: int, count: int) -> tuple[int, int]:
    """Rows and columns of about `count` cells that are as square as can be."""
    rows = min(height, max(1, round((count * height / width) ** 0.5)))
    return rows, min(width, max(1, round(count / rows)))


def grid(inputs: Pictures, rows: int, columns: int) -> Labels:
    """Equal cells, the same for every picture."""
    batch, _, height, width = inputs.shape
    down = torch.arange(height, device=inputs.device) * rows // height
    across = torch.arange(width, device=inputs.device) * columns // width
    return (down[:, None] * columns + across).expand(batch, height, width)


def slic(
    inputs: Pictures, rows: int, columns: int, *, compactness: float = COMPACTNESS, iterations: int = 10
) -> Labels:
    """Connected pieces of like colour (Achanta et al. 2012, SLIC superpixels, algorithm 1).

    k-means over colour and place, from the cells of a grid; a pixel may join the piece of its own cell or of the
    eight around. Colours are standardised picture by picture; a piece's width counts as much as `compactness`
    standard deviations of colour. Parts that are cut off from the rest of their piece join a neighbour.
    """
    points = _points(inputs, rows, columns, compactness)
    labels = grid(inputs, rows, columns)
    candidates = list(_neighbours(labels[0], rows, columns))
    for _ in range(iterations):
        centres = segment_means(points, labels, rows * columns)
        best = torch.full(labels.shape, torch.inf, device=inputs.device)
        for candidate in candidates:
            distance = (points - centres[:, :, candidate]).square_().sum(1)
            nearer = distance < best
            labels = torch.where(nearer, candidate, labels)
            best = torch.where(nearer, distance, best)
    return connected(labels, rows * columns)


def segment_means(
    points: Float[Tensor, "batch feature height width"], labels: Labels, count: int
) -> Float[Tensor, "batch feature segment"]:
    """The mean of every feature over every piece; 0 for absent pieces."""
    where = labels.flatten(1)[:, None]
    sums = points.new_zeros((*points.shape[:2], count))
    sums.scatter_add_(2, where.expand(-1, points.shape[1], -1), points.flatten(2))
    sizes = points.new_zeros((len(points), 1, count))
    return divided(sums, sizes.scatter_add_(2, where, torch.ones_like(where, dtype=points.dtype)))


def connected(labels: Labels, count: int) -> Labels:
    """The labels with every piece in one part: of each the largest stays, the others join what lies beside them."""
    batch = len(labels)
    parts = _parts(labels).flatten()
    pieces = (labels + count * torch.arange(batch, device=labels.device)[:, None, None]).flatten()
    sizes = torch.bincount(parts, minlength=labels.numel())[parts]
    largest = sizes.new_zeros(batch * count).scatter_reduce_(0, pieces, sizes, "amax")[pieces]
    number = torch.where(sizes == largest, parts, labels.numel())
    chosen = number.new_full((batch * count,), labels.numel()).scatter_reduce_(0, pieces, number, "amin")[pieces]
    labels = torch.where((parts == chosen).view_as(labels), labels, -1)
    while bool((labels < 0).any()):
        for one, other in _beside(labels):
            other.copy_(torch.where(other < 0, one, other))
            one.copy_(torch.where(one < 0, other, one))
    return labels


def _points(
    inputs: Pictures, rows: int, columns: int, compactness: float
) -> Float[Tensor, "batch feature height width"]:
    """Colours, standardised picture by picture, and places in widths of a cell times the compactness."""
    batch, _, height, width = inputs.shape
    centred = inputs - inputs.mean((2, 3), keepdim=True)
    colours = divided(centred, centred.square().mean((2, 3), keepdim=True).sqrt())
    down = (torch.arange(height).to(inputs) * rows / height * compactness)[:, None].expand(height, width)
    across = (torch.arange(width).to(inputs) * columns / width * compactness).expand(height, width)
    return torch.cat([colours, torch.stack([down, across]).expand(batch, 2, height, width)], 1)


def _neighbours(cells: Int[Tensor, "height width"], rows: int, columns: int) -> Iterator[Int[Tensor, "height width"]]:
    """For every pixel the number of its own cell, then of each of the eight around it; at the border the nearest."""
    row, column = cells // columns, cells % columns
    for down, across in sorted(((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)), key=lambda step: step != (0, 0)):
        yield (row + down).clamp(0, rows - 1) * columns + (column + across).clamp(0, columns - 1)


def _parts(labels: Labels) -> Labels:
    """A number for each connected part of equal labels: that of its first pixel."""
    roots = torch.arange(labels.numel(), device=labels.device)
    while True:
        found = roots.clone()
        for (one, other), (left, right) in zip(_beside(labels), _beside(roots.view_as(labels)), strict=True):
            same = one == other
            low = torch.minimum(left, right)[same]
            found.scatter_reduce_(0, torch.maximum(left, right)[same], low, "amin")
        found = found[found]
        if torch.equal(found, roots):
            return roots.view_as(labels)
        roots = found


def _beside(values: Labels) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Views of all pairs of pixels that lie beside and below each other."""
    return (values[:, :, :-1], values[:, :, 1:]), (values[:, :-1], values[:, 1:])
