from base64 import b64decode
from io import BytesIO

import pytest
import torch
from PIL import Image
from section_samples import filter_tile, filters_section

from featuremaps.errors import OptionError
from featuremaps.report.filters import FilterTile


def sheet_of(content):
    return Image.open(BytesIO(b64decode(content["sheet"].split(",")[1])))


def test_a_picture_or_a_failure_but_not_both():
    with pytest.raises(OptionError, match=r"FilterTile\(3\).*neither given"):
        FilterTile(3, 1.0)
    with pytest.raises(OptionError, match="both given"):
        filter_tile(3, 1.0, failure="no")


def test_every_filter_is_found_unchanged_in_the_sheet():
    pictures = [Image.effect_noise((3 + index % 2, 5), 90).convert("RGB") for index in range(7)]
    content = filters_section(*(filter_tile(i, 1.0, picture=picture) for i, picture in enumerate(pictures))).to_json()
    for tile, picture in zip(content["tiles"], pictures, strict=True):
        left, top, width, height = tile["box"]
        assert sheet_of(content).crop((left, top, left + width, top + height)).tobytes() == picture.tobytes()


def test_marks_and_numbers():
    first, second, third = filters_section().to_json()["tiles"]
    assert (first["number"], first["norm"], first["dead"], first["twin"]) == (0, 1.0, False, None)
    assert second["dead"] is True
    assert (third["twin"], third["likeness"]) == (0, 0.97)
    assert [tile["response"] for tile in (first, second, third)] == [0, 1, 2]


def test_a_filter_that_cannot_be_encoded_fails_alone():
    closed = Image.new("RGB", (3, 3))
    closed.close()
    content = filters_section(
        filter_tile(0, 1.0, picture=closed),
        filter_tile(1, 1.0, response=torch.eye(3)),
        FilterTile(2, float("nan"), failure="weights are not finite"),
    ).to_json()
    assert "closed" in content["tiles"][0]["failure"]
    assert (content["tiles"][1]["failure"], content["tiles"][1]["response"]) == (None, 0)
    assert (content["tiles"][2]["failure"], content["tiles"][2]["norm"]) == ("weights are not finite", None)


def test_without_filters_and_without_responses():
    section = filters_section(filter_tile(0, 1.0))
    assert section.to_json()["responses"] is None
    object.__setattr__(section, "tiles", ())
    assert section.to_json()["sheet"] is None
