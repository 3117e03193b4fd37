"""Cards that a notebook shows: everything that is said stands in them, and nothing of it is read as HTML."""

import pytest
import torch
from PIL import Image
from tiny_surveys import survey_of_demo

import featuremaps as fm
from featuremaps.plotting.cards import card, grid

SCRIPT = "<script>alert(1)</script>"


def test_what_is_said_is_text() -> None:
    for html in (card(SCRIPT, {SCRIPT: [SCRIPT, 1]}), grid(SCRIPT, [SCRIPT], [[SCRIPT]])):
        assert "<script" not in html
        assert html.count("&lt;script&gt;") == 3
    assert ">1<br>2</td>" in card("", {"several": [1, 2]})


def test_what_has_no_figure_is_shown_as_a_card() -> None:
    scope = fm.load("demo")
    shown = {
        "SmallResNet": scope,
        "2×96×16×16": scope.record(fm.demo.images()[:2], "layer4", target="scissors"),
        "96 channels": survey_of_demo("demo", "photograph"),
        "layer4:5": fm.Detector(scope.model, "layer4", [1, 5]),
    }
    for words, result in shown.items():
        assert words in result._repr_html_()


def test_a_figure_shows_itself_and_opens_in_a_viewer(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[int, int]] = []
    monkeypatch.setattr(Image.Image, "show", lambda image: opened.append(image.size))
    heat = fm.load("demo").explain(fm.demo.images()[:1], "grad_cam")
    assert heat.figure()._repr_png_().startswith(b"\x89PNG")
    heat.show()
    assert len(opened) == 1
    torch.testing.assert_close(torch.from_numpy(heat.numpy()), heat.tensor)
