import pytest
import torch
from report_samples import drawn, sample_report
from section_samples import deep_layers, walk_section, walked_layer

from featuremaps.errors import OptionError
from featuremaps.report.data import LayeredPicture
from featuremaps.report.layer_walk import LayerWalkSection, TopMap, WalkedLayer


def test_a_shape_or_a_failure_but_not_both():
    with pytest.raises(OptionError, match=r"WalkedLayer\('fc'\).*neither given"):
        WalkedLayer("fc")
    with pytest.raises(OptionError, match="both given"):
        WalkedLayer("fc", shape=(1, 2, 2), failure="no")


def test_the_numbers_travel_as_given():
    content = walk_section(walked_layer("layer1", 0.25, 0.125)).to_json()["pictures"][0]["layers"][0]
    assert content["shape"] == [16, 8, 8]
    assert (content["zeros"], content["silent"], content["mean"]) == (0.25, 0.125, 0.5)
    assert (content["channels"], content["values"]) == ([10, 11, 12], [3.0, 2.0, 1.0])
    assert (content["sprite"]["count"], content["sprite"]["height"]) == (3, 8)


def test_large_maps_become_small_thumbnails():
    layer = WalkedLayer("conv1", shape=(1, 200, 100), top=(TopMap(0, 1.0, torch.rand(200, 100)),))
    assert walk_section(layer).to_json()["pictures"][0]["layers"][0]["sprite"]["height"] == 32


def test_a_share_that_is_not_finite_is_null():
    layer = WalkedLayer("x", shape=(1, 2, 2), zeros=float("nan"), mean=float("inf"))
    content = layer.to_json()
    assert (content["zeros"], content["silent"], content["mean"], content["sprite"]) == (None, None, None, None)


def test_a_layer_and_a_picture_that_cannot_be_encoded_fail_alone():
    closed = drawn()
    closed.close()
    bad = WalkedLayer("bad", "Conv2d", (2, 2, 2), top=(TopMap(0, 1.0, torch.zeros(2, 2, device="meta")),))
    pictures = (LayeredPicture("broken", closed), LayeredPicture("cat", drawn(), (bad, walked_layer("good", 0.5))))
    first, second = LayerWalkSection(pictures).to_json()["pictures"]
    assert "Error" in first["failure"]
    assert (second["layers"][0]["type"], second["layers"][0]["shape"]) == ("Conv2d", None)
    assert "meta" in second["layers"][0]["failure"]
    assert second["layers"][1]["failure"] is None


def test_the_colormap_is_checked_and_joins_the_palettes():
    with pytest.raises(OptionError, match="Did you mean 'inferno'"):
        walk_section(colormap="inferna")
    report = sample_report(sections=(walk_section(*deep_layers(1), colormap="jet"),))
    assert report.to_json()["palettes"][-1]["name"] == "jet"
