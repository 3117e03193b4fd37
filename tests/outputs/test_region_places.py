"""Which places of a map lie in a region: every share against counting fine pixels, and the rule that makes members."""

import pytest
import torch
from torch import Tensor

from featuremaps.outputs.region_places import (
    Cells,
    cells_of,
    members,
    overlaps,
    shares_elsewhere,
    shares_of_boxes,
    shares_of_masks,
)

FINE = 20  # sub-pixels along a pixel; every edge below is a multiple of its reciprocal


def counted(region: Tensor, cells: Cells) -> Tensor:
    """Of each cell the share of its sub-pixels that lie in a region (height × FINE, width × FINE), False outside."""
    rows, columns = ((edges * FINE).round().long().tolist() for edges in (cells.rows, cells.columns))
    shares = torch.zeros(len(rows) - 1, len(columns) - 1, dtype=torch.float64)
    for i in range(len(rows) - 1):
        for j in range(len(columns) - 1):
            inside = region[rows[i] : rows[i + 1], columns[j] : columns[j + 1]].sum()
            area = (rows[i + 1] - rows[i]) * (columns[j + 1] - columns[j])
            shares[i, j] = int(inside) / area
    return shares


def painted(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    region = torch.zeros(size[0] * FINE, size[1] * FINE, dtype=torch.bool)
    for left, top, right, bottom in (boxes * FINE).round().long().tolist():
        region[top:bottom, left:right] = True
    return region


BOXES = torch.tensor([[1.5, 0.25, 6.0, 3.5], [5.0, 2.0, 9.75, 8.0], [0.0, 7.0, 2.0, 8.0]], dtype=torch.float64)
SIZE = (8, 10)


@pytest.mark.parametrize(("stride", "start"), [(None, None), ((2.0, 2.5), (1.0, 1.25)), ((3.0, 4.0), (0.5, 0.5))])
def test_shares_of_boxes_and_of_the_rest_are_what_one_counts(
    stride: tuple[float, ...] | None, start: tuple[float, ...] | None
) -> None:
    cells = cells_of((4, 4), SIZE, stride, start)
    expected = torch.stack([counted(painted(box[None], SIZE), cells) for box in BOXES])
    torch.testing.assert_close(shares_of_boxes(BOXES, cells), expected, atol=1e-12, rtol=0)
    rest = counted(~painted(BOXES, SIZE), cells)
    torch.testing.assert_close(shares_elsewhere(BOXES, SIZE, cells), rest, atol=1e-12, rtol=0)


def test_without_boxes_all_of_the_picture_is_elsewhere() -> None:
    cells = cells_of((2, 3), (8, 12), None, None)
    assert shares_elsewhere(torch.zeros(0, 4, dtype=torch.float64), (8, 12), cells).eq(1).all()
    assert shares_of_boxes(torch.zeros(0, 4, dtype=torch.float64), cells).shape == (0, 2, 3)


def test_shares_of_masks_are_what_one_counts() -> None:
    masks = torch.rand(3, 4, 5, generator=torch.Generator().manual_seed(0)) > 0.5
    rows, columns = torch.linspace(0, 8, 5, dtype=torch.float64), torch.linspace(0, 10, 6, dtype=torch.float64)
    cells = cells_of((3, 2), SIZE, (3.0, 5.0), (1.5, 2.5))
    fine = masks.repeat_interleave(2 * FINE, 1).repeat_interleave(2 * FINE, 2)
    expected = torch.stack([counted(mask, cells) for mask in fine])
    torch.testing.assert_close(shares_of_masks(masks, rows, columns, cells), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("count", "side", "stride", "start", "edges"),
    [
        (4, 8, None, None, [0, 2, 4, 6, 8]),
        (4, 8, 2.0, 0.5, [0, 2, 4, 6, 8]),  # padded, as a ResNet's: from the picture's edge on
        (4, 6, 2.0, 0.5, [0, 2, 4, 6, 8]),  # the model adds two pixels behind, which is no part of the picture
        (3, 8, 2.0, 0.5, [0, 2, 4, 8]),  # the last reaches to the picture's edge
        (4, 8, 1.0, 2.5, [0, 3, 4, 5, 8]),  # no padding: the first begins where its own stride does, and reaches out
    ],
)
def test_where_a_map_lies(count: int, side: int, stride: float | None, start: float | None, edges: list[float]) -> None:
    given = [None if value is None else (value, value) for value in (stride, start)]
    cells = cells_of((count, count), (side, side), *given)
    assert cells.rows.tolist() == cells.columns.tolist() == edges


def test_a_cell_beyond_the_picture_belongs_to_nothing_that_has_another() -> None:
    cells = cells_of((4, 4), (6, 6), (2.0, 2.0), (0.5, 0.5))
    rest = members(shares_elsewhere(torch.zeros(0, 4, dtype=torch.float64), (6, 6), cells)[None])[0]
    assert rest[:3, :3].all()
    assert rest.sum() == 9


def test_half_a_cell_counts_and_less_only_where_there_is_no_more() -> None:
    shares = torch.tensor([[[0.5, 0.49, 1.0]], [[0.1, 0.3, 0.3]], [[0.0, 0.0, 0.2]]], dtype=torch.float64)
    assert members(shares).tolist() == [
        [[True, False, True]],
        [[False, True, False]],
        [[False, False, True]],
    ]


def test_shares_of_a_division_sum_to_one() -> None:
    edges = torch.tensor([0.0, 1.5, 4.0, 9.0], dtype=torch.float64)
    ends = torch.tensor([0.0, 0.7, 3.0, 9.0], dtype=torch.float64)
    torch.testing.assert_close(overlaps(edges, ends[:-1], ends[1:]).sum(1), torch.ones(3, dtype=torch.float64))
