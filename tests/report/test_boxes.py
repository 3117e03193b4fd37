"""The section on detections: its numbers, its sentences, and its boxes as buttons in headless Chromium."""

from dataclasses import replace

import pytest
import torch
from browser_tools import settle
from page_laws import check_every_look, nameless_pictures, violations
from playwright.sync_api import expect
from report_samples import sample_report
from torch import nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning
from featuremaps.evidence.detected_picture import DetectedPicture
from featuremaps.evidence.region_evidence import RegionEvidence
from featuremaps.report.boxes import BoxesSection, boxes_sections, verdict
from planted_detector import CAT, DOG, SIDE, scene, scope_of

PICTURES = torch.stack([scene(CAT, DOG), scene()])


@pytest.fixture(scope="module")
def pictures() -> tuple[DetectedPicture, ...]:
    """One with two boxes, one in which nothing is sure enough."""
    return scope_of("rows").boxes(PICTURES)


def of_numbers(one: DetectedPicture, whole: float, alone: float, without: float) -> DetectedPicture:
    """The same with one box that has these scores."""
    evidence = RegionEvidence(torch.tensor([[whole]]), torch.tensor([[[without]]]), torch.tensor([[alone]]))
    return replace(one, boxes=one.boxes[:1], evidence=evidence, heatmaps=())


def test_the_numbers_and_pictures_of_every_box(pictures: tuple[DetectedPicture, ...]) -> None:
    section = BoxesSection(pictures)
    first, second = section.to_json()["pictures"]
    evidence = pictures[0].evidence
    assert section.count == 3
    assert [one["name"] for one in first["boxes"]] == ["0: dog", "1: cat"]
    for row, one in enumerate(first["boxes"]):
        assert one["edges"] == pytest.approx([edge / SIDE for edge in (DOG, CAT)[row].box])
        assert one["whole"] == pytest.approx(float(evidence.whole[0, row]), rel=1e-4)
        assert one["alone"] == pytest.approx(float(evidence.alone[0, row]), rel=1e-4)
        assert one["without"] == pytest.approx(float(evidence.without[0, row, row]), rel=1e-4)
        for picture in ("map", "onlyInside", "withoutInside"):
            assert one[picture]["source"].startswith("data:image/")
        assert one["verdict"] == "It needs what lies outside its box, and not what lies inside."
    assert (first["note"], first["more"]) == ("", "")
    assert second["note"].startswith("Nothing was found with a score of 0.5 or more")
    assert second["boxes"][0]["verdict"] == "Its score is too low to tell what it rests on."
    assert section.summary.startswith("In picture 0 the score of dog, detection 0, falls from 9")


def test_what_a_box_rests_on_in_words(pictures: tuple[DetectedPicture, ...]) -> None:
    one = pictures[0]
    assert verdict(of_numbers(one, 0.9, 0.9, 0.1), 0) == "What lies inside its box is needed, and enough."
    assert verdict(of_numbers(one, 0.9, 0.1, 0.1), 0).startswith("It needs both")
    assert verdict(of_numbers(one, 0.9, 0.88, 0.9), 0).endswith("is enough, and so is what lies outside.")
    calm = of_numbers(one, 0.9, 0.89, 0.1)
    assert BoxesSection((calm,)).summary.startswith("Every box rests on what lies inside it")
    evidence = replace(one.evidence, without=torch.tensor([[[0.9, 0.2], [0.9, 0.9]]]))
    assert verdict(replace(one, evidence=evidence), 0).endswith("Without the content of 1: cat its score is 0.20.")
    assert BoxesSection(pictures[1:]).summary == "No box is sure enough to tell what it rests on."
    (empty,) = scope_of().boxes(scene()[None])
    assert BoxesSection((empty,)).summary == "The detector finds nothing in these pictures, however unsure."
    assert BoxesSection((empty,)).to_json()["pictures"][0]["boxes"] == []
    (some,) = scope_of().boxes(PICTURES[:1], None, most=1)
    assert BoxesSection((some,)).to_json()["pictures"][0]["more"].startswith("1 further box found, less sure")


def test_a_report_of_a_detector_has_the_section_and_others_have_not(tmp_path) -> None:
    scope = scope_of()
    comparison = scope.compare(PICTURES[:1], ["grad_cam"], targets="cat", threshold=0.6)
    (section,) = boxes_sections(scope._studied, scope.see(PICTURES[:1]).seen, comparison, "cat")
    assert isinstance(section, BoxesSection)
    assert [box.label for box in section.pictures[0].boxes] == ["cat"]
    path = scope.report(PICTURES[:1], tmp_path / "report.html", methods=["grad_cam"], anatomy=False)
    assert "What each box rests on" in path.read_text(encoding="utf-8")
    classifier = fm.Scope(nn.Sequential(nn.Conv2d(3, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval())
    other = classifier.compare(PICTURES, ["grad_cam"], "0")
    assert boxes_sections(classifier._studied, classifier.see(PICTURES).seen, other) == []


@pytest.mark.browser
def test_each_box_opens_its_map_its_score_and_what_it_loses(visit, pictures: tuple[DetectedPicture, ...]) -> None:
    page = visit(sample_report(sections=(BoxesSection(pictures),))).page
    first = page.locator(".region-picture").first
    image = first.locator(".boxes-canvas > img").bounding_box()
    for row, plant in enumerate((DOG, CAT)):
        drawn = first.locator(".box-line").nth(row).bounding_box()
        shares = [(drawn[axis] - image[axis]) / image[side] for axis, side in (("x", "width"), ("y", "height"))]
        shares += [drawn[side] / image[side] for side in ("width", "height")]
        left, top, right, bottom = plant.box
        assert shares == pytest.approx([edge / SIDE for edge in (left, top, right - left, bottom - top)], abs=0.003)
    evidence = pictures[0].evidence
    cat = first.get_by_role("button", name=f"1: cat, score {float(evidence.whole[0, 1]):.2f}")
    assert first.locator(".box-detail h4").inner_text().startswith("0: dog")
    first.get_by_role("button").first.focus()
    page.keyboard.press("Tab")
    expect(cat).to_be_focused()
    page.keyboard.press("Enter")
    expect(cat).to_have_attribute("aria-pressed", "true")
    detail = page.locator(f"#{cat.get_attribute('aria-controls')}")
    assert detail.locator("h4").inner_text().startswith("1: cat")
    assert detail.locator("img").count() == 3
    numbers = (evidence.alone[0, 1], evidence.without[0, 1, 1])
    assert detail.locator("strong").all_inner_texts() == [f"{float(number):.2f}" for number in numbers]
    assert page.locator("#announcements").inner_text().startswith("1: cat, score")
    first.get_by_role("button", name="0: dog", exact=True).click()
    assert detail.locator("h4").inner_text().startswith("0: dog")
    assert first.locator(".box").first.get_attribute("aria-pressed") == "true"
    assert "Nothing was found" in page.locator(".region-picture").nth(1).locator(".warning").first.inner_text()


@pytest.mark.browser
def test_boxes_of_any_size_can_be_pressed(visit, axe, pictures: tuple[DetectedPicture, ...]) -> None:
    """A small box within a large one and one at the edge: each has 24 px of its own."""
    one = pictures[0]
    places = [(2.0, 2.0, 62.0, 62.0), (30.0, 30.0, 31.0, 31.0), (63.0, 63.0, 64.0, 64.0), (-9.0, 10.0, 80.0, 20.0)]
    boxes = tuple(replace(one.boxes[0], box=place, number=i) for i, place in enumerate(places))
    count = len(boxes)
    evidence = RegionEvidence(torch.rand(1, count), torch.rand(1, count, count), torch.rand(1, count))
    (empty,) = scope_of().boxes(scene()[None])
    crowded = replace(one, boxes=boxes, evidence=evidence, heatmaps=(), only_inside=(), without_inside=())
    page = visit(sample_report(sections=(BoxesSection((crowded, empty, *pictures)),))).page
    check_every_look(page, axe)
    assert nameless_pictures(page) == []
    page.set_viewport_size({"width": 390, "height": 900})
    settle(page)
    canvas = page.locator(".boxes-canvas").first.bounding_box()
    buttons = page.locator(".region-picture").first.locator(".box")
    for number in range(count):
        button = buttons.nth(number).bounding_box()
        assert min(button["width"], button["height"]) >= 24
        assert button["x"] >= canvas["x"] - 0.5
        assert button["x"] + button["width"] <= canvas["x"] + canvas["width"] + 0.5
    for number in (1, 2, 0):
        buttons.nth(number).click(position={"x": 12, "y": 12})
        expect(buttons.nth(number)).to_have_attribute("aria-pressed", "true")
    assert "finds nothing in this picture" in page.locator(".empty").inner_text()
    assert violations(page, axe) == []


def test_a_report_of_nothing_sure_says_so(tmp_path) -> None:
    path = scope_of("rows").report(PICTURES[1:], tmp_path / "report.html", methods=["layer_cam"], anatomy=False)
    text = path.read_text(encoding="utf-8")
    assert "PlantedDetector finds nothing sure in picture 0: at most cat (&lt;1%)" in text
    assert "What it finds, surest first." in text
    path = scope_of("rows").report(PICTURES, tmp_path / "both.html", methods=["layer_cam"], anatomy=False)
    assert "What PlantedDetector finds in 2 pictures: dog, cat" in path.read_text(encoding="utf-8")
    assert scope_of().layers(PICTURES).shown == ("levels",)


def test_a_report_of_pictures_in_which_nothing_is_listed(tmp_path) -> None:
    with pytest.warns(FeatureMapsWarning, match="found nothing"):
        path = scope_of().report(PICTURES[1:], tmp_path / "report.html", methods=["layer_cam"], anatomy=False)
    text = path.read_text(encoding="utf-8")
    assert "PlantedDetector finds nothing to explain in picture 0" in text
    assert "Nothing was found, however unsure." in text
    assert "The detector found nothing to explain in this picture." in text
    assert "The detector finds nothing in these pictures, however unsure." in text
    with pytest.warns(FeatureMapsWarning, match="found nothing"):
        path = scope_of().report(PICTURES, tmp_path / "both.html", methods=["layer_cam"], anatomy=False)
    text = path.read_text(encoding="utf-8")
    assert "The detector found nothing to explain in 1 of 2 pictures." in text
    assert "What PlantedDetector finds in 2 pictures: dog, cat" in text
