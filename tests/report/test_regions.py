"""The section on segmentations: its numbers, its colours, and how it is drawn in headless Chromium."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from report_samples import sample_report
from torch import nn

import featuremaps as fm
from featuremaps.evidence.segmented_picture import SegmentedPicture
from featuremaps.plotting.class_colours import PALETTE
from featuremaps.report.explanation_first_screen import explanation_title
from featuremaps.report.explanation_report import explained_picture
from featuremaps.report.regions import RegionsSection, divided, regions_sections
from planted import ContextSegmenter, lit


def scope() -> fm.Scope:
    return fm.Scope(ContextSegmenter().eval(), classes=["sea", "boat"])


@pytest.fixture(scope="module")
def pictures() -> tuple[SegmentedPicture, ...]:
    return scope().regions(lit().inputs, layer="features")


def test_the_numbers_and_pictures_of_every_class(pictures: tuple[SegmentedPicture, ...]) -> None:
    section = RegionsSection(pictures)
    first = section.to_json()["pictures"][0]
    boat = first["classes"][1]
    evidence = pictures[0].evidence
    assert [one["label"] for one in first["classes"]] == ["sea", "boat"]
    assert [one["colour"] for one in first["classes"]] == list(PALETTE[:2])
    assert boat["covers"] == pytest.approx(16 / 512, rel=1e-4)
    for name, value in (("whole", evidence.whole[0, 1]), ("alone", evidence.alone[0, 1])):
        assert boat[name] == pytest.approx(float(value), rel=1e-4)
    assert boat["without"] == pytest.approx(float(evidence.without[0, 1, 1]), rel=1e-4)
    assert boat["lost"] == pytest.approx(evidence.lost[0, 1].tolist(), rel=1e-4)
    assert boat["map"]["source"].startswith("data:image/")
    assert first["rest"] == 0
    assert section.count == 2
    whole, alone = float(evidence.whole[0, 1]), float(evidence.alone[0, 1])
    assert section.summary.startswith("In picture ")
    assert f"probability of boat falls from {whole:.0%} to {alone:.0%} in its region" in section.summary


def test_colours_lie_where_the_classes_do_and_stay_with_them(pictures: tuple[SegmentedPicture, ...]) -> None:
    one = pictures[0]
    image = divided(one, ["#ff0000", "#00ff00"])
    values = torch.from_numpy(np.asarray(image).copy())
    green = values[..., 1] > values[..., 0]
    assert torch.equal(green, one.winners == 1)
    other = replace(one, labels=("boat", "rock"), indices=(1, 0))
    shown = RegionsSection((one, other)).to_json()["pictures"]
    assert shown[1]["classes"][0]["colour"] == shown[0]["classes"][1]["colour"]
    many = replace(one, labels=tuple(map(str, range(2))), indices=(0, 1))
    colours = [each["colour"] for each in RegionsSection((one, many)).to_json()["pictures"][1]["classes"]]
    assert len({*colours}) == 2


def test_a_report_of_a_segmentation_model_has_the_section_and_others_have_not() -> None:
    studied, inputs = scope(), lit().inputs
    comparison = studied.compare(inputs, ["grad_cam"], "features")
    seen = studied.see(inputs).seen
    (section,) = regions_sections(studied._studied, seen, comparison)
    assert isinstance(section, RegionsSection)
    explained = [explained_picture(comparison, one, i, studied.classes) for i, one in enumerate(seen)]
    assert explained[0].top[0].covers == pytest.approx(1 - 16 / 512)
    assert explanation_title("net", explained[:1]) == "What net finds in picture 0: sea 97%, boat 3%"
    classifier = fm.Scope(nn.Sequential(nn.Conv2d(1, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval())
    other = classifier.compare(inputs, ["grad_cam"], "0")
    assert regions_sections(classifier._studied, classifier.see(inputs).seen, other) == []


def test_nothing_found_and_nothing_lost(pictures: tuple[SegmentedPicture, ...]) -> None:
    one = pictures[0]
    calm = replace(one, evidence=replace(one.evidence, alone=one.evidence.whole))
    assert RegionsSection((calm,)).summary.startswith("Every class rests on its own region")
    nothing = nn.Conv2d(1, 1, 1)
    nn.init.constant_(nothing.bias, -9.0)
    empty = fm.Scope(nothing.eval(), classes=["tumour"]).regions(lit().inputs, None)
    assert RegionsSection(empty).summary == "The model gives no place of these pictures a class."
    assert RegionsSection(empty).to_json()["pictures"][0]["classes"] == []


@pytest.mark.browser
def test_the_section_in_a_browser(visit, pictures: tuple[SegmentedPicture, ...]) -> None:
    page = visit(sample_report(sections=(RegionsSection(pictures),))).page
    assert page.locator(".region-picture").count() == 2
    first = page.locator(".region-picture").first
    assert first.locator(".regions tbody th").all_inner_texts()[1].split() == ["boat", "3%", "of", "the", "picture"]
    evidence = pictures[0].evidence
    numbers = first.locator(".regions tbody tr").nth(1).locator(".region-number").all_inner_texts()
    expected = (evidence.whole[0, 1], evidence.alone[0, 1], evidence.without[0, 1, 1])
    assert numbers == [f"{float(value):.2f}" for value in expected]
    assert first.locator(".region-matrix tbody td").count() == 4
    needs = first.locator(".region-matrix tbody tr").nth(1).locator("td").first
    assert needs.inner_text() == f"\u2212{float(evidence.lost[0, 1, 0]):.2f}"
    assert first.locator("img").count() == 4
    narrow = visit(sample_report(sections=(RegionsSection(pictures),)), width=390).page
    assert narrow.evaluate("document.documentElement.scrollWidth") <= 390
