"""What is kept of maps: per picture and channel the mean, the maximum and its place; and how partial results merge.

Pure functions. Merging is associative and, because every candidate has its own rank (equal values go by picture
number), gives the same however the pictures were divided.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int32, Int64
from numpy.typing import NDArray
from torch import Tensor

Pooling = Literal["mean", "max"]
End = Literal["strongest", "weakest"]
RANKINGS: tuple[tuple[Pooling, End], ...] = (
    ("max", "strongest"),
    ("max", "weakest"),
    ("mean", "strongest"),
    ("mean", "weakest"),
)
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
PICTURES = 2**32  # a candidate's rank packs its value and its picture into 64 bits
_SHIFT = 16  # rows and columns of a map's place, packed


@dataclass(frozen=True, eq=False)
class Pooled:
    """Maps of a batch, pooled: the mean, the highest value, its place (see `rows_and_columns`), how many are 0.

    `positions` is how many places each picture's maps have.
    """

    mean: Float32[Tensor, "batch channel"]
    max: Float32[Tensor, "batch channel"]
    place: Int32[Tensor, "batch channel"]
    zeros: Int32[Tensor, "batch channel"]
    positions: Int64[Tensor, " batch"]


def pool(maps: Float[Tensor, "batch channel height width"]) -> Pooled:
    """Three passes over the maps, in the order in which they lie in memory; the first of equal places wins."""
    height, width = maps.shape[2:]
    mean = maps.mean((2, 3), dtype=torch.float32)
    if maps.stride(1) == 1 and maps.shape[1] > 1:  # channels last: keep them so, neighbours in memory are fast
        own, rows_at, columns_at = maps.permute(0, 2, 3, 1), 1, 2
    else:
        own, rows_at, columns_at = maps, 2, 3
    rows = own.amax(columns_at)
    highest = rows.amax(rows_at)
    row = _first(rows, highest, rows_at)
    batch, channel = (torch.arange(count, device=maps.device) for count in maps.shape[:2])
    column = _first(maps[batch[:, None], channel, row], highest, 2)
    small = torch.uint8 if width < 256 else torch.int32  # summing bytes is several times faster
    zeros = (own == 0).view(torch.uint8).sum(columns_at, dtype=small).sum(rows_at, dtype=torch.int32)
    positions = torch.full((len(maps),), height * width, device=maps.device)
    return Pooled(mean, highest.float(), row << _SHIFT | column, zeros, positions)


def pool_inside(
    maps: Float[Tensor, "batch channel height width"],
    pictures: Int64[Tensor, " region"],
    members: Bool[Tensor, "region height width"],
) -> Pooled:
    """The same of the places of each region alone, which lies in one of the `pictures` of the batch and has some.

    One by one, so that no region's numbers depend on what runs beside it.
    """
    width = maps.shape[3]
    parts = []
    for picture, inside in zip(pictures.tolist(), members, strict=True):
        places = inside.flatten().nonzero()[:, 0].to(maps.device)
        values = maps[picture].flatten(1)[:, places]
        highest, first = values.max(1)
        place = places[first].int()
        zeros = (values == 0).sum(1, dtype=torch.int32)
        count = torch.tensor(len(places), device=maps.device)
        packed = (place // width) << _SHIFT | place % width
        parts.append((values.mean(1, dtype=torch.float32), highest.float(), packed, zeros, count))
    return Pooled(*(torch.stack(columns) for columns in zip(*parts, strict=True)))


def _first(values: Tensor, highest: Tensor, axis: int) -> Int32[Tensor, "batch channel"]:
    """Where along an axis the highest value is first; 0 where there is none (NaN). Torch's argmax is much slower."""
    size = values.shape[axis]
    kind = torch.uint8 if size < 256 else torch.int32
    falling = torch.arange(size, 0, -1, dtype=kind, device=values.device)
    falling = falling.reshape(-1, *[1] * (values.ndim - 1 - axis))
    found = ((values == highest.unsqueeze(axis)).to(kind) * falling).amax(axis).int()
    return (size - found) % size


def rows_and_columns(places: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows (y) and columns (x) of packed places."""
    return places >> _SHIFT, places & ((1 << _SHIFT) - 1)


@dataclass(frozen=True, eq=False)
class Best:
    """For every channel its best candidates, best first: their value, their picture's number and the packed place."""

    values: Float32[Tensor, "channel rank"]
    pictures: Int64[Tensor, "channel rank"]
    places: Int32[Tensor, "channel rank"]

    def cpu(self) -> "Best":
        """The same on the CPU."""
        return Best(self.values.cpu(), self.pictures.cpu(), self.places.cpu())


def best(
    values: Float32[Tensor, "candidate channel"],
    pictures: Int64[Tensor, " candidate"],
    places: Int32[Tensor, "candidate channel"],
    keep: int,
    end: End = "strongest",
) -> Best:
    """The `keep` highest (or lowest) values of every channel; of equal ones those of the first pictures."""
    columns = pictures.expand(values.shape[1], -1)
    return _chosen(Best(values.T.contiguous(), columns, places.T), keep, end)


def merged(first: Best, second: Best, keep: int, end: End = "strongest") -> Best:
    """The best of both."""
    both = (torch.cat([getattr(first, name), getattr(second, name)], 1) for name in ("values", "pictures", "places"))
    return _chosen(Best(*both), keep, end)


def _chosen(all_of_them: Best, keep: int, end: End) -> Best:
    ordered = _ordered(all_of_them.values)
    pictures = all_of_them.pictures
    # The lower picture number wins a tie at either end.
    keys = ordered * PICTURES + (PICTURES - 1 - pictures if end == "strongest" else pictures)
    chosen = keys.topk(min(keep, keys.shape[1]), dim=1, largest=end == "strongest").indices
    return Best(all_of_them.values.gather(1, chosen), pictures.gather(1, chosen), all_of_them.places.gather(1, chosen))


def _ordered(values: Tensor) -> Tensor:
    """Floats as whole numbers of 32 bits in the same order; the two zeros are one."""
    bits = (values + 0.0).view(torch.int32)
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()


@dataclass(frozen=True, eq=False)
class ClassSums:
    """Per class and channel: how many pictures, the sum and the sum of squares of their means, their highest maximum.

    A class without pictures has the count 0 and a maximum of -inf.
    """

    counts: NDArray[np.int64]
    sums: NDArray[np.float64]
    squares: NDArray[np.float64]
    highest: NDArray[np.float32]


def class_sums(
    rows: Int64[np.ndarray, " label"],
    labels: Int64[np.ndarray, " label"],
    means: Float32[np.ndarray, "channel picture"],
    maxima: Float32[np.ndarray, "channel picture"],
    classes: int,
) -> ClassSums:
    """The sums of each class, (class, channel); every label with the picture, a row, that has it."""
    channels = len(means)
    sums, squares = np.zeros((classes, channels)), np.zeros((classes, channels))
    highest = np.full((classes, channels), -np.inf, np.float32)
    by_class = np.argsort(labels, kind="stable")
    order = rows[by_class]
    if len(order):
        present, starts = np.unique(labels[by_class], return_index=True)
        for channel in range(channels):  # one at a time, because a copy of all in double precision would be large
            own = means[channel, order].astype(np.float64)
            sums[present, channel] = np.add.reduceat(own, starts)
            squares[present, channel] = np.add.reduceat(own * own, starts)
            highest[present, channel] = np.maximum.reduceat(maxima[channel, order], starts)
    return ClassSums(np.bincount(labels, minlength=classes), sums, squares, highest)


def summary(values: Float32[np.ndarray, "channel picture"]) -> dict[str, NDArray[np.float64]]:
    """Exact mean, std (of all, not of a sample), min, max and quantiles (linear between two pictures) per channel."""
    ordered = np.sort(values, axis=1)
    count = ordered.shape[1]
    found = {
        "mean": ordered.mean(1, dtype=np.float64),
        "std": ordered.std(1, dtype=np.float64),
        "min": ordered[:, 0].astype(np.float64),
        "max": ordered[:, -1].astype(np.float64),
    }
    for share in QUANTILES:
        position = share * (count - 1)
        low = int(position)
        below, above = (ordered[:, at].astype(np.float64) for at in (low, min(low + 1, count - 1)))
        found[f"q{round(share * 100):02d}"] = below + (position - low) * (above - below)
    return found
