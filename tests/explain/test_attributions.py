"""Values per pixel and colour: their shape, their collapse into maps, and how they look."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import featuremaps as fm
from featuremaps.errors import OptionError
from featuremaps.plotting.rendering import around_grey, clipped, collapsed
from method_samples import Little, noise, unchecked


@pytest.fixture
def heat() -> fm.Attributions:
    found = fm.Scope(Little()).explain(noise(3), "saliency", target=1)
    assert isinstance(found, fm.Attributions)
    return found


def test_values_keep_their_sign_and_colours(heat: fm.Attributions) -> None:
    assert heat.tensor.shape == (3, 3, 16, 16)
    assert float(heat.tensor.min()) < 0 < float(heat.tensor.max())
    assert (heat.method, heat.layer, heat.collapse) == ("saliency", "input", "max_abs")
    assert len(heat) == 3
    assert torch.equal(heat[1].tensor[0], heat.tensor[1])
    assert [len(one) for one in heat] == [1, 1, 1]
    with pytest.raises(IndexError, match="picture 3 of 3"):
        heat[3]


def test_collapses() -> None:
    values = torch.tensor([[[1.0, -3.0]], [[-2.0, 0.0]], [[2.0, -4.0]]])
    assert collapsed(values, "sum").tolist() == [[1, -7]]
    assert collapsed(values, "max_abs").tolist() == [[2, 4]]
    assert collapsed(values, "norm").tolist() == [[3, 5]]
    with unchecked(), pytest.raises(OptionError, match="choose 'sum', 'max_abs' or 'norm'"):
        collapsed(values, "mean")  # type: ignore[arg-type]


def test_a_map_is_a_heatmap_of_the_input(heat: fm.Attributions) -> None:
    map = heat.map()
    assert isinstance(map, fm.Heatmaps)
    assert torch.equal(map.tensor, heat.tensor.abs().amax(1))
    assert map.scaling == "max"
    assert torch.equal(heat.map("sum").tensor, heat.tensor.sum(1))
    assert heat.map("sum").scaling == "signed"


def test_few_strong_pixels_do_not_outshine_the_rest() -> None:
    map = torch.arange(1.0, 201).reshape(10, 20)
    map[0, 0] = -1e6
    shown = clipped(map)
    assert float(shown.abs().max()) == 200
    assert torch.equal(shown[1:], map[1:])
    assert torch.equal(clipped(torch.zeros(4, 4)), torch.zeros(4, 4))
    assert torch.equal(clipped(torch.full((4, 4), torch.nan)).isnan(), torch.ones(4, 4, dtype=torch.bool))


def test_zero_is_mid_grey() -> None:
    values = torch.zeros(3, 4, 4)
    values[0, 0, 0], values[1, 1, 1] = 5.0, -5.0
    image = np.asarray(around_grey(values))
    assert image.shape == (4, 4, 3)
    assert image[3, 3].tolist() == [128] * 3
    assert image[0, 0, 0] > 200
    assert image[1, 1, 1] < 55
    assert np.asarray(around_grey(torch.zeros(1, 2, 2))).tolist() == [[[128] * 3] * 2] * 2


def test_overlays_and_files(heat: fm.Attributions, tmp_path: Path) -> None:
    assert [image.size for image in heat.overlay()] == [(16, 16)] * 3
    written = heat.save(tmp_path)
    assert len(written) == 9
    assert all(path.is_file() for path in written)
    stored = [np.load(path) for path in written if path.suffix == ".npy"]
    assert np.array_equal(np.stack(stored), heat.tensor.numpy())
    with Image.open(written[0]) as overlay, Image.open(written[1]) as colours:
        assert overlay.size == (448, 448)
        assert colours.size == (16, 16)


def test_shows_itself(heat: fm.Attributions) -> None:
    assert heat._repr_png_().startswith(b"\x89PNG")
    assert repr(heat) == "<Attributions: saliency, 3 pictures, 3×16×16>"
    text = repr(fm.Scope(Little()).explain(noise(1), "integrated_gradients", target=1))
    assert text.startswith("<Attributions: integrated_gradients, 1 picture, 3×16×16, completeness error up to ")


def test_pictures_of_different_sizes_have_values_of_different_sizes() -> None:
    pictures = [Image.new("RGB", (20, 16), "red"), Image.new("RGB", (16, 24), "blue")]
    heat = fm.Scope(Little()).explain(pictures, "input_x_gradient", target=1)
    assert isinstance(heat, fm.Attributions)
    assert [tuple(values.shape) for values in heat.values] == [(3, 16, 20), (3, 24, 16)]
    with pytest.raises(OptionError, match="different sizes"):
        _ = heat.tensor
    assert len(heat.overlay(on="original")) == 2


def test_pixel_and_layer_methods_stand_side_by_side() -> None:
    scope = fm.Scope(Little())
    found = scope.compare(noise(2), ["grad_cam", "saliency"], ["features.conv2", "features"], [0, 1])
    assert list(found) == [
        *(("grad_cam", "features.conv2", 0), ("grad_cam", "features", 0), ("saliency", "input", 0)),
        *(("grad_cam", "features.conv2", 1), ("grad_cam", "features", 1), ("saliency", "input", 1)),
    ]
    assert found.figure().axes


def test_no_layer_is_looked_for_where_no_method_needs_one() -> None:
    """A model without any map can be explained down to the pixel."""
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 2)).eval()
    heat = fm.Scope(model).explain(noise(1, (4, 4)), "saliency", target=1)
    torch.testing.assert_close(heat.tensor.flatten(), model[1].weight[1].detach())


def test_nothing_that_comes_back_is_said() -> None:
    model = Little()
    with torch.no_grad():
        model.head.weight.zero_()
    (notes,) = fm.Scope(model).explain(noise(1), "saliency", target=1).warnings
    assert notes[0].startswith("Every value is zero: nothing of the score (")
