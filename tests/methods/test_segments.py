"""Superpixels: connected, along the colours, alike for a batch and one by one."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.measure import label
from torch import Tensor

from featuremaps.methods.segments import (
    COMPACTNESS,
    connected,
    grid,
    grid_shape,
    segment_means,
    segmented,
    slic,
    slic_count,
)
from method_samples import noise, photographs


def parts(labels: Tensor) -> int:
    """How many connected parts there are, counted by scikit-image."""
    return int(label(labels.numpy() + 1, connectivity=1).max())


def test_pieces_of_a_photograph_are_connected_and_follow_its_colours(shared: Path) -> None:
    pictures = photographs(shared, (280, 340), 160)
    labels, count = segmented(pictures, 50, "slic")
    assert count == 49
    flat, _ = segmented(pictures, 50, "grid")
    for picture, pieces, cells in zip(pictures, labels, flat, strict=True):
        assert len(pieces.unique()) > 40
        assert parts(pieces) == len(pieces.unique())
        assert within(picture, pieces) < 0.9 * within(picture, cells)


def within(picture: Tensor, labels: Tensor) -> float:
    """The variance of the colours inside their pieces."""
    return sum(
        float((picture[:, labels == piece] - picture[:, labels == piece].mean(1, keepdim=True)).square().sum())
        for piece in labels.unique()
    )


def by_loops(picture: Tensor, count: int) -> Tensor:
    """Every pixel to the nearest centre within two steps, ten times; the first time by place alone."""
    colours = (
        (picture - picture.mean((1, 2), keepdim=True)) / picture.std((1, 2), keepdim=True, correction=0)
    ).double()
    height, width = picture.shape[1:]
    step = round((height * width / count) ** 0.5)
    starts = [(y, x) for y in range(step // 2, height, step) for x in range(step // 2, width, step)]
    down, across = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    points = torch.cat([torch.stack([down, across]) / step, colours / COMPACTNESS]).flatten(1)
    centres = torch.tensor([[y / step, x / step, 0, 0, 0] for y, x in starts]).double()
    for _ in range(10):
        far = [((points[:2] - centre[:2, None]).abs() > 2).any(0) for centre in centres]
        away = [(points - centre[:, None]).square().sum(0) for centre in centres]
        labels = torch.stack([d.masked_fill(f, torch.inf) for d, f in zip(away, far, strict=True)]).argmin(0)
        centres = torch.stack([points[:, labels == k].mean(1) for k in range(len(centres))])
    return labels.view(height, width)


def test_beside_the_paper_by_loops(shared: Path) -> None:
    """All but a few pixels, at the seams, are in the same piece."""
    picture = photographs(shared, (280,), 160)
    assert float((slic(picture, 49)[0] == connected_of(by_loops(picture[0], 49))).double().mean()) > 0.97


def connected_of(labels: Tensor) -> Tensor:
    return torch.from_numpy(connected(labels.numpy()))


def test_two_colours_are_told_apart_to_the_pixel() -> None:
    picture = torch.zeros(1, 3, 24, 24)
    picture[:, :, 5:17, 9:20] = 4.0
    labels = slic(picture, 16)[0]
    inside = torch.zeros(24, 24, dtype=torch.bool)
    inside[5:17, 9:20] = True
    assert set(labels[inside].tolist()).isdisjoint(labels[~inside].tolist())


def test_batch_equals_one_by_one_and_no_colour_or_contrast_matters_more() -> None:
    pictures = noise(3, (30, 22))
    whole = slic(pictures, 12)
    assert torch.equal(torch.cat([slic(picture[None], 12) for picture in pictures]), whole)
    assert torch.equal(slic(pictures * 4 + 2, 12), whole)
    blank = torch.ones(1, 3, 15, 15)  # with a pixel in the middle of every cell
    assert torch.equal(slic(blank, 9), grid(blank, (3, 3)))


@pytest.mark.parametrize(
    ("height", "width", "count", "expected"),
    [(224, 224, 50, (7, 7)), (100, 200, 50, (5, 10)), (2, 50, 20, (1, 20)), (3, 3, 100, (3, 3)), (5, 5, 1, (1, 1))],
)
def test_cells_are_square_and_about_as_many_as_asked_for(
    height: int, width: int, count: int, expected: tuple[int, int]
) -> None:
    rows, columns = grid_shape((height, width), count)
    assert (rows, columns) == expected
    labels = grid(torch.zeros(2, 1, height, width), (rows, columns))
    assert labels.shape == (2, height, width)
    sizes = torch.bincount(labels[0].flatten())
    assert len(sizes) == rows * columns
    assert int(sizes.min()) > 0


def test_of_every_piece_the_largest_part_stays_and_the_rest_joins_a_neighbour() -> None:
    labels = torch.tensor([[0, 1, 1, 0], [0, 1, 2, 2], [0, 3, 2, 1]])
    found = connected_of(labels)
    assert found[0, 3] in (1, 2)
    assert found[2, 3] == 2
    changed = torch.zeros(3, 4, dtype=torch.bool)
    changed[0, 3] = changed[2, 3] = True
    assert torch.equal(found[~changed], labels[~changed])
    ring = torch.tensor([[2, 2, 2, 2], [2, 0, 1, 2], [2, 2, 2, 2]])
    assert torch.equal(connected_of(ring), ring)


def test_of_equal_parts_the_first_stays() -> None:
    found = connected_of(torch.tensor([[0, 1, 1, 0]]))
    assert found.tolist() == [[0, 1, 1, 1]]


def test_random_labels_become_connected() -> None:
    labels = torch.randint(0, 6, (3, 17, 20), generator=torch.Generator().manual_seed(0))
    for pieces in map(connected_of, labels):
        assert parts(pieces) == len(pieces.unique()) == 6


@pytest.mark.parametrize(
    ("size", "count"), [((2, 50), 20), ((1, 7), 3), ((17, 23), 390), ((160, 213), 30), ((3, 3), 9)]
)
def test_pieces_of_any_picture_have_one_set_of_numbers(size: tuple[int, int], count: int) -> None:
    """Which depends on the size alone, so that batches of any make-up draw the same samples."""
    for pictures in (noise(2, size), torch.zeros(1, 3, *size), noise(2, size)[:, :1].sign()):
        labels = slic(pictures, count)
        assert 0 <= int(labels.min()) <= int(labels.max()) < slic_count(size, count)
    assert abs(slic_count(size, count) - count) <= 0.25 * count


def test_means_of_pieces() -> None:
    points, labels = noise(2, (4, 4)), torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    found = segment_means(points, labels, 4)
    for i in range(2):
        for piece in range(3):
            torch.testing.assert_close(found[i, :, piece], points[i][:, labels[i] == piece].mean(1))
    assert torch.equal(found[..., 3], torch.zeros(2, 3))


def test_a_signal_is_cut_into_equal_stretches_whatever_its_values() -> None:
    labels, count = segmented(torch.randn(2, 3, 40), 8, "slic")
    assert count == 8
    assert labels[0].tolist() == labels[1].tolist() == [place // 5 for place in range(40)]
    assert torch.equal(labels, segmented(torch.randn(2, 3, 40), 8, "grid")[0])


@pytest.mark.parametrize("count", [1, 8, 27, 60])
def test_a_volume_is_cut_into_connected_pieces_that_follow_what_is_in_it(count: int) -> None:
    volume = 0.1 * torch.randn(1, 1, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    volume[0, 0, 3:6, 4:9, 5:11] += 3
    labels, most = segmented(volume, count, "slic")
    assert 0.4 * count <= most <= 1.6 * count
    assert int(labels.max()) < most
    for piece in labels.unique():
        assert label(np.asarray(labels[0] == piece), connectivity=1).max() == 1
    cells, cubes = segmented(volume, count, "grid")
    assert cubes == len(cells.unique())
    assert cells[0].flatten().bincount().max() <= 8 * cells[0].flatten().bincount().min()
    if count == 60:
        inside = labels[0, 3:6, 4:9, 5:11].unique()
        outside = torch.isin(labels[0], inside).sum() - 3 * 5 * 6
        assert int(outside) <= 9, "pieces of the block are of the block alone"


def test_cells_are_as_cubic_as_can_be() -> None:
    assert grid_shape((8, 16, 16), 32) == (2, 4, 4)
    assert grid_shape((4, 100, 100), 64) == (1, 8, 8)
    assert grid_shape((200,), 50) == (50,)
    assert math.prod(grid_shape((3, 3, 3), 27)) == 27
