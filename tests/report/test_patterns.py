"""What units look for, as data and in headless Chromium: real pictures first, the drawing beside them."""

from base64 import b64decode
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from report_samples import sample_report
from torch import nn

import featuremaps as fm
from featuremaps import demo
from featuremaps.report.patterns import Pattern, PatternsSection, UnitPicture
from method_samples import Little, noise


def coloured(colour: str, size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB", size, colour)


def pattern(unit: str = "layer4:7", **changes: object) -> Pattern:
    real = (
        UnitPicture("cat.jpg", coloured("red"), 3.5, coloured("green", (12, 12))),
        UnitPicture("dog.jpg", coloured("blue"), 1.25),
    )
    options = {"real": real, "drawing": coloured("white"), "words": "9.1, 2.6 times the best", "notes": ("a note",)}
    return Pattern(unit, **{**options, **changes})


def opened_picture(content: dict) -> Image.Image:
    return Image.open(BytesIO(b64decode(content["source"].split(",")[1])))


def test_pictures_travel_whole_and_cut() -> None:
    content = PatternsSection((pattern(),), caption="of 8").to_json()
    first, second = content["patterns"][0]["real"]
    assert (first["name"], first["value"], second["part"]) == ("cat.jpg", 3.5, None)
    assert opened_picture(first["part"]).size == (12, 12)
    assert np.asarray(opened_picture(first["picture"])).mean((0, 1)) == pytest.approx([254, 0, 0], abs=3)
    assert content["patterns"][0]["words"] == "9.1, 2.6 times the best"


def test_a_unit_that_cannot_be_encoded_fails_alone() -> None:
    closed = coloured("red")
    closed.close()
    content = PatternsSection((pattern(drawing=closed), pattern("layer4:8"))).to_json()
    assert "closed" in content["patterns"][0]["failure"]
    assert "failure" not in content["patterns"][1]


def test_the_scope_fills_it_with_what_it_measures() -> None:
    scope, pictures = fm.Scope(Little()), noise(5)
    drawings = scope.draw(["features:2"], steps=3, size=16)
    section = scope.patterns(pictures, ["features:2", "features:3"], drawings, {"features:2": "speaks for hens"})
    peaks = scope.record(pictures, "features", gradients=False).activations["features"].amax((2, 3))
    first, second = section.patterns
    order = peaks[:, 2].argsort(descending=True)
    assert [one.value for one in first.real] == pytest.approx(peaks[order, 2].tolist(), rel=1e-5)
    assert first.drawing.size == (16, 16)
    assert first.remark == "speaks for hens"
    assert (second.drawing, second.words) == (None, "")


def test_silent_pictures_are_left_out() -> None:
    scope = fm.Scope(nn.Sequential(nn.Conv2d(3, 2, 3, bias=False), nn.ReLU()).eval())
    with torch.no_grad():
        scope.model[0].weight.fill_(1.0)
    pictures = torch.ones(6, 3, 8, 8) * torch.tensor([1.0, -1.0, 2.0, -2.0, 3.0, -3.0])[:, None, None, None]
    assert [one.value for one in scope.patterns(pictures, ["1:0"]).patterns[0].real] == [81.0, 54.0, 27.0]


def test_the_report_draws_the_units_it_is_asked_to(tmp_path) -> None:
    path = fm.load("demo").report(
        demo.images(), tmp_path / "r.html", methods="grad_cam", anatomy=False, draw="layer4:3"
    )
    text = path.read_text(encoding="utf-8")
    assert '"kind":"patterns"' in text
    assert "layer4:3" in text


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_real_pictures_come_first(visit, width: int) -> None:
    section = PatternsSection((pattern(), pattern("layer4:8", drawing=None, real=())), caption="The best of 8.")
    page = visit(sample_report(sections=(section,)), width=width).page
    first, second = page.locator(".pattern").all()
    assert first.locator("h3").inner_text() == "layer4:7"
    assert first.locator(".pattern-real").all_inner_texts() == ["cat.jpg\n1. 3.50", "dog.jpg\n2. 1.25"]
    caption = first.locator("figcaption").inner_text()
    assert caption.startswith("Drawn 9.1, 2.6 times the best")
    assert "a note" in caption
    assert second.locator(".empty").inner_text() == "No real pictures were given."
    assert second.locator("figure").count() == 0
    boxes = [first.locator(name).bounding_box() for name in (".pattern-reals", ".pattern-drawing")]
    assert boxes[0]["y"] < boxes[1]["y"] or boxes[0]["x"] < boxes[1]["x"]
    assert page.locator("img:not([alt])").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
