"""Many pictures filtered and sorted; what a reader takes along of a map; two maps side by side. In headless Chromium."""

import numpy as np
import pytest
import torch
from browser_tools import close_dialog, drawing, settle
from page_laws import nameless_pictures, violations
from playwright.sync_api import expect
from report_samples import MAP, drawn, sample_picture, sample_report

from featuremaps.report.explanations import ClassScore, Explanations, HeatmapData

pytestmark = pytest.mark.browser

SURE = (0.3, 0.95, 0.6, 0.99)
LABELS = ("tabby", "dog", "tabby", "fox")
FINE = torch.linspace(-1, 1, 80)[:, None] * torch.linspace(0.5, 1, 80)


def pictures(said="tabby"):
    maps = (
        HeatmapData("grad_cam", "layer4", "tabby", MAP, code="heat = 1"),
        HeatmapData("lrp", "input", "tabby", FINE, cut=True),
    )
    doubtful = (*maps, HeatmapData("rise", "input", "tabby", MAP, warnings=("It is odd.",)))
    return tuple(
        sample_picture(
            f"{number}.png",
            label=label,
            top=(ClassScore(said, 0, share),),
            maps=doubtful if number == 2 else maps,
            seen=drawn(96, colour),
            code="import featuremaps as fm",
        )
        for number, (share, label, colour) in enumerate(
            zip(SURE, LABELS, ("red", "green", "blue", "grey"), strict=True)
        )
    )


@pytest.fixture(scope="module")
def report():
    sections = (Explanations(pictures(), title="First model"), Explanations(pictures("fox"), title="Second model"))
    return sample_report(sections=sections)


def names(part):
    return part.locator(".thumbnail-name").all_inner_texts()


def test_pictures_are_filtered_sorted_and_searched(visit, report, axe):
    page = visit(report, closed=True).page
    first = page.locator("#section-1")
    assert first.locator(".picture-filter .segments label").all_inner_texts() == [
        "All 4",
        "Right 2",
        "Wrong 2",
        "With a doubt 1",
    ]
    assert first.locator(".thumbnails li").nth(1).inner_text().split("\n") == ["1.png", "tabby", "95%", "wrong: is dog"]
    first.get_by_label("Sort").select_option("most")
    assert names(first) == ["3.png", "1.png", "2.png", "0.png"]
    assert first.locator(".picture h3").all_inner_texts() == names(first)
    first.get_by_role("radio", name="Right 2").check()
    assert names(first) == ["2.png", "0.png"]
    assert first.locator(".picture-filter output").inner_text() == "2 of 4 pictures"
    first.get_by_label("Confidence").select_option("low")
    assert names(first) == ["0.png"]
    first.get_by_label("Search the pictures").fill("nothing like it")
    assert "No picture matches." in first.locator(".empty").inner_text()
    assert violations(page, axe) == []
    assert nameless_pictures(page) == []
    first.get_by_role("button", name="Clear the filter").click()
    assert names(first) == ["0.png", "1.png", "2.png", "3.png"]
    first.get_by_role("radio", name="With a doubt").check()
    assert names(first) == ["2.png"]
    # A link leads to what the filter hides.
    page.evaluate("location.hash = '#section-1-4'; dispatchEvent(new PopStateEvent('popstate'))")
    expect(page.locator("#section-1-4")).to_be_focused()


def test_a_map_is_kept_copied_and_linked(visit, report, tmp_path, axe):
    page = visit(
        report, closed=True, place="#section-1-2-map-1", permissions=["clipboard-read", "clipboard-write"]
    ).page
    dialog = page.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() == "Grad-CAM at layer4"
    assert "tabby 95.0% wrong" in dialog.locator(".facts").inner_text().replace("\n", " ")
    assert violations(page, axe) == []

    def saved(button):
        with page.expect_download() as download:
            dialog.get_by_role("button", name=button, exact=True).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        return path

    path = saved(".npy")
    assert path.name == "1.png__grad_cam__layer4__tabby.npy"
    values = np.load(path)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, MAP.numpy(), atol=3 / 65534)
    assert saved("PNG").read_bytes().startswith(b"\x89PNG")
    dialog.get_by_role("button", name="Copy the Python").click()
    dialog.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "import featuremaps as fm\nheat = 1"
    dialog.get_by_role("button", name="Link").click()
    assert page.evaluate("navigator.clipboard.readText()").endswith("#section-1-2-map-1")
    dialog.locator(".zoom").dispatch_event("wheel", {"deltaY": -100})
    assert "scale(1.25)" in dialog.locator(".zoom .map").get_attribute("style")
    dialog.locator(".zoom").dblclick()
    assert "scale" not in dialog.locator(".zoom .map").get_attribute("style")
    close_dialog(page)
    assert page.evaluate("location.hash") == "#section-1-2"
    page.locator("#section-1-2 .pixel-maps .map").first.click()
    path = saved(".npy")
    assert path.name == "1.png__lrp__input__tabby__cut-at-99-percent__8-bit.npy"
    np.testing.assert_allclose(np.load(path), FINE.numpy(), atol=1 / 254)


def test_two_fingers_zoom_both_maps_side_by_side(visit, report):
    page = visit(report, closed=True, width=390).page
    page.goto(page.url.partition("#")[0] + "#compare=section-1-2-map-1,section-2-2-map-1")
    page.reload()
    frames = page.locator("dialog.comparison .pane-frame")
    expect(frames.nth(1).locator("canvas")).to_have_count(1)
    box = frames.first.bounding_box()
    middle, height = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})

    def touch(kind: str, *places: float) -> None:
        points = [{"x": middle + place, "y": height, "id": number} for number, place in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -10, 10)
    for spread in (14, 20, 30):
        touch("touchMove", -spread, spread)
    touch("touchEnd")
    settle(page)
    zoomed = [frame.locator("> div").get_attribute("style") for frame in frames.all()]
    assert zoomed[0] == zoomed[1]
    assert "scale(3)" in zoomed[0]
    touch("touchStart", 0)
    for moved in (5, 10):
        touch("touchMove", moved)
    touch("touchEnd")
    settle(page)
    assert frames.nth(1).locator("> div").get_attribute("style") not in ("", zoomed[1])


def test_two_maps_side_by_side_zoom_and_move_together(visit, report, axe):
    page = visit(report, closed=True).page
    page.locator("#section-1-2 .map").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Compare").click()
    dialog = page.locator("dialog.comparison")
    left, right = dialog.get_by_label("Left", exact=True), dialog.get_by_label("Right", exact=True)
    expect(right.locator(".pane-answer")).to_contain_text("fox 95.0%")
    assert [pane.get_by_label("In").locator("option:checked").inner_text() for pane in (left, right)] == [
        "First model",
        "Second model",
    ]
    assert right.get_by_label("Picture").locator("option:checked").inner_text() == "1.png"
    assert page.evaluate("location.hash") == "#compare=section-1-2-map-1,section-2-2-map-1"
    assert violations(page, axe) == []
    frame = left.get_by_role("group")
    frame.focus()
    page.keyboard.press("+")
    page.keyboard.press("ArrowRight")
    moved = [pane.locator(".pane-frame > div").get_attribute("style") for pane in (left, right)]
    assert moved[0] == moved[1]
    assert "scale(1.25)" in moved[0]
    page.keyboard.press("0")
    assert "scale" not in frame.locator("> div").get_attribute("style")
    shown = drawing(right.locator("canvas").first)
    right.get_by_role("combobox", name="Map").select_option(label="LRP for tabby")
    settle(page)
    assert (drawing(right.locator("canvas").first) != shown).any()
    dialog.get_by_label("From the original to the overlay").fill("0")
    settle(page)
    # Both are the same photograph now.
    assert np.abs(drawing(left.locator("canvas").first) - drawing(right.locator("canvas").first)).max() == 0
    page.set_viewport_size({"width": 390, "height": 800})
    assert violations(page, axe) == []
    close_dialog(page)


def test_shares_are_rounded_as_in_the_sentences_beside(visit, report):
    """Halves among them: 9 of 40 is 22 % in a bar too."""
    shares = [count / total for total in (40, 200, 7) for count in range(total + 1)]
    shown = visit(report, closed=True).page.evaluate(
        "async (shares) => { const { percent } = await import('featuremaps/dom.js');"
        " return shares.map((share) => percent(share, 0)); }",
        shares,
    )
    known = [(f"{share:.0%}", text) for share, text in zip(shares, shown, strict=True) if text[0] not in "<>"]
    assert len(known) > 200
    assert [text for _, text in known] == [written for written, _ in known]


def test_many_pictures_are_shown_a_page_at_a_time_and_all_are_searched(visit, axe):
    many = sample_report(*(sample_picture(f"{number}.png") for number in range(100)))
    page = visit(many, closed=True, width=1440).page
    first = page.locator("#section-1")
    assert page.evaluate("document.documentElement.scrollHeight") < 9000
    shown = first.locator(".picture h3")
    expect(shown).to_have_text([f"{number}.png" for number in range(6)])
    assert names(first) == [f"{number}.png" for number in range(48)]
    small, large = (
        first.get_by_role("button", name=f"Next {what}", exact=True) for what in ("small pictures", "pictures")
    )
    small.click()
    small.click()
    small.dispatch_event("click")  # there is no page after the last
    assert names(first) == [f"{number}.png" for number in range(96, 100)]
    expect(small).to_be_focused()
    large.click()
    expect(shown).to_have_text([f"{number}.png" for number in range(6, 12)])
    first.locator(".thumbnails a", has_text="99.png").click()
    expect(shown).to_have_text([f"{number}.png" for number in range(96, 100)])
    expect(page.locator("#section-1-100")).to_be_focused()
    assert violations(page, axe) == []
    first.get_by_label("Search the pictures").fill("77")
    expect(shown).to_have_text(["77.png"])
    assert names(first) == ["77.png"]
    assert not first.locator(".pager").first.is_visible()
    first.get_by_label("Search the pictures").fill("")
    page.emulate_media(media="print")
    assert first.locator(".print-only", has_text="printed").inner_text() == "6 pictures of 100, from 1 on, are printed."
