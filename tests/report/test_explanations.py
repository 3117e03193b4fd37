import pytest
import torch
from report_samples import drawn, sample_picture, sample_report

from featuremaps.errors import OptionError
from featuremaps.report.encode import plain
from featuremaps.report.explanations import ClassScore, Display, Explanations, HeatmapData


def test_a_map_or_a_failure_but_not_both():
    with pytest.raises(OptionError, match=r"HeatmapData\('grad_cam', 'layer4', 'tabby'\).*neither given"):
        HeatmapData("grad_cam", "layer4", "tabby")
    with pytest.raises(OptionError, match="both given"):
        HeatmapData("grad_cam", "layer4", "tabby", torch.zeros(1, 1), failure="no")


def test_an_empty_map_is_refused_with_its_shape():
    with pytest.raises(OptionError, match=r"empty, shape \(0, 4\)"):
        HeatmapData("grad_cam", "layer4", "tabby", torch.zeros(0, 4))


def test_a_failure_travels_in_place_of_the_map():
    content = plain(HeatmapData("cam", "layer4", "tabby", failure="needs a linear head"))
    assert content["map"] is None
    assert content["failure"] == "needs a linear head"


def test_a_probability_that_is_not_finite_is_null():
    assert plain(ClassScore("tabby", 281, float("nan")))["probability"] is None
    assert plain(ClassScore("tabby", 281, 0.5))["probability"] == 0.5


def test_the_original_travels_only_with_its_placement():
    assert sample_picture(original=drawn(50)).to_json()["original"] is None
    content = sample_picture(original=drawn(2000), placement=(10.0, -5.0, 90.0, 95.0)).to_json()
    assert content["placement"] == [10, -5, 90, 95]
    assert (content["original"]["width"], content["original"]["height"]) == (2000, 2000)


def test_a_picture_that_cannot_be_encoded_fails_alone():
    closed = drawn()
    closed.close()
    content = Explanations((sample_picture("a", seen=closed), sample_picture("b"))).to_json()["pictures"]
    assert content[0]["name"] == "a"
    assert "Error" in content[0]["failure"]
    assert content[1]["seen"]["width"] == 96


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": "log"}, "scale='log'.*max, minmax, signed"),
        ({"strength": 1.5}, "strength=1.5.*between 0 and 1"),
        ({"colormap": "inferna"}, "Did you mean 'inferno'"),
        ({"scale": "signed"}, "colormap='inferno' with scale='signed'.*Use colormap='RdBu_r'"),
        ({"colormap": "coolwarm"}, "Use colormap='inferno'"),
    ],
)
def test_display_options_are_checked(options, message):
    with pytest.raises(OptionError, match=message):
        Display(**options)


def test_a_colormap_by_name_joins_the_palettes():
    section = Explanations((sample_picture(),), display=Display(colormap="jet"))
    names = [palette["name"] for palette in sample_report(sections=(section,)).to_json()["palettes"]]
    assert names[-1] == "jet"
