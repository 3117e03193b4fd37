"""The strongest channels, as a person studies them: titles, frames, ranks, files."""

from pathlib import Path

import numpy as np
import pytest
import torch

from featuremaps.maps.top_channels import largest
from map_samples import PNG, chelsea, little, made, real_scope, texts


def test_titles_frames_and_ranks() -> None:
    top = made(highlight=("conv:0",)).top(1)
    figure = top.figure()
    titles = [axes.get_title() for axes in figure.axes[:6]]
    assert titles == [
        "picture 0",
        "conv:2\n3.00",
        "conv:0\n0.500  (rank 3 of 3)",
        "picture 1",
        "conv:0\n2.50  (rank 1 of 3)",
        "",
    ]
    framed = [axes.spines["left"].get_visible() and axes.get_title() != "" for axes in figure.axes[:5]]
    assert framed == [False, False, True, False, True]
    assert "each map has its own scale: 0 to its largest value" in texts(figure)


def test_only_the_first_pictures_are_drawn_and_it_says_so() -> None:
    assert "first 1 of 2 pictures" in texts(made().top(2).figure(most=1))
    assert "first" not in texts(made().top(2).figure())


def test_every_map_is_laid_over_the_picture() -> None:
    top = little("features").top(3)
    overlays = top.overlay()
    assert [[image.size for image in images] for images in overlays] == [[(24, 16)] * 3] * 2
    whole = little("features").overlay()[0]
    channel = int(top.units[0][0].rpartition(":")[2])
    assert np.array_equal(np.asarray(overlays[0][0]), np.asarray(whole[channel]))


def test_save_and_show(tmp_path: Path) -> None:
    top = little("features", highlight="features:7").top(2)
    written = top.save(tmp_path)
    assert [path.name for path in written[:2]] == ["picture 0__top__features.png", "picture 0__top__features.npy"]
    assert written[0].read_bytes().startswith(PNG)
    expected = torch.stack([one.map for one in top.ranked[1]]).numpy()
    np.testing.assert_array_equal(np.load(written[3]), expected)
    assert top._repr_png_().startswith(PNG)
    assert repr(made().top(3)).splitlines()[1] == "  picture 0: conv:2 3.00, conv:1 2.00, conv:0 0.500"
    assert top[1].units == (top.units[1],)
    assert [one.units[0] for one in top] == list(top.units)
    with pytest.raises(IndexError, match="picture 5 of 2"):
        top[5]


def test_the_range_of_a_unit_is_that_of_its_layer() -> None:
    assert largest({"a": (-3.0, 2.0), "mean of a": (0.0, 1.0)}, "a:5") == 3.0
    assert largest({"mean of a": (0.0, 1.0)}, "mean of a") == 1.0


def test_the_eyes_of_a_cat(shared: Path) -> None:
    top = real_scope(shared).maps(chelsea(), "features.12", highlight="features.12:300").top(16)
    assert len(top.units[0]) == 17
    assert top.ranked[0][-1].rank > 16
    strongest = top.ranked[0][0].map
    row, column = divmod(int(strongest.argmax()), strongest.shape[1])
    assert 3 <= row <= 6, "between the eyes' height in this picture"
    assert column in (3, 4, 10, 11), "at one of the two eyes"
