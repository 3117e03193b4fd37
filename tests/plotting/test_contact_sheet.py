"""Sheets of tiles: where they lie, how they are framed, that proportions are kept."""

import numpy as np
import pytest
from PIL import Image

from featuremaps.plotting.contact_sheet import PITCH, Tile, blank_figure, draw_sheet, inches, pixels_of, sheet_height


def tile(width: int, height: int, label: str = "", frame: str = "") -> Tile:
    return Tile(np.full((height, width, 3), 200, np.uint8), label, frame)


def test_tiles_lie_in_rows_and_keep_their_proportions() -> None:
    figure = blank_figure(4.0, 3.0)
    axes = inches(figure, 1.0, 0.5, 2.0, sheet_height(2, 0.5))
    draw_sheet(axes, [[tile(4, 4, "a"), tile(8, 4)], [tile(4, 8, "b", "#ff0000")]], 2, ["first", "second"])
    left, right, bottom, top = zip(*(image.get_extent() for image in axes.images), strict=True)
    widths, heights = np.subtract(right, left), np.subtract(bottom, top)
    np.testing.assert_allclose(widths / heights, [1, 2, 0.5])
    np.testing.assert_allclose((np.add(left, right) / 2)[:2], [0.47, 1.47])
    assert top[:2] == pytest.approx([0.0, 0.235])
    assert top[2] == PITCH
    edges = [patch.get_edgecolor()[:3] for patch in axes.patches]
    assert edges[2] == (1.0, 0.0, 0.0)
    assert [text.get_text() for text in axes.texts] == ["a", "b", "first", "second"]


def test_wide_cells() -> None:
    axes = inches(blank_figure(4.0, 3.0), 0.0, 0.0, 3.0, 1.0)
    draw_sheet(axes, [[tile(9, 3)]], 1, wide=3.0)
    left, right, bottom, top = axes.images[0].get_extent()
    assert (right - left) * 3 / (bottom - top) == pytest.approx(3)


def test_places_are_in_inches_from_the_upper_left() -> None:
    figure = blank_figure(4.0, 2.0)
    assert inches(figure, 1.0, 0.5, 2.0, 1.0).get_position().bounds == pytest.approx((0.25, 0.25, 0.5, 0.5))


def test_pixels_are_colours() -> None:
    assert pixels_of(Image.new("L", (3, 2), 7)).tolist() == [[[7, 7, 7]] * 3] * 2
