"""Which layers and units are meant, and that what is read of them is what the model computes, whatever its layout."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, LayerNotFoundError, LayoutError, ModelError, OptionError
from featuremaps.maps.feature_maps import FeatureMaps
from featuremaps.maps.layer_maps import LayerMaps
from map_samples import Twice, chelsea, pictures, real_scope, tiny_vit
from method_samples import Little, noise, unchecked
from nets import Reused
from snapshots import snapshot


def test_every_channel_in_every_layout() -> None:
    model, inputs = Twice().eval(), noise(3)
    expected = model.first(inputs)
    scope = fm.Scope(model)
    for layer in ("first", "last", "tokens"):
        torch.testing.assert_close(scope.maps(inputs, layer).tensor, expected)
    assert scope.maps(inputs, "tokens").units[5] == "tokens:5"


def test_a_vision_transformer_gives_maps_without_its_class_token() -> None:
    model, inputs = tiny_vit(), noise(2, (32, 32))
    kept: list[Tensor] = []
    handle = model.encoder.layers[1].register_forward_hook(lambda m, a, output: kept.append(output.detach()))
    model(inputs)
    handle.remove()
    maps = fm.Scope(model).maps(inputs, "encoder.layers.encoder_layer_1").tensor
    torch.testing.assert_close(maps, kept[0][:, 1:].transpose(1, 2).reshape(2, 16, 4, 4))
    assert fm.Scope(model).maps(inputs).tensor.shape == (2, 16, 4, 4)


def test_batch_is_one_by_one_and_sizes_may_differ() -> None:
    scope = fm.Scope(Little())
    mixed = pictures((16, 16), (24, 16), (16, 16), (24, 16), (16, 16))
    maps = scope.maps(mixed, "features", batch_size=2)
    for i, picture in enumerate(mixed):
        torch.testing.assert_close(maps.maps[i], scope.maps(picture, "features").tensor[0])
    assert maps.maps[1].shape == (8, 4, 6)


def test_the_model_stops_after_the_deepest_layer_and_is_left_alone() -> None:
    model = Little().train()
    inputs = noise(2)
    before = snapshot(model, inputs)
    scope = fm.Scope(model)
    scope.maps(inputs, ["features.conv1", "features.conv2"])
    scope.maps(inputs, "all")
    with pytest.raises(LayoutError):
        scope.maps(inputs, "head")
    assert snapshot(model, inputs).differences(before) == []
    ran = []
    handle = model.head.register_forward_hook(lambda *_: ran.append(1))
    scope.layers(inputs)  # a hook is new, so the layers are found once more
    ran.clear()
    scope.maps(inputs, "features.conv1")
    assert not ran
    handle.remove()


def test_the_last_call_of_a_reused_layer_unless_one_is_named() -> None:
    model, inputs = Reused().eval(), noise(1)
    scope = fm.Scope(model)
    whole = scope.maps(inputs, "relu")
    assert whole.layer == "relu#2"
    assert whole.tensor.shape[2:] == (8, 8)
    assert scope.maps(inputs, "relu#0").tensor.shape[2:] == (16, 16)
    torch.testing.assert_close(scope.maps(inputs, "relu:3").tensor[:, 0], whole.tensor[:, 3])


def test_units_are_those_channels() -> None:
    scope, inputs = fm.Scope(Little()), noise(3)
    whole = scope.maps(inputs, "features").tensor
    one = scope.maps(inputs, "features:5")
    torch.testing.assert_close(one.tensor, whole[:, 5:6])
    two = scope.maps(inputs, ["features:5", "features:2"])
    assert two.units == ("features:5", "features:2")
    torch.testing.assert_close(two.tensor, whole[:, [5, 2]])
    torch.testing.assert_close(two.sum().tensor[:, 0], whole[:, 5] + whole[:, 2])
    assert scope.maps(inputs, "last:5").units == ("features:5",)
    assert scope.maps(inputs, "features.conv[12]:3").units == ("features.conv1:3", "features.conv2:3")


def test_units_of_layers_of_different_sizes_are_enlarged_to_the_finest() -> None:
    scope, inputs = fm.Scope(Little()), noise(1)
    both = scope.maps(inputs, ["features:5", "features.conv1:2"])
    assert both.tensor.shape == (1, 2, 16, 16)
    assert both.note == "coarser layers are enlarged to the finest"
    torch.testing.assert_close(both.tensor[:, 1], scope.maps(inputs, "features.conv1").tensor[:, 2])
    coarse = scope.maps(inputs, "features:5").tensor
    larger = nn.functional.interpolate(coarse, (16, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(both.tensor[:, :1], larger)


def test_several_layers_or_a_glob_are_keyed_by_layer() -> None:
    scope, inputs = fm.Scope(Little()), noise(1)
    for asked in (["features.conv1", "features.conv2"], "features.conv[12]"):
        found = scope.maps(inputs, asked)
        assert isinstance(found, LayerMaps)
        assert list(found) == ["features.conv1", "features.conv2"]
    assert isinstance(scope.maps(inputs, ["features"]), FeatureMaps)


def test_ranges_are_of_all_channels_and_pictures() -> None:
    scope, inputs = fm.Scope(Little()), noise(4)
    whole = scope.maps(inputs, "features.conv2").tensor
    ends = (float(whole.min()), float(whole.max()))
    assert scope.maps(inputs, "features.conv2:0", batch_size=1).ranges["features.conv2"] == pytest.approx(ends)


def test_half_precision_models_are_read_in_float32() -> None:
    maps = fm.Scope(Little().to(torch.bfloat16)).maps(noise(1), "features").tensor
    assert maps.dtype == torch.float32


def test_real_photograph(shared: Path) -> None:
    scope = real_scope(shared)
    record = scope.record(chelsea(), "features", gradients=False)
    torch.testing.assert_close(scope.maps(chelsea()).tensor, record.activations["features"])


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ("features:600", LayerNotFoundError, "features has channels 0 to 7, there is no 600"),
        ("features:x", LayerNotFoundError, "'x' after the colon is not a channel number"),
        ("featurs", LayerNotFoundError, "Did you mean 'features"),
        ("head", LayoutError, "'head' gives shape .*no positions"),
        (["features", "features:1"], OptionError, r"whole layers \(features\) and single units \(features:1\)"),
        ([], LayerNotFoundError, "no layer was named"),
    ],
)
def test_errors(layers: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fm.Scope(Little()).maps(noise(1), layers)


def test_errors_of_highlight() -> None:
    scope = fm.Scope(Little())
    with pytest.raises(OptionError, match="highlight names features.conv1:2, but features.conv1 is not among"):
        scope.maps(noise(1), "features", highlight="features.conv1:2")
    with pytest.raises(LayerNotFoundError, match="features has channels 0 to 7, there is no 8"):
        scope.maps(noise(1), "features", highlight=["features:8"])
    with pytest.raises(
        LayerNotFoundError, match="'features' is a layer, and a unit is one channel of it: 'features:0'"
    ):
        scope.maps(noise(1), "features", highlight="features")
    with pytest.raises(OptionError, match="a walk through 'all' layers shows none"):
        scope.maps(noise(1), "all", highlight="features:1")
    with unchecked(), pytest.raises(OptionError, match="scaling='each' is not known"):
        scope.maps(noise(1), "features", scaling="each")


def test_values_that_are_not_finite_are_an_error_that_names_the_weights() -> None:
    model = Little()
    with torch.no_grad():
        model.features.conv2.bias[3] = torch.nan
    message = "'features.conv2' gives 64 of 448 values that are not finite for picture 0.*: features.conv2.bias"
    with pytest.raises(ModelError, match=message):
        fm.Scope(model).maps(noise(2), "features.conv2")
    assert fm.Scope(model).maps(noise(2), "features.conv1").tensor.isfinite().all()


@pytest.mark.parametrize(
    ("move", "words"),
    [
        (lambda maps: maps.roll((3, 3), (2, 3)), "cuts, shifts or pads"),
        (lambda maps: torch.rot90(maps, 1, (2, 3)), "could not be followed"),
    ],
)
@pytest.mark.parametrize("wanted", ["1", "1:2"])
def test_places_that_lie_elsewhere_than_they_are_drawn_are_said(move: Any, words: str, wanted: str) -> None:
    """Of the layer behind it alone, for maps and projections."""
    torch.manual_seed(0)
    model = Moving(move)
    with pytest.warns(FeatureMapsWarning, match=words):
        fm.Scope(model).maps(torch.rand(1, 3, 16, 16), f"later.{wanted}")
    fm.Scope(model).maps(torch.rand(1, 3, 16, 16), f"earlier.{wanted}")
    projections = fm.Scope(model).project(torch.rand(1, 3, 16, 16), ["earlier.1:0", "later.1:0"])
    guessed = [text for text in projections.warnings if "patch may lie elsewhere" in text]
    assert [text.partition(":")[0] for text in guessed] == (["later.1"] if "followed" in words else [])


class Moving(nn.Module):
    """Two convolutions, with a step between them that moves places."""

    def __init__(self, move: Any) -> None:
        super().__init__()
        self.earlier = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))
        self.later = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1))
        self.move = move

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, 4)"""
        return self.later(self.move(self.earlier(x))).mean((2, 3))
