import pytest
import torch
from report_samples import drawn, sample_report
from section_samples import CHANNELS, browsed, channels_section, noise

from featuremaps.errors import OptionError
from featuremaps.report.channels import SIZES, BrowsedLayer, ChannelsSection, statistics
from featuremaps.report.data import LayeredPicture
from featuremaps.report.explanations import Display


def test_maps_or_a_failure_but_not_both():
    with pytest.raises(OptionError, match=r"BrowsedLayer\('layer4'\).*neither given"):
        BrowsedLayer("layer4")
    with pytest.raises(OptionError, match="both given"):
        BrowsedLayer("layer4", CHANNELS, failure="no")
    with pytest.raises(OptionError, match=r"empty, shape \(0, 2, 2\)"):
        BrowsedLayer("layer4", torch.zeros(0, 2, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sort": "size"}, "sort='size'.*mean, max, name"), ({"scaling": "all"}, "scaling='all'.*map, layer")],
)
def test_options_are_checked(options, message):
    with pytest.raises(OptionError, match=message):
        ChannelsSection((), **options)


def test_means_and_maxima_are_those_of_the_full_maps():
    content = channels_section(browsed("a", BrowsedLayer("big", noise(3, 100, 100)))).to_json()
    layer = content["pictures"][0]["layers"][0]
    assert layer["means"] == pytest.approx(noise(3, 100, 100).mean((1, 2)).tolist(), rel=1e-5)
    assert layer["maxima"] == pytest.approx(noise(3, 100, 100).amax((1, 2)).tolist(), rel=1e-5)
    assert (layer["height"], layer["sprite"]["height"]) == (100, 32)
    assert layer["size"] == [100, 100]


def test_a_volumes_maps_keep_their_numbers_beside_the_pictures_of_them():
    volume = noise(3, 40, 16).reshape(3, 5, 8, 16)
    content = channels_section(browsed("a", BrowsedLayer("conv", volume, shown=noise(3, 20, 24)))).to_json()
    layer = content["pictures"][0]["layers"][0]
    assert layer["size"] == [5, 8, 16]
    assert layer["means"] == pytest.approx(volume.mean((1, 2, 3)).tolist(), rel=1e-5)
    assert layer["maxima"] == pytest.approx(volume.amax((1, 2, 3)).tolist(), rel=1e-5)
    assert (layer["sprite"]["height"], layer["sprite"]["width"]) == (20, 24)


def test_statistics_leave_out_what_is_not_finite():
    maps = torch.tensor([[[1.0, float("nan")], [3.0, float("inf")]], [[float("nan")] * 2] * 2])
    assert statistics(maps) == ([2.0, None], [3.0, None])


def test_maps_get_coarser_until_they_fit():
    small = channels_section()
    assert small.cells == 32
    section = channels_section(browsed("a", BrowsedLayer("x", noise(40, 64, 64))), megabytes=0.02)
    assert section.cells == 24
    assert len(section.to_json()["pictures"][0]["layers"][0]["sprite"]["png"]) < 40 * 24 * 24 * 1.4
    assert channels_section(megabytes=0.0).cells == SIZES[-1]


def test_a_layer_and_a_picture_that_cannot_be_encoded_fail_alone(monkeypatch):
    closed = drawn()
    closed.close()
    bad = BrowsedLayer("bad", CHANNELS, "ReLU")
    object.__setattr__(bad, "maps", CHANNELS.to("meta"))
    first, second = channels_section(
        LayeredPicture("broken.png", closed), browsed("cat.png", bad, BrowsedLayer("good", CHANNELS))
    ).to_json()["pictures"]
    assert "Error" in first["failure"]
    layers = second["layers"]
    assert (layers[0]["layer"], layers[0]["type"]) == ("bad", "ReLU")
    assert "meta" in layers[0]["failure"]
    assert layers[1]["failure"] is None


def test_a_colormap_by_name_joins_the_palettes():
    report = sample_report(sections=(channels_section(display=Display(colormap="jet")),))
    assert report.to_json()["palettes"][-1]["name"] == "jet"
