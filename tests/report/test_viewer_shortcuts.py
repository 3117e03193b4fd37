"""Shortcuts, their proof and their repair, as a section of a report in headless Chromium."""

import pytest
from report_samples import sample_report
from shortcut_samples import found, repair, shortcut

from featuremaps.report.shortcuts import ShortcutsSection

pytestmark = pytest.mark.browser


def test_sentence_pictures_and_proof_stand_in_this_order(visit):
    section = ShortcutsSection(found(shortcut(), unproven=(shortcut("dog", holds=False),)), repair())
    page = visit(sample_report(sections=(section,))).page
    first = page.locator(".shortcut").first
    tops = [first.locator(part).first.bounding_box()["y"] for part in ("h3", ".example img", ".proof-note")]
    assert tops[0] < tops[1]
    assert tops[0] < tops[2]
    called = first.locator(".example").evaluate_all(
        "all => all.map(one => [one.className, one.querySelector('img').alt])"
    )
    assert called == [
        *[["example right", "cat, called cat: right"]] * 3,
        *[["example wrong", "cat, called dog: wrong"]] * 2,
        *[["example wrong", "dog, called cat: wrong"]] * 2,
    ]
    tracks = first.get_by_role("img", name="Taken out of pictures of cat: 95% before, 5% after (interval 2 to 8%)")
    dots = tracks.locator(".track-dot").evaluate_all("all => all.map(one => one.style.left)")
    assert [float(dot.rstrip("%")) for dot in dots] == pytest.approx([95, 5])
    assert not first.get_by_text("Ashman").is_visible()
    assert page.get_by_text("1 more suspicion, not proven").is_visible()
    assert page.locator(".repair .chip").inner_text() == "repaired"
    assert "0% → 90%" in page.locator(".repair").inner_text()


@pytest.mark.parametrize("width", [390, 1440])
def test_none_is_a_result_and_nothing_sticks_out(visit, width):
    sections = (ShortcutsSection(found()), ShortcutsSection(found(shortcut()), repair(works=False)))
    page = visit(sample_report(sections=sections), width=width).page
    none = page.locator(".none")
    assert none.locator("h3").inner_text() == "No shortcut found"
    assert none.locator(".changes-value").all_inner_texts() == ["not found", "from 80% on"]
    assert page.locator(".repair .chip.wrong").inner_text() == "not repaired"
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
