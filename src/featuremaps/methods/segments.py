"""Superpixels: a picture cut into about n connected pieces of like colour (SLIC), or into a plain grid.

Pieces are numbered as the cells of the grid they start from; a number that no pixel carries is an absent piece.
"""

import math
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.methods.channel_weights import divided
from featuremaps.methods.shapes import Pictures

Labels = Int[Tensor, "batch height width"]
Segmentation = Literal["slic", "grid"]

COMPACTNESS = 0.7


def segmented(inputs: Pictures, count: int, segmentation: Segmentation) -> tuple[Labels, int]:
    """A piece's number for every pixel, and how many numbers there are: `count`, or nearly."""
    height, width = inputs.shape[2:]
    if segmentation == "slic":
        return slic(inputs, count), slic_count(height, width, count)
    rows, columns = grid_shape(height, width, count)
    return grid(inputs, rows, columns), rows * columns


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


def slic(inputs: Pictures, count: int, *, compactness: float = COMPACTNESS) -> Labels:
    """Connected pieces of like colour (Achanta et al. 2012, SLIC superpixels, algorithm 1), by scikit-image.

    k-means over colour and place, from the points of a regular grid. Colours are standardised picture by picture; a
    piece's width counts as much as `compactness` standard deviations of colour. Parts that are cut off from the rest of
    their piece join a neighbour (`connected`).
    """
    from skimage.segmentation import slic as superpixels

    pictures = inputs.detach().cpu().double()
    centred = pictures - pictures.mean((2, 3), keepdim=True)
    colours = divided(centred, centred.square().mean((2, 3), keepdim=True).sqrt()).permute(0, 2, 3, 1).numpy()
    # scikit-image scales colours to 0..1 first, and its own joining of parts makes more or fewer pieces.
    options: dict[str, Any] = {"convert2lab": False, "enforce_connectivity": False, "start_label": 0}
    asked = _to_ask(inputs.shape[2], inputs.shape[3], count)
    labels = [
        superpixels(picture, asked, compactness / (np.ptp(picture) or 1.0), channel_axis=2, **options)
        for picture in colours
    ]
    return torch.from_numpy(np.stack([connected(pieces) for pieces in labels])).to(inputs.device)


def slic_count(height: int, width: int, count: int) -> int:
    """How many pieces `slic` starts from when asked for `count`, whatever the picture."""
    return _starts(height, width, _to_ask(height, width, count))


def _to_ask(height: int, width: int, count: int) -> int:
    """What to ask scikit-image for: its grid has whole steps, and of a small picture may have twice as many points."""
    if _starts(height, width, count) <= 1.5 * count:
        return count
    return min(range(1, count), key=lambda asked: abs(_starts(height, width, asked) - count))


def _starts(height: int, width: int, asked: int) -> int:
    from skimage.util import regular_grid

    shape = (1, height, width)
    points = [len(range(size)[along]) for size, along in zip(shape, regular_grid(shape, asked), strict=True)]
    return math.prod(points)


def segment_means(
    points: Float[Tensor, "batch feature height width"], labels: Labels, count: int
) -> Float[Tensor, "batch feature segment"]:
    """The mean of every feature over every piece; 0 for absent pieces."""
    where = labels.flatten(1)[:, None]
    sums = points.new_zeros((*points.shape[:2], count))
    sums.scatter_add_(2, where.expand(-1, points.shape[1], -1), points.flatten(2))
    sizes = points.new_zeros((len(points), 1, count))
    return divided(sums, sizes.scatter_add_(2, where, torch.ones_like(where, dtype=points.dtype)))


def connected(labels: Int[np.ndarray, "height width"]) -> Int[np.ndarray, "height width"]:
    """The labels with every piece in one part: of each the largest stays, the others join what lies beside them."""
    from skimage.measure import label
    from skimage.segmentation import watershed

    parts = label(labels, background=-1, connectivity=1)
    numbers, first, sizes = np.unique(parts, return_index=True, return_counts=True)
    order = np.lexsort((-numbers, sizes))  # the largest last, of equals the first
    largest = np.zeros(labels.max() + 1, np.int64)
    largest[labels.flat[first[order]]] = numbers[order]
    kept = np.where(parts == largest[labels], labels + 1, 0)
    joined: np.ndarray = watershed(np.zeros(labels.shape), kept, connectivity=1)
    return joined.astype(np.int64) - 1
