"""Superpixels: connected, along the colours, alike for a batch and one by one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.measure import label
from torch import Tensor

from featuremaps.methods.segments import connected, grid, grid_shape, segment_means, segmented, slic
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


def test_as_good_as_scikit_image_at_equal_shape(shared: Path) -> None:
    """Colour inside the pieces varies no more than in the usual implementation's, with as many pieces."""
    from skimage.segmentation import slic as usual

    picture = photographs(shared, (280,), 160)
    image = ((picture - picture.mean((2, 3), keepdim=True)) / picture.std((2, 3), keepdim=True))[0]
    expected = usual(image.permute(1, 2, 0).double().numpy(), 49, 0.7, convert2lab=False, channel_axis=2, start_label=0)
    ours = slic(picture, 7, 7)[0]
    assert abs(len(ours.unique()) - len(np.unique(expected))) <= 8
    assert within(image, ours) < 1.1 * within(image, torch.from_numpy(expected))


def test_two_colours_are_told_apart_to_the_pixel() -> None:
    picture = torch.zeros(1, 3, 24, 24)
    picture[:, :, 5:17, 9:20] = 4.0
    labels = slic(picture, 4, 4)[0]
    inside = torch.zeros(24, 24, dtype=torch.bool)
    inside[5:17, 9:20] = True
    assert set(labels[inside].tolist()).isdisjoint(labels[~inside].tolist())


def test_batch_equals_one_by_one_and_no_colour_or_contrast_matters_more() -> None:
    pictures = noise(3, (30, 22))
    whole = slic(pictures, 4, 3)
    assert torch.equal(torch.cat([slic(picture[None], 4, 3) for picture in pictures]), whole)
    assert torch.equal(slic(pictures * 4 + 2, 4, 3), whole)
    blank = slic(torch.ones(1, 3, 12, 12), 3, 3)
    assert torch.equal(blank, grid(torch.ones(1, 3, 12, 12), 3, 3))


@pytest.mark.parametrize(
    ("height", "width", "count", "expected"),
    [(224, 224, 50, (7, 7)), (100, 200, 50, (5, 10)), (2, 50, 20, (1, 20)), (3, 3, 100, (3, 3)), (5, 5, 1, (1, 1))],
)
def test_cells_are_square_and_about_as_many_as_asked_for(
    height: int, width: int, count: int, expected: tuple[int, int]
) -> None:
    rows, columns = grid_shape(height, width, count)
    assert (rows, columns) == expected
    labels = grid(torch.zeros(2, 1, height, width), rows, columns)
    assert labels.shape == (2, height, width)
    sizes = torch.bincount(labels[0].flatten())
    assert len(sizes) == rows * columns
    assert int(sizes.min()) > 0


def test_of_every_piece_the_largest_part_stays_and_the_rest_joins_a_neighbour() -> None:
    labels = torch.tensor([[[0, 1, 1, 0], [0, 1, 2, 2], [0, 3, 2, 1]], [[2, 2, 2, 2], [2, 0, 1, 2], [2, 2, 2, 2]]])
    found = connected(labels, 4)
    assert found[0, 0, 3] in (1, 2)
    assert found[0, 2, 3] == 2
    changed = torch.zeros(2, 3, 4, dtype=torch.bool)
    changed[0, 0, 3] = changed[0, 2, 3] = True
    assert torch.equal(found[~changed], labels[~changed])


def test_random_labels_become_connected() -> None:
    labels = torch.randint(0, 6, (3, 17, 20), generator=torch.Generator().manual_seed(0))
    found = connected(labels, 6)
    for pieces in found:
        assert parts(pieces) == len(pieces.unique()) == 6


def test_means_of_pieces() -> None:
    points, labels = noise(2, (4, 4)), torch.randint(0, 3, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    found = segment_means(points, labels, 4)
    for i in range(2):
        for piece in range(3):
            torch.testing.assert_close(found[i, :, piece], points[i][:, labels[i] == piece].mean(1))
    assert torch.equal(found[..., 3], torch.zeros(2, 3))
