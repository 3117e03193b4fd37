"""Boxes in maps: what a window makes of them, and what is cut out, beside slow ways to say the same."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from featuremaps.acceleration.boxes import Boxes, Rows, Window, differing, everywhere

WINDOWS = [
    Window((3, 3), (1, 1), (1, 1), (1, 1)),
    Window((7, 7), (2, 2), (3, 3), (1, 1)),
    Window((1, 1), (2, 2), (0, 0), (1, 1)),
    Window((2, 3), (2, 1), (0, 1), (1, 1)),
    Window((3, 3), (1, 2), (2, 0), (2, 3)),
    Window((2, 2), (5, 5), (0, 0), (1, 1)),  # passes over some places
]
PLACES = Boxes((0, 3, 14, 9), (0, 7, 15, 2), 5, 4)


def indicator(boxes: Boxes, height: int, width: int) -> Tensor:
    """1 in the boxes and 0 around them, (row, 1, height, width)."""
    marks = torch.zeros(len(boxes.tops), 1, height, width)
    for row, (top, left) in enumerate(zip(boxes.tops, boxes.lefts, strict=True)):
        assert top >= 0
        assert left >= 0
        marks[row, :, top : top + boxes.height, left : left + boxes.width] = 1
    return marks


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_a_window_reaches_what_a_convolution_of_ones_sees(window: Window) -> None:
    marks = indicator(PLACES, 19, 19)
    seen = F.conv2d(marks, torch.ones(1, 1, *window.kernel), None, window.stride, window.padding, window.dilation) > 0
    reached = window.reached(PLACES, *seen.shape[2:])
    inside = indicator(reached, *seen.shape[2:])
    assert inside.sum() == len(marks) * reached.area, "a box sticks out"
    assert not bool((seen & (inside == 0)).any()), "something reached lies outside"
    tall, wide = (int(seen.any(axis).sum(-1).max()) for axis in (3, 2))
    assert (reached.height, reached.width) == (max(1, tall), max(1, wide)), "as small as the largest needs"


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_what_is_read_is_what_the_results_in_a_box_are_made_from(window: Window) -> None:
    maps = torch.randn(4, 2, 19, 19, generator=torch.Generator().manual_seed(0))
    weight = torch.randn(3, 2, *window.kernel, generator=torch.Generator().manual_seed(1))
    results = F.conv2d(maps, weight, None, window.stride, window.padding, window.dilation)
    boxes = Boxes((0, 1, 1, 0), (1, 0, 0, 1), 2, 2)
    rows = Rows(maps, maps, everywhere(maps.shape), 1)
    cut = rows.cut(window.read(boxes))
    found = F.conv2d(cut, weight, None, window.stride, 0, window.dilation)
    for row, (top, left) in enumerate(zip(boxes.tops, boxes.lefts, strict=True)):
        torch.testing.assert_close(found[row], results[row, :, top : top + 2, left : left + 2])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize(
    "boxes", [PLACES, Boxes((-2, 16, 0, 5), (0, -1, 17, 5), 4, 6), Boxes((0,) * 4, (0,) * 4, 19, 19)]
)
def test_a_cut_is_a_slice_of_the_whole_maps(boxes: Boxes, layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(2, 3, 19, 19, generator=generator).contiguous(memory_format=layout)
    inside = torch.randn(4, 3, PLACES.height, PLACES.width, generator=generator).contiguous(memory_format=layout)
    whole = base.repeat_interleave(2, 0)
    for row, (top, left) in enumerate(zip(PLACES.tops, PLACES.lefts, strict=True)):
        whole[row, :, top : top + PLACES.height, left : left + PLACES.width] = inside[row]
    rows = Rows(base, inside, PLACES, 2)
    assert torch.equal(rows.whole(), whole)
    assert rows.shape == whole.shape
    around = F.pad(whole, (9, 9, 9, 9), value=7.0)
    cut = rows.cut(boxes, outside=7.0)
    for row, (top, left) in enumerate(zip(boxes.tops, boxes.lefts, strict=True)):
        wanted = around[row, :, top + 9 : top + 9 + boxes.height, left + 9 : left + 9 + boxes.width]
        assert torch.equal(cut[row], wanted)
    assert cut.is_contiguous(memory_format=layout)


def test_boxes_around_two() -> None:
    both = Boxes((9, 0), (4, 6), 3, 3).around(Boxes((4, 2), (0, 6), 2, 5), 12, 12)
    assert both == Boxes((4, 0), (0, 5), 8, 7)  # the last is moved to the left, where it would stick out


def test_where_pictures_differ() -> None:
    pictures = torch.zeros(2, 3, 8, 9)
    new = pictures.repeat_interleave(2, 0)
    assert differing(new, pictures) is None
    new[0, 1, 2:4, 3] = 1
    new[2, :, 7, 1:9] = 1
    found = differing(new, pictures)
    assert found is not None
    # A box as large as the largest holds for all rows; the one without a difference may lie anywhere.
    assert (found.height, found.width) == (2, 8)
    assert (found.tops[0], found.tops[2]) == (2, 6)
    assert (found.lefts[0], found.lefts[2]) == (1, 1)
