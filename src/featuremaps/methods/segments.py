"""Superpixels: a picture cut into about n connected pieces of like colour (SLIC), or into a plain grid.

A volume or video is cut into supervoxels alike, a signal always into equal stretches: of its values, which swing,
neither likeness nor size says what belongs together. Pieces are numbered as the cells of the grid they start from; a
number that no pixel carries is an absent piece.
"""

import math
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.methods.channel_weights import divided
from featuremaps.methods.shapes import Inputs

Labels = Int[Tensor, "batch *space"]
Segmentation = Literal["slic", "grid"]

COMPACTNESS = 0.7


def segmented(inputs: Inputs, count: int, segmentation: Segmentation) -> tuple[Labels, int]:
    """A piece's number for every pixel, and how many numbers there are: `count`, or nearly."""
    space = tuple(inputs.shape[2:])
    if segmentation == "slic" and len(space) > 1:
        return slic(inputs, count), slic_count(space, count)
    cells = grid_shape(space, count)
    return grid(inputs, cells), math.prod(cells)


def grid_shape(space: tuple[int, ...], count: int) -> tuple[int, ...]:
    """How many cells lie along each axis, of about `count` that are as square as can be."""
    cells: list[int] = []
    for axis, length in enumerate(space):
        rest = space[axis:]
        along = (count / math.prod(cells) * length ** len(rest) / math.prod(rest)) ** (1 / len(rest))
        cells.append(min(length, max(1, round(along))))
    return tuple(cells)


def grid(inputs: Inputs, cells: tuple[int, ...]) -> Labels:
    """Equal cells, the same for every picture."""
    space, numbers = inputs.shape[2:], torch.zeros((), dtype=torch.int64, device=inputs.device)
    for length, count in zip(space, cells, strict=True):
        numbers = numbers[..., None] * count + torch.arange(length, device=inputs.device) * count // length
    return numbers.expand(len(inputs), *space)


def slic(inputs: Inputs, count: int, *, compactness: float = COMPACTNESS) -> Labels:
    """Connected pieces of like colour (Achanta et al. 2012, SLIC superpixels, algorithm 1), by scikit-image.

    k-means over colour and place, from the points of a regular grid. Colours are standardised picture by picture; a
    piece's width counts as much as `compactness` standard deviations of colour. Parts that are cut off from the rest of
    their piece join a neighbour (`connected`).
    """
    from skimage.segmentation import slic as superpixels

    pictures = inputs.detach().cpu().double()
    space = tuple(range(2, inputs.ndim))
    centred = pictures - pictures.mean(space, keepdim=True)
    colours = divided(centred, centred.square().mean(space, keepdim=True).sqrt()).movedim(1, -1).numpy()
    # scikit-image scales colours to 0..1 first, and its own joining of parts makes more or fewer pieces.
    options: dict[str, Any] = {"convert2lab": False, "enforce_connectivity": False, "start_label": 0}
    asked = _to_ask(tuple(inputs.shape[2:]), count)
    labels = [
        superpixels(picture, asked, compactness / (np.ptp(picture) or 1.0), channel_axis=-1, **options)
        for picture in colours
    ]
    return torch.from_numpy(np.stack([connected(pieces) for pieces in labels])).to(inputs.device)


def slic_count(space: tuple[int, ...], count: int) -> int:
    """How many pieces `slic` starts from when asked for `count`, whatever the picture."""
    return _starts(space, _to_ask(space, count))


def _to_ask(space: tuple[int, ...], count: int) -> int:
    """What to ask scikit-image for: its grid has whole steps, and of a small picture may have twice as many points."""
    if _starts(space, count) <= 1.5 * count:
        return count
    return min(range(1, count), key=lambda asked: abs(_starts(space, asked) - count))


def _starts(space: tuple[int, ...], asked: int) -> int:
    from skimage.util import regular_grid

    shape = (1, *space) if len(space) == 2 else space
    points = [len(range(size)[along]) for size, along in zip(shape, regular_grid(shape, asked), strict=True)]
    return math.prod(points)


def segment_means(
    points: Float[Tensor, "batch feature *space"], labels: Labels, count: int
) -> Float[Tensor, "batch feature segment"]:
    """The mean of every feature over every piece; 0 for absent pieces."""
    where = labels.flatten(1)[:, None]
    sums = points.new_zeros((*points.shape[:2], count))
    sums.scatter_add_(2, where.expand(-1, points.shape[1], -1), points.flatten(2))
    sizes = points.new_zeros((len(points), 1, count))
    return divided(sums, sizes.scatter_add_(2, where, torch.ones_like(where, dtype=points.dtype)))


def connected(labels: Int[np.ndarray, "*space"]) -> Int[np.ndarray, "*space"]:
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
