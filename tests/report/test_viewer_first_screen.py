"""The first screen, the side and the parts that open when somebody comes to them, in headless Chromium."""

from dataclasses import replace

import pytest
from playwright.sync_api import expect
from report_samples import drawn, sample_picture, sample_report
from test_first_screen import PANEL

from featuremaps.report.data import FailedSection
from featuremaps.report.explanations import Explanations
from featuremaps.report.first_screen import Card, Change, FirstScreen

pytestmark = pytest.mark.browser

CARDS = (
    Card("Where does it look?", "At the ground.", drawn(), section="Second", link="1 picture", right=False),
    Card("Can it be repaired?", "Yes.", changes=(Change("cats without it", 0.9, 0.2),)),
)
FIRST = FirstScreen("It answers by the ground.", (PANEL, replace(PANEL, title="fixed", right=True)), CARDS)


def report(**changes: object):
    sections = (Explanations((sample_picture(),)), Explanations((sample_picture("dog.png"),), title="Second"))
    return sample_report(**({"sections": sections, "first": FIRST} | changes))


def test_the_proof_stands_beside_each_other_and_says_what_is_right(visit):
    page = visit(report(), closed=True, width=1440).page
    panels = page.locator(".panel")
    assert panels.locator(".chip").all_inner_texts() == ["wrong", "right"]
    boxes = [panel.bounding_box() for panel in panels.all()]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["y"] + boxes[0]["height"] < 900
    assert "“scissors” 99%" in panels.first.inner_text()
    colours = panels.locator(".bar").evaluate_all(
        "all => all.map(one => getComputedStyle(one, '::before').backgroundColor)"
    )
    assert colours[0] != colours[1]
    assert not page.locator(".findings").is_visible()
    page.get_by_text("All findings in words").click()
    assert page.locator(".findings").inner_text() == "The model is wrong on one picture."


def test_both_maps_follow_one_slider_and_enlarge(visit):
    page = visit(report(), closed=True).page
    shown = "all => all.map(one => one.toDataURL())"
    canvases = page.locator(".panel canvas")
    expect(canvases.first).not_to_have_attribute("width", "300")
    before = canvases.evaluate_all(shown)
    page.get_by_label("From the original to the overlay").fill("0")
    page.wait_for_function("before => document.querySelector('.panel canvas').toDataURL() !== before", arg=before[0])
    after = canvases.evaluate_all(shown)
    assert after[0] == after[1] != before[0] == before[1]
    page.locator(".panel .map").first.click()
    assert page.get_by_role("dialog").locator("h2").inner_text() == "Grad-CAM at layer4"


def test_parts_are_closed_until_somebody_comes_to_them(visit):
    page = visit(report(), closed=True).page
    parts = page.locator("details.part")
    is_open = "all => all.map(one => one.open)"
    assert parts.evaluate_all(is_open) == [True, False, False, False, False]
    page.get_by_role("link", name="1 picture").click()
    expect(page.locator("#section-2 .map").first).to_be_visible()
    expect(page.locator("#section-2")).to_be_focused()
    assert page.evaluate("location.hash") == "#section-2"
    expect(page.locator(".contents [aria-current]")).to_have_text("Second")
    page.locator("#methods summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#methods dl").is_visible()
    page.get_by_role("button", name="Open all parts").click()
    assert all(parts.evaluate_all(is_open))
    page.get_by_role("button", name="Close all parts").click()
    assert not any(parts.evaluate_all(is_open))


def test_a_link_to_a_place_opens_its_part(visit):
    page = visit(report(), closed=True, place="#section-2-1").page
    expect(page.locator("#section-2-1")).to_be_focused()
    assert page.locator("#section-2-1 .map").first.is_visible()


def test_a_narrow_screen_has_a_menu(visit):
    page = visit(report(), closed=True, width=390).page
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert not page.locator(".contents").is_visible()
    page.get_by_text("Contents", exact=True).click()
    page.locator(".contents a", has_text="Second").click()
    expect(page.locator("#section-2 .map").first).to_be_visible()
    assert not page.locator(".contents").is_visible()


def test_paper_has_what_was_closed(visit):
    page = visit(report(), closed=True).page
    page.wait_for_selector("#report[data-filled]")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details.part, details.folded").evaluate_all("all => all.every(one => one.open)")
    assert page.locator(".findings").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not page.locator("#section-2 details").first.evaluate("one => one.open")


def test_headings_stand_beside_their_arrow_at_any_width(visit):
    title = "A question that is asked in many more words than one line of a telephone holds"
    page = visit(report(sections=(FailedSection(title, "why"), FailedSection("Short", "why"))), closed=True).page
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 800})
        for part in page.locator(".part > summary").all():
            heading = part.locator("h2").bounding_box()
            assert 8 < heading["x"] - part.bounding_box()["x"] < 32
            assert heading["y"] - part.bounding_box()["y"] < 16


def test_a_card_shows_several_pictures_whole(visit):
    card = Card("Where do they look?", "Here.", {"demo-fixed: 15%": drawn(), "demo: 0%": drawn()})
    page = visit(report(first=FirstScreen("demo-fixed is right.", (PANEL,), (card, *CARDS, *CARDS))), closed=True).page
    first = page.locator(".card").first
    boxes = [image.bounding_box() for image in first.locator("img").all()]
    ratio = drawn().width / drawn().height
    assert [box["width"] / box["height"] for box in boxes] == pytest.approx([ratio, ratio], rel=0.02)
    assert first.locator("figcaption").all_inner_texts() == ["demo-fixed: 15%", "demo: 0%"]
    assert page.locator(".lead .unbroken").all_inner_texts() == ["demo-fixed"]


def test_a_screen_that_cannot_be_drawn_leaves_the_sentences(visit):
    broken = replace(PANEL, map=PANEL.map[:0])
    page = visit(report(first=FirstScreen("Lead.", (broken,))), closed=True).page
    assert page.locator(".findings").count() == 1
    assert page.locator("#section-1 .map").count() == 4
