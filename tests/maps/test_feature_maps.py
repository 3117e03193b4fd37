"""Feature maps: ranked, collapsed, drawn and saved; what is computed is checked against plain loops."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import featuremaps as fm
from featuremaps.errors import OptionError
from map_samples import PNG, little, made, pictures, texts
from method_samples import Little, noise, unchecked


def test_collapsed_over_channels() -> None:
    maps = little()
    whole = maps.tensor
    torch.testing.assert_close(maps.mean().tensor, whole.mean(1, keepdim=True))
    torch.testing.assert_close(maps.max().tensor, whole.amax(1, keepdim=True))
    torch.testing.assert_close(maps.sum().tensor, whole.sum(1, keepdim=True))
    assert maps.mean().units == ("mean of features",)
    assert maps.max().ranges == {"max of features": pytest.approx((float(whole.amax(1).min()), float(whole.max())))}


def test_values_are_the_mean_or_the_largest_activation() -> None:
    torch.testing.assert_close(made().values("mean"), torch.tensor([[0.5, 2.0, 3.0], [2.5, 0.0, 1.0]]))
    torch.testing.assert_close(made().values("max"), torch.tensor([[1.0, 4.0, 3.0], [5.0, 0.0, 2.0]]))
    with unchecked(), pytest.raises(OptionError, match="by='median' is not known; choose 'mean' or 'max'"):
        made().values("median")


def test_top_ranks_each_picture_by_itself() -> None:
    top = made().top(2)
    assert top.units == (("conv:2", "conv:1"), ("conv:0", "conv:2"))
    assert top.values == ((3.0, 2.0), (2.5, 1.0))
    assert made().top(1, by="max").units == (("conv:1",), ("conv:0",))
    assert top.ranked[0][1].map.tolist() == [[0.0, 4.0]]
    assert len(made().top(99).units[0]) == 3
    with pytest.raises(OptionError, match="n is how many of the strongest channels are shown, 1 or more; got 0"):
        made().top(0)


def test_highlighted_units_are_appended_with_their_true_rank() -> None:
    top = made(highlight=("conv:0", "conv:2")).top(1)
    assert top.units == (("conv:2", "conv:0"), ("conv:0", "conv:2"))
    assert top.ranks == ((1, 3), (1, 2))
    assert [one.highlighted for one in top.ranked[0]] == [True, True]
    assert [one.highlighted for one in made(highlight=("conv:0",)).top(2).ranked[0]] == [False, False, True]


def test_equal_channels_stand_in_their_order() -> None:
    top = made([[[[1.0, 1.0]], [[0.0, 2.0]], [[2.0, 0.0]]]]).top(3)
    assert top.units == (("conv:0", "conv:1", "conv:2"),)


def test_rank_of_a_real_layer_by_a_plain_loop() -> None:
    maps = little("features.conv2")
    for i, shown in enumerate(maps.top(4, by="max").units):
        strongest = sorted(range(7), key=lambda channel: -max(maps.tensor[i, channel].flatten().tolist()))
        assert list(shown) == [f"features.conv2:{channel}" for channel in strongest[:4]]


def test_grid_holds_every_channel_in_order() -> None:
    grid = made([[[[0.0, 1.0]], [[0.0, 0.0]], [[2.0, 0.0]]]]).grid(columns=2, colormap="gray")[0]
    pixels = np.asarray(grid)
    side = 32  # one row of two positions, each enlarged to 32
    assert pixels[0, :64, 0].tolist() == [0] * side + [255] * side
    assert (pixels[:32, 66:130] == 0).all()
    assert pixels[34, :64, 0].tolist() == [255] * side + [0] * side
    assert (pixels[34:66, 66:130] == 255).all()


def test_overlays_follow_the_scaling() -> None:
    maps = made([[[[1.0, 1.0]], [[4.0, 4.0]], [[0.0, 0.0]]]])
    own = [np.asarray(image) for image in maps.overlay(1.0, "gray")[0]]
    assert (own[0] == 255).all()
    assert (own[1] == 255).all()
    shared = [np.asarray(image) for image in maps.overlay(1.0, "gray", scaling="layer")[0]]
    assert (shared[1] == 255).all()
    assert not (shared[0] == 255).any()
    fixed = [np.asarray(image) for image in maps.overlay(1.0, "gray", scaling=(0.0, 1.0))[0]]
    assert (fixed[0] == 255).all()
    # where nothing is, the paler photograph remains
    assert len(np.unique(own[2])) > 5


def test_overlay_on_the_original_picture() -> None:
    scope = fm.Scope(Little(), lambda image: torch.from_numpy(np.array(image.resize((16, 16))) / 255).permute(2, 0, 1))
    maps = scope.maps(pictures((40, 30)), "features:1")
    assert maps.overlay()[0][0].size == (16, 16)
    assert maps.overlay(on="original")[0][0].size == (40, 30)
    with unchecked(), pytest.raises(OptionError, match="on='whole' is not known"):
        maps.overlay(on="whole")


def test_one_channel_over_many_pictures() -> None:
    figure = little("features:3", ((24, 16),) * 3).figure()
    shown = texts(figure)
    assert shown.count("features:3\nlargest") == 3
    assert "each map has its own scale: 0 to its largest value" in shown
    assert len(figure.axes) == 3 * 2 + 1


def test_units_stand_beside_their_sum() -> None:
    maps = little(["features:3", "features:1"], highlight="features:1")
    figure = maps.figure()
    titles = [axes.get_title().split("\n")[0] for axes in figure.axes[:4]]
    assert titles == ["picture 0", "sum", "features:3", "features:1"]
    frames = [axes.spines["left"].get_visible() for axes in figure.axes[:4]]
    assert frames == [False, False, False, True]


def test_a_layer_is_drawn_as_its_strongest_channels() -> None:
    shown = texts(little("features.conv2", scaling="layer").figure(most=3))
    assert "features.conv2: channels with the highest mean activation, of 7" in shown
    assert "one scale for all channels and pictures of the layer: ±" in shown


def test_pictures_of_different_sizes() -> None:
    maps = little(sizes=((24, 16), (16, 24)))
    assert [tuple(map.shape) for map in maps.maps] == [(8, 4, 6), (8, 6, 4)]
    with pytest.raises(OptionError, match="the maps have different sizes"):
        _ = maps.tensor
    assert [images[0].size for images in maps.overlay()] == [(24, 16), (16, 24)]
    assert maps.values().shape == (2, 8)
    assert [part.maps[0].shape[1] for part in maps] == [4, 6]
    assert maps[-1].maps[0].shape == (8, 6, 4)
    with pytest.raises(IndexError, match="picture 2 of 2"):
        maps[2]


def test_save_a_layer(tmp_path: Path) -> None:
    maps = little()
    written = maps.save(tmp_path)
    assert sorted(path.name for path in written) == sorted(
        f"picture {i}__maps__features.{suffix}" for i in (0, 1) for suffix in ("npy", "png")
    )
    np.testing.assert_array_equal(np.load(tmp_path / "picture 1__maps__features.npy"), maps.maps[1].numpy())


def test_save_units(tmp_path: Path) -> None:
    maps = little(["features:3", "features:1"])
    written = maps.save(tmp_path)
    assert all(path.is_file() for path in written)
    assert len(written) == 2 * (1 + 3)
    with Image.open(tmp_path / "picture 0__maps__features-3.png") as image:
        assert image.size == (24, 16)
    assert np.load(tmp_path / "picture 0__maps__features-3 + features-1.npy").shape == (2, 4, 6)


def test_shows_itself() -> None:
    assert little()._repr_png_().startswith(PNG)
    assert repr(little()) == "<FeatureMaps: features, 8 channels, 2 pictures, 4×6, scaling map>"
    assert "1 channel, 2 pictures" in repr(little("features:2"))
    assert fm.Scope(Little()).maps(noise(1), "features").figure().axes
