"""Pictures that differ from others only in a box each, and their maps in a model: the boxes are kept, not the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.runtime.memory_format import memory_format_of


@dataclass(frozen=True)
class Boxes:
    """Boxes of one size, one a row, by the places of their upper left corners; they lie within the maps."""

    tops: tuple[int, ...]
    lefts: tuple[int, ...]
    height: int
    width: int

    @property
    def area(self) -> int:
        """How many positions each covers."""
        return self.height * self.width

    def around(self, other: "Boxes", height: int, width: int) -> "Boxes":
        """Boxes of one size within maps of `height` × `width` that hold both of each row."""
        tops, tall = _around(self.tops, self.height, other.tops, other.height, height)
        lefts, wide = _around(self.lefts, self.width, other.lefts, other.width, width)
        return Boxes(tops, lefts, tall, wide)


def _around(
    first: Sequence[int], length: int, second: Sequence[int], other: int, size: int
) -> tuple[tuple[int, ...], int]:
    starts = [min(pair) for pair in zip(first, second, strict=True)]
    ends = [max(a + length, b + other) for a, b in zip(first, second, strict=True)]
    return _equal(starts, ends, size)


def _equal(starts: Sequence[int], ends: Sequence[int], size: int) -> tuple[tuple[int, ...], int]:
    """Stretches of one length, the longest needed, moved to lie within `size`."""
    length = max(1, *(end - start for start, end in zip(starts, ends, strict=True)))
    return tuple(max(0, min(start, size - length)) for start in starts), length


@dataclass(frozen=True)
class Window:
    """What slides over the maps: its sides, steps, zeros around the maps, and gaps, each as (height, width)."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    def reached(self, boxes: Boxes, height: int, width: int) -> Boxes:
        """The results, out of `height` × `width`, that positions in the boxes have a part in."""
        tops, tall = self._reached(0, boxes.tops, boxes.height, height)
        lefts, wide = self._reached(1, boxes.lefts, boxes.width, width)
        return Boxes(tops, lefts, tall, wide)

    def _reached(self, axis: int, starts: Sequence[int], length: int, size: int) -> tuple[tuple[int, ...], int]:
        step, reach = self.stride[axis], self.dilation[axis] * (self.kernel[axis] - 1)
        padded = [start + self.padding[axis] for start in starts]
        first = [max(0, -((reach - start) // step)) for start in padded]
        ends = [min(size, (start + length - 1) // step + 1) for start in padded]
        return _equal(first, ends, size)

    def read(self, boxes: Boxes) -> Boxes:
        """What the results in the boxes are made from; it may stick out of the maps."""
        sides = (boxes.height, boxes.width)
        tall, wide = ((sides[i] - 1) * self.stride[i] + self.dilation[i] * (self.kernel[i] - 1) + 1 for i in (0, 1))
        tops = tuple(top * self.stride[0] - self.padding[0] for top in boxes.tops)
        return Boxes(tops, tuple(left * self.stride[1] - self.padding[1] for left in boxes.lefts), tall, wide)


@dataclass(frozen=True, eq=False)
class Rows:
    """Maps that equal those of a picture but in a box each, `repeats` rows for every picture."""

    base: Float[Tensor, "picture channel height width"]
    inside: Float[Tensor, "row channel box_height box_width"]
    boxes: Boxes
    repeats: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the maps."""
        return int(self.base.shape[2]), int(self.base.shape[3])

    @property
    def shape(self) -> torch.Size:
        """That of the whole maps."""
        return torch.Size((len(self.inside), *self.base.shape[1:]))

    def whole(self) -> Float[Tensor, "row channel height width"]:
        """The maps with everything around the boxes."""
        return self.cut(everywhere(self.shape))

    def cut(self, boxes: Boxes, outside: float = 0.0) -> Float[Tensor, "row channel box_height_ box_width_"]:
        """What lies in other boxes, and `outside` where these stick out of the maps."""
        if boxes == self.boxes:
            return self.inside
        cut = self._base(boxes)
        height, width = self.size
        for row, (top, left) in enumerate(zip(boxes.tops, boxes.lefts, strict=True)):
            _fill_outside(cut[row], range(-top, height - top), range(-left, width - left), outside)
            self._paste(cut[row], row, top, left)
        return cut

    def _base(self, boxes: Boxes) -> Tensor:
        """What the pictures' own maps have in the boxes; anything where these stick out of the maps."""
        height, width = self.size
        pictures = torch.arange(len(self.inside), device="cpu") // self.repeats
        y = _places(boxes.tops, boxes.height, height)[:, :, None]
        x = _places(boxes.lefts, boxes.width, width)[:, None, :]
        # A place is copied whole where its channels lie side by side.
        places = ((pictures[:, None, None] * height + y) * width + x).to(self.base.device)
        by_place = self.base.permute(0, 2, 3, 1).flatten(0, 2)
        cut: Tensor = by_place.index_select(0, places.flatten()).unflatten(0, places.shape).permute(0, 3, 1, 2)
        return cut.contiguous(memory_format=memory_format_of(self.base))

    def _paste(self, cut: Tensor, row: int, top: int, left: int) -> None:
        """Put a row's own box into what is cut out for it, as far as it lies there."""
        own_top, own_left = self.boxes.tops[row] - top, self.boxes.lefts[row] - left
        y = slice(max(0, own_top), min(cut.shape[1], own_top + self.boxes.height))
        x = slice(max(0, own_left), min(cut.shape[2], own_left + self.boxes.width))
        if y.start < y.stop and x.start < x.stop:
            cut[:, y, x] = self.inside[row][:, _moved(y, -own_top), _moved(x, -own_left)]


def everywhere(shape: Sequence[int]) -> Boxes:
    """Boxes that cover maps (row, channel, height, width)."""
    corners = (0,) * shape[0]
    return Boxes(corners, corners, shape[2], shape[3])


def _places(starts: Sequence[int], length: int, size: int) -> Tensor:
    """The places along one axis of stretches, those outside moved to the border: (row, place)."""
    return (torch.tensor(starts, device="cpu")[:, None] + torch.arange(length, device="cpu")).clamp(0, size - 1)


def _fill_outside(cut: Tensor, rows: range, columns: range, outside: float) -> None:
    """Fill what lies neither in these rows nor in these columns of one row's cut."""
    height, width = cut.shape[1:]
    for start, stop in ((0, rows.start), (rows.stop, height)):
        if start < min(stop, height):
            cut[:, max(0, start) : stop].fill_(outside)
    for start, stop in ((0, columns.start), (columns.stop, width)):
        if start < min(stop, width):
            cut[:, :, max(0, start) : stop].fill_(outside)


def _moved(part: slice, by: int) -> slice:
    return slice(part.start + by, part.stop + by)


def differing(
    new: Float[Tensor, "row channel height width"], pictures: Float[Tensor, "picture channel height width"]
) -> Boxes | None:
    """Where rows, `row / picture` of each picture in turn, differ from it; None where no row does."""
    repeats = len(new) // len(pictures)
    differs = (new.unflatten(0, (len(pictures), repeats)) != pictures[:, None]).any(2).flatten(0, 1)
    if not bool(differs.any()):
        return None
    height, width = differs.shape[1:]
    tops, tall = _equal(*_ends(differs.any(2)), height)
    lefts, wide = _equal(*_ends(differs.any(1)), width)
    return Boxes(tops, lefts, tall, wide)


def _ends(differs: Tensor) -> tuple[list[int], list[int]]:
    """First place and the one after the last, along the second axis; an empty stretch where there is none."""
    marks = differs.int()
    starts = marks.argmax(1)
    ends = torch.where(differs.any(1), differs.shape[1] - marks.flip(1).argmax(1), starts)
    return starts.tolist(), ends.tolist()
