"""Looking at maps: enlarging, scaling, overlays, files, figures, and several layers as one."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

import featuremaps as fm
from featuremaps.errors import FeatureMapsError, OptionError
from featuremaps.explain.comparison import Comparison
from featuremaps.plotting.file_names import file_name, unique_names
from featuremaps.plotting.rendering import coloured, enlarged, overlay, scaled
from featuremaps.results.heatmaps import Heatmaps
from method_samples import Little, noise, unchecked

PNG = b"\x89PNG\r\n\x1a\n"
MAP = torch.tensor([[-2.0, 0.0, 1.0], [4.0, -1.0, 2.0]])


def picture(width: int = 30, height: int = 20, seed: int = 0) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


def heat_of(*maps: Tensor, pictures: object = None, scope: fm.Scope | None = None) -> Heatmaps:
    scope = scope or fm.Scope(Little())
    seen = scope.see(pictures or [picture(seed=i) for i in range(len(maps))]).seen
    return Heatmaps(tuple(maps), "grad_cam", "features", ("saw",) * len(maps), seen, ((),) * len(maps))


def stretched(map: Tensor, height: int, width: int) -> np.ndarray:
    """Bilinear enlargement with aligned pixel edges, place by place."""
    rows, columns = map.shape
    result = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) * rows / height - 0.5, 0.0), rows - 1.0)
            u = min(max((x + 0.5) * columns / width - 0.5, 0.0), columns - 1.0)
            top, left = math.floor(v), math.floor(u)
            low, right = min(top + 1, rows - 1), min(left + 1, columns - 1)
            above = float(map[top, left]) * (1 - u + left) + float(map[top, right]) * (u - left)
            below = float(map[low, left]) * (1 - u + left) + float(map[low, right]) * (u - left)
            result[y, x] = above * (1 - v + top) + below * (v - top)
    return result


def test_upsample_is_bilinear_and_does_not_overshoot() -> None:
    heat = heat_of(MAP).upsample()
    assert heat.maps[0].shape == (20, 30)
    np.testing.assert_allclose(heat.maps[0], stretched(MAP, 20, 30), atol=1e-5)
    np.testing.assert_allclose(heat_of(MAP).upsample((5, 7)).maps[0], stretched(MAP, 5, 7), atol=1e-5)
    assert float(enlarged(MAP[None], (64, 64)).max()) <= 4.0


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("max", [[0, 0, 0.25], [1, 0, 0.5]]),
        ("minmax", [[0, 2 / 6, 3 / 6], [1, 1 / 6, 4 / 6]]),
        ("signed", [[-0.5, 0, 0.25], [1, -0.25, 0.5]]),
    ],
)
def test_normalize(scaling: str, expected: list[list[float]]) -> None:
    heat = heat_of(MAP).normalize(scaling)
    torch.testing.assert_close(heat.tensor[0], torch.tensor(expected))
    assert heat.scaling == scaling
    torch.testing.assert_close(heat_of(MAP).tensor[0], MAP)


@pytest.mark.parametrize("scaling", ["max", "minmax", "signed"])
@pytest.mark.parametrize("value", [0.0, 3.0, -3.0])
def test_a_map_that_is_the_same_everywhere_is_scaled_without_dividing_by_zero(scaling: str, value: float) -> None:
    found = scaled(torch.full((2, 2), value), scaling)
    expected = {"max": float(value > 0), "minmax": 0.0, "signed": float(np.sign(value))}[scaling]
    assert torch.equal(found, torch.full((2, 2), expected))


def overlaid(image: Image.Image, strength: np.ndarray, alpha: float, colormap: str, signed: bool) -> np.ndarray:
    """The overlay, pixel by pixel: a paler photograph, the colour as opaque as the map is strong."""
    grey = np.asarray(image.convert("L"), dtype=float)
    colour = np.asarray(image, dtype=float)
    table = colormaps[colormap]
    result = np.zeros(colour.shape)
    for y in range(image.height):
        for x in range(image.width):
            value = float(strength[y, x])
            shade = table(min(max((value + 1) / 2 if signed else value, 0.0), 1.0))[:3]
            opacity = alpha * min(1.25 * abs(value), 1.0)
            for c in range(3):
                paler = 0.6 * grey[y, x] + 0.4 * colour[y, x, c]
                result[y, x, c] = paler * (1 - opacity) + round(shade[c] * 255) * opacity
    return result


@pytest.mark.parametrize(
    ("look", "colormap", "alpha"),
    [
        ({}, "inferno", 0.7),
        ({"scaling": "minmax", "alpha": 1.0, "colormap": "viridis"}, "viridis", 1.0),
        ({"scaling": "signed"}, "RdBu_r", 0.7),
    ],
)
def test_overlay_pixel_by_pixel(look: dict[str, object], colormap: str, alpha: float) -> None:
    image = picture()
    (found,) = heat_of(MAP, pictures=[image]).overlay(**look)
    assert (found.mode, found.size) == ("RGB", (30, 20))
    scaling = look.get("scaling", "max")
    large = stretched(MAP.relu() if scaling == "max" else MAP, 20, 30)
    if scaling == "minmax":
        large = large - large.min()
    strength = large / np.abs(large).max()
    expected = overlaid(image, strength, alpha, colormap, scaling == "signed")
    levels = np.abs(np.diff(colormaps[colormap](np.arange(256))[:, :3], axis=0)).max() * 255 * alpha
    assert (
        np.abs(np.asarray(found, dtype=float) - expected).max() <= levels + 1
    )  # one of the colour table, and rounding


def test_overlay_of_nothing_is_the_paler_picture_and_alpha_zero_the_picture_itself() -> None:
    image = picture()
    (empty,) = heat_of(MAP * 0, pictures=[image]).overlay()
    (clear,) = heat_of(MAP, pictures=[image]).overlay(alpha=0.0)
    expected = overlaid(image, np.zeros((20, 30)), 0.7, "inferno", False)
    assert np.abs(np.asarray(empty, dtype=float) - expected).max() <= 1
    assert np.array_equal(np.asarray(clear), np.asarray(image))


def test_overlay_keeps_the_scaling_of_normalize_and_ignores_values_that_are_not_finite() -> None:
    heat = heat_of(MAP)
    for scaling in ("minmax", "signed"):
        kept, given = heat.normalize(scaling).overlay()[0], heat.overlay(scaling=scaling)[0]
        assert np.abs(np.asarray(kept, dtype=int) - np.asarray(given, dtype=int)).max() <= 3
        assert np.abs(np.asarray(kept, dtype=int) - np.asarray(heat.overlay()[0], dtype=int)).max() > 20
    broken = MAP.clone()
    broken[0, 0] = torch.nan
    np.testing.assert_array_equal(np.asarray(heat_of(broken).overlay()[0]), np.asarray(heat.overlay()[0]))


def test_wrong_looks() -> None:
    heat = heat_of(MAP)
    with pytest.raises(OptionError, match=r"alpha is the opacity of the colour, from 0 .* to 1; got 1\.5"):
        heat.overlay(alpha=1.5)
    with pytest.raises(
        OptionError, match=r"colormap='infurno': matplotlib has no colormap of this name. Did you mean 'inferno'"
    ):
        heat.overlay(colormap="infurno")
    with (
        unchecked(),
        pytest.raises(OptionError, match="scaling='sum' is not known; choose 'max', 'minmax' or 'signed'"),
    ):
        heat.normalize("sum")
    with unchecked(), pytest.raises(OptionError, match="on='whole' is not known; choose 'seen' or 'original'"):
        heat.overlay(on="whole")


def test_overlay_on_the_original_lies_where_the_crop_was() -> None:
    """160 × 80, resized to 40 × 20, cropped to the middle 20 × 20: the model sees columns 40 to 120."""
    transform = v2.Compose([v2.Resize(20), v2.CenterCrop(20), v2.ToImage(), v2.ToDtype(torch.float32, True)])
    image = picture(160, 80)
    heat = heat_of(torch.ones(5, 5), pictures=[image], scope=fm.Scope(Little(), transform))
    (seen,), (original,) = heat.overlay(), heat.overlay(on="original", alpha=1.0)
    assert seen.size == (20, 20)
    assert original.size == (160, 80)
    inside = np.asarray(coloured(torch.ones(1, 1), "inferno"))[0, 0]
    columns = (np.asarray(original, dtype=int) == inside).all((0, 2)).nonzero()[0]
    assert abs(int(columns.min()) - 40) <= 1
    assert abs(int(columns.max()) - 119) <= 1
    outside = overlaid(image, np.zeros((80, 160)), 0.7, "inferno", False)
    difference = np.abs(np.asarray(original, dtype=float) - outside)
    assert difference[:, :38].max() <= 1
    assert difference[:, 122:].max() <= 1


def test_a_spot_on_the_original_is_where_it_was_seen() -> None:
    transform = v2.Compose([v2.Resize(20), v2.CenterCrop(20), v2.ToImage(), v2.ToDtype(torch.float32, True)])
    spot = torch.zeros(20, 20)
    spot[5, 12] = 1
    seen = heat_of(spot, pictures=[picture(160, 80)], scope=fm.Scope(Little(), transform)).pictures[0]
    pasted = seen.original(spot)[1]
    y, x = divmod(int(pasted.argmax()), 160)
    assert abs(y + 0.5 - 5.5 * 4) <= 2
    assert abs(x + 0.5 - (40 + 12.5 * 4)) <= 2


def test_a_tensor_has_no_original() -> None:
    heat = fm.Scope(Little()).explain(noise(1), layer="features")
    with pytest.raises(
        OptionError, match=r"where the model's input lies in the original of .* is not known.*on='seen'"
    ):
        heat.overlay(on="original")


def test_save_writes_overlays_and_raw_maps(tmp_path: Path) -> None:
    image = picture()
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        image.save(tmp_path / folder / "cat.png")
    paths = [tmp_path / "a" / "cat.png", tmp_path / "b" / "cat.png"]
    heat = heat_of(MAP, -MAP, pictures=paths)
    written = heat.save(tmp_path / "out" / "deep", colormap="viridis", size=1)
    stems = [path.relative_to(tmp_path / "out" / "deep").as_posix() for path in written]
    assert len(set(stems)) == 4
    assert all(stem.endswith(("__grad_cam__features.png", "__grad_cam__features.npy")) for stem in stems)
    for i in range(2):
        saved = np.load(written[2 * i + 1])
        assert saved.dtype == np.float32
        np.testing.assert_array_equal(saved, heat.maps[i].numpy())
        shown = np.asarray(Image.open(written[2 * i]))
        np.testing.assert_array_equal(shown, np.asarray(heat.overlay(colormap="viridis")[i]))


def test_saved_overlays_are_large_enough_to_look_at(tmp_path: Path) -> None:
    """But one on the original has the original's size, and a narrow one is not longer than four times the size."""
    heat, strip = heat_of(MAP, pictures=[picture()]), heat_of(MAP, pictures=[picture(400, 20)])

    def saved(heat: fm.Heatmaps, **look: Any) -> tuple[int, int]:
        with Image.open(heat.save(tmp_path, **look)[0]) as image:
            return image.size

    assert min(saved(heat)) == 448
    assert min(saved(heat, size=600)) == 600
    assert saved(heat, on="original") == picture().size
    assert saved(strip)[0] == 4 * 448


def test_names_of_files() -> None:
    assert file_name("cat", "grad_cam", "layer4.1#0") == "cat__grad_cam__layer4.1-0"
    assert file_name("a/b\\c:d*") == "a-b-c-d-"
    assert file_name("..") == "picture"
    assert unique_names(["x.png", "y.png", "x.jpg"]) == ["x-1", "y", "x-2"]
    assert unique_names(["a.png", "a.jpg", "a-1.png"]) == ["a-2", "a-3", "a-1"]
    names = ["b", "b", "b-1", "b-1", "b-2"]
    assert len(set(unique_names(names))) == 5


def test_indexing_and_iteration() -> None:
    heat = heat_of(MAP, MAP * 2, MAP * 3)
    assert [float(one.tensor.max()) for one in heat] == [4, 8, 12]
    assert float(heat[-1].tensor.max()) == 12
    assert len(heat[1:]) == 2
    assert heat[1].pictures == heat.pictures[1:2]
    for index in (3, -4):
        with pytest.raises(IndexError, match=f"picture {index} of 3: they count from 0 to 2"):
            heat[index]
    assert repr(heat) == "<Heatmaps: grad_cam of features, 3 pictures, 2×3>"


def test_tensor_of_maps_of_different_sizes() -> None:
    heat = heat_of(MAP, torch.rand(4, 4))
    with pytest.raises(OptionError, match=r"the maps have different sizes \(2×3, 4×4\).*take \.maps"):
        _ = heat.tensor
    assert [tuple(map.shape) for map in heat.upsample().maps] == [(20, 30), (20, 30)]


def test_figures_are_drawn() -> None:
    heat = heat_of(*[MAP] * 5)
    figure = heat.figure(most=2)
    assert len([axes for axes in figure.axes if axes.images]) == 4
    assert "first 2 of 5" in figure._suptitle.get_text()
    assert len([axes for axes in heat.figure(scaling="signed").axes if axes.images]) == 10
    png = heat[0]._repr_png_()
    assert png.startswith(PNG)
    assert len(png) > 5000


def compared() -> Comparison:
    return fm.Scope(Little()).compare(noise(2), ["grad_cam", "layer_cam"], ["features.conv3", "features"], [0, 1])


def test_comparison_shows_itself_and_is_saved(tmp_path: Path) -> None:
    comparison = compared()
    figure = comparison.figure(picture=1)
    assert len([axes for axes in figure.axes if axes.images]) == 4 * 3
    assert comparison._repr_png_().startswith(PNG)
    assert repr(comparison).startswith("<Comparison of 8 heatmaps:\n  grad_cam / features.conv3 / 0\n")
    written = comparison.save(tmp_path)
    assert len(set(written)) == 8 * 2 * 2
    assert {path.parent.name for path in written} == {"0", "1"}
    assert all(path.stat().st_size > 0 for path in written)


def test_comparison_with_a_failure_is_still_drawn() -> None:
    comparison = compared()
    gone = ("grad_cam", "features", 1)
    kept = {key: heat for key, heat in comparison.items() if key != gone}
    figure = Comparison(kept, {gone: "no luck"}).figure(0)
    assert len([axes for axes in figure.axes if axes.images]) == 4 * 3 - 1


def test_comparison_names_the_nearest_key() -> None:
    with pytest.raises(
        KeyError, match=r"no heatmaps for grad_cam / feature / 0\. Did you mean 'grad_cam / features / 0'"
    ):
        compared()["grad_cam", "feature", 0]


@pytest.mark.parametrize("gamma", [2.0, 1.0])
def test_fuse_is_equation_9_of_layer_cam(gamma: float) -> None:
    """tanh(γ·M / max M) of each layer, the largest of all."""
    deep = torch.tensor([[0.5, -3.0], [2.0, 1.0]])
    heats = [heat_of(MAP), heat_of(deep)]
    expected = np.zeros((20, 30))
    for map in (MAP, deep):
        large = stretched(map.relu(), 20, 30)
        expected = np.maximum(expected, np.tanh(gamma * large / large.max()))
    fused = fm.fuse(heats, gamma)
    np.testing.assert_allclose(fused.maps[0], expected, atol=1e-5)
    assert fused.layer == "features"
    assert float(fused.maps[0].max()) == pytest.approx(math.tanh(gamma))


def test_fuse_keeps_layers_and_warnings_and_needs_the_same_pictures() -> None:
    comparison = fm.Scope(Little()).compare(noise(2), "layer_cam", ["features.conv3", "features"], 0)
    fused = fm.fuse(list(comparison.values()))
    assert fused.layer == "features.conv3 + features"
    assert fused.tensor.shape == (2, 16, 16)
    for heats in ([], [heat_of(MAP), heat_of(MAP, MAP)]):
        with pytest.raises(FeatureMapsError, match="fuse needs one or more Heatmaps of the same pictures"):
            fm.fuse(heats)


def test_overlay_function_takes_any_picture_mode() -> None:
    for mode in ("L", "RGB", "P"):
        found = overlay(picture().convert(mode), torch.zeros(20, 30), alpha=0.5, colormap="inferno")
        assert found.mode == "RGB"


def test_a_map_in_which_nothing_speaks_for_the_target_is_shown_signed() -> None:
    """Not as an empty picture; where a scaling is asked for, that is taken."""
    heat = heat_of(-MAP.abs() - 1, MAP)
    own, signed, cut = (heat.overlay(scaling=scaling) for scaling in (None, "signed", "max"))
    assert own[0].tobytes() == signed[0].tobytes() != cut[0].tobytes()
    assert own[1].tobytes() == cut[1].tobytes() != signed[1].tobytes()
