"""Sheets of pictures, captions and stacks; enlarging, scaling and overlays are tested with the heatmaps."""

import numpy as np
import pytest
import torch
from PIL import Image

from featuremaps.errors import OptionError
from featuremaps.plotting.rendering import captioned, stacked, tiled


def flat(level: int, size: tuple[int, int] = (3, 2)) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def test_tiles_lie_row_by_row_on_white() -> None:
    sheet = np.asarray(tiled([flat(10), flat(20), flat(30)], columns=2, gap=1))[..., 0]
    assert sheet.tolist() == [
        [10, 10, 10, 255, 20, 20, 20],
        [10, 10, 10, 255, 20, 20, 20],
        [255] * 7,
        [30, 30, 30, 255, 255, 255, 255],
        [30, 30, 30, 255, 255, 255, 255],
    ]


def test_without_columns_a_sheet_is_nearly_square() -> None:
    assert tiled([flat(1, (4, 4))] * 10, gap=0).size == (16, 12)
    assert tiled([flat(1, (4, 4))]).size == (4, 4)
    with pytest.raises(OptionError, match="1 column or more; got -1"):
        tiled([flat(1)], -1)


def test_a_caption_stands_below_and_is_never_cut() -> None:
    image = captioned(flat(0, (20, 10)), "a long line of text")
    assert image.width > 80
    pixels = np.asarray(image)
    assert (pixels[:10, :20] == 0).all()
    assert (pixels[10:] < 200).any()
    assert (pixels[:, -4:] == 255).all()
    assert captioned(flat(0, (500, 10)), "short").width == 500


def test_maps_of_different_sizes_cannot_be_stacked() -> None:
    assert stacked([torch.zeros(2, 3, 4)] * 2).shape == (2, 2, 3, 4)
    with pytest.raises(OptionError, match=r"different sizes \(2×3×4, 2×3×5\)"):
        stacked([torch.zeros(2, 3, 5), torch.zeros(2, 3, 4)])
