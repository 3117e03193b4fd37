"""Clicks and reads the report in headless Chromium; `visit` fails a test on any error or request."""

import pytest
import torch
from browser_tools import FIRST, close_dialog, one_map, pixels
from playwright.sync_api import expect
from report_samples import MAP, drawn, matrix, sample_picture, sample_report

from featuremaps.report.data import Rejection
from featuremaps.report.explanations import Display, Explanations, HeatmapData

pytestmark = pytest.mark.browser


def test_everything_asked_for_is_on_the_page(visit):
    page = visit(sample_report(sample_picture(), sample_picture("dog.png"))).page
    assert page.locator("h1").inner_text() == "A test report"
    assert "wrong on one picture" in page.locator(".findings").inner_text()
    assert page.locator(".contents > ol > li > a").all_inner_texts() == [
        "What decided each picture",
        "Pictures left out",
        "Methods",
        "How this was made",
    ]
    assert page.locator(".picture h3").all_inner_texts() == ["cat.png", "dog.png"]
    first = page.locator(".picture").first
    assert first.locator("thead th").all_inner_texts() == ["layer3", "layer4"]
    assert first.locator("tbody th").all_inner_texts() == ["Grad-CAM", "LayerCAM"]
    assert first.locator("caption").inner_text() == "Explains tabby"
    assert first.locator(".answer").inner_text().split("\n")[0:2] == ["Egyptian cat", "75.0%"]
    assert "the model says Egyptian cat" in first.locator(".verdict").inner_text()
    widths = [bar.bounding_box()["width"] for bar in first.locator(".bar").all()]
    filled = first.locator(".bar").first.evaluate("bar => parseFloat(getComputedStyle(bar, '::before').width)")
    assert filled == pytest.approx(0.75 * widths[0], abs=1)
    assert "Selvaraju et al. 2017" in page.locator("#methods").inner_text()
    assert "broken.jpg: truncated" in page.locator("#rejected").inner_text()
    made = page.locator("#made").inner_text()
    for fact in ("demo", "layer3, layer4", "featuremaps 0.1.0", "Seed\n0"):
        assert fact in made


def test_pointing_reads_the_raw_number_in_every_map_of_the_picture(visit):
    report = sample_report()
    page = visit(report).page
    readouts = page.locator(".matrix .readout")
    assert readouts.first.inner_text() == "max 3.00"
    page.locator(FIRST).scroll_into_view_if_needed()
    box = page.locator(FIRST).bounding_box()
    maps = report.sections[0].pictures[0].maps
    for row, column in ((0, 2), (1, 0), (1, 1)):
        page.mouse.move(box["x"] + box["width"] * (column + 0.5) / 3, box["y"] + box["height"] * (row + 0.5) / 2)
        assert readouts.first.inner_text().endswith(f" at [{row}, {column}]")
        for index, heatmap in enumerate(maps):
            height, width = heatmap.map.shape
            value = heatmap.map[int((row + 0.5) / 2 * height), int((column + 0.5) / 3 * width)]
            read = float(readouts.nth(index).get_attribute("data-value"))
            assert read == pytest.approx(float(value), abs=float(heatmap.map.abs().max()) / 32767)
    assert readouts.first.inner_text() == "0.25 at [1, 1]"
    assert page.locator(".matrix .dot:visible").count() == len(maps)
    page.mouse.move(1, 1)
    assert readouts.first.inner_text() == "max 3.00"
    assert page.locator(".matrix .dot:visible").count() == 0


def test_the_display_starts_as_the_report_says(visit):
    section = Explanations((one_map(),), display=Display(colormap="jet", strength=0.8, scale="minmax"))
    page = visit(sample_report(sections=(section,))).page
    assert page.get_by_label("Colours").input_value() == "jet"
    assert page.get_by_label("Values").input_value() == "minmax"
    assert page.locator(".toolbar output").inner_text() == "80%"


def test_a_map_enlarges_and_steps_to_its_neighbours(visit):
    page = visit().page
    page.locator(FIRST).click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() == "Grad-CAM at layer3"
    facts = dialog.locator(".facts").inner_text()
    for fact in ("cat.png", "tabby", "2 × 3 cells", "−2 to 3", "row 1, column 0"):
        assert fact in facts
    assert dialog.locator(".legend-ends").inner_text().split() == ["0", "1.5", "3"]
    assert dialog.get_by_role("button", name="Map to the left").is_disabled()
    dialog.get_by_role("button", name="Map to the right").click()
    assert dialog.locator("h2").inner_text() == "Grad-CAM at layer4"
    page.keyboard.press("ArrowDown")
    assert dialog.locator("h2").inner_text() == "LayerCAM at layer4"
    page.keyboard.press("ArrowRight")
    assert dialog.locator("h2").inner_text() == "LayerCAM at layer4"
    dialog.get_by_role("radio", name="Raw map").check()
    assert page.locator(".toolbar").get_by_role("radio", name="Raw map", include_hidden=True).is_checked()
    close_dialog(page)
    expect(page.locator(".map").nth(3)).to_be_focused()


def test_neighbours_skip_what_has_no_map(visit):
    maps = (
        HeatmapData("cam", "a", "tabby", MAP),
        HeatmapData("cam", "b", "tabby", failure="no head"),
        HeatmapData("cam", "c", "tabby", MAP + 1),
    )
    page = visit(sample_report(sample_picture(maps=maps))).page
    page.locator(FIRST).click()
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("dialog").locator("h2").inner_text() == "CAM at c"


def test_by_keyboard_alone(visit):
    page = visit().page
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.classList.contains('map')"):
            break
    expect(page.locator(FIRST)).to_be_focused()
    readout = page.locator(".matrix .readout").first
    page.keyboard.press("ArrowRight")
    assert readout.inner_text() == "3 at [1, 0]"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert readout.inner_text() == "1 at [0, 1]"
    assert page.locator("#announcements").inner_text() == "1 at row 0, column 1"
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() == "Grad-CAM at layer3"
    page.keyboard.press("Shift+ArrowRight")
    assert dialog.locator(".readout").inner_text() == "3 at [1, 0]"
    page.keyboard.press("ArrowRight")
    assert dialog.locator("h2").inner_text() == "Grad-CAM at layer4"
    close_dialog(page)
    expect(page.locator(".map").nth(1)).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".map").nth(2)).to_be_focused()


def test_targets_stand_beside_each_other_or_in_tables_of_their_own(visit):
    beside = tuple(HeatmapData("cam", "layer4", target, MAP) for target in ("tabby", "lynx"))
    apart = matrix(("cam",), ("a", "b"), "tabby") + matrix(("cam",), ("a", "b"), "lynx")
    page = visit(sample_report(sample_picture("one", maps=beside), sample_picture("two", maps=apart))).page
    one, two = page.locator(".picture").all()
    assert one.locator("thead th").all_inner_texts() == ["tabby", "lynx"]
    assert one.locator("caption").inner_text() == "Layer layer4"
    assert two.locator("caption").all_inner_texts() == ["Explains tabby", "Explains lynx"]


def test_warnings_failures_gaps_and_lost_values_are_visible(visit):
    values = MAP.clone()
    values[0, 0] = float("nan")
    maps = (
        HeatmapData("cam", "a", "tabby", values, warnings=("1 of 6 values is not finite.",)),
        HeatmapData("cam", "b", "tabby", failure="needs a linear head"),
        HeatmapData("eigen_cam", "a", "tabby", torch.zeros(2, 2)),
    )
    page = visit(sample_report(sample_picture(maps=maps))).page
    assert page.locator(".badge").all_inner_texts() == ["Do not trust"]
    assert page.locator(".matrix .warning").inner_text() == "1 of 6 values is not finite."
    assert "needs a linear head" in page.locator(".matrix .failure").inner_text()
    assert page.locator(".matrix .blank").count() == 1
    page.get_by_role("radio", name="Raw map").check()
    assert pixels(page)[5, 5].tolist() == [128, 128, 128]
    page.locator(FIRST).hover(position={"x": 5, "y": 5})
    assert page.locator(".matrix .readout").first.inner_text() == "not a number at [0, 0]"
    page.locator(FIRST).click()
    assert "Do not trust: 1 of 6" in page.get_by_role("dialog").locator(".warning").inner_text()


def test_a_broken_section_and_a_broken_picture_leave_the_rest(visit, monkeypatch):
    class Unknown:
        kind = "from_the_future"
        title = "Later"
        colormaps = ()

        def to_json(self):
            return {}

    closed = drawn()
    closed.close()
    section = Explanations((sample_picture("broken.png", seen=closed), sample_picture("good.png")))
    page = visit(sample_report(sections=(Unknown(), section))).page
    assert "from_the_future" in page.locator("#section-1 .failure").inner_text()
    assert "could not be shown" in page.locator("#section-2-1 .failure").inner_text()
    assert page.locator("#section-2-2 .map").count() == 4


def test_empty_states(visit):
    page = visit(sample_report(sections=(Explanations(()),))).page
    assert page.locator(".empty").inner_text() == (
        "There is no picture to explain. 1 picture was rejected; the reasons are below."
    )
    page = visit(sample_report(sample_picture(maps=(), top=(), label=None))).page
    assert page.locator(".empty").inner_text() == "No map was asked for."
    assert "answer was not recorded" in page.locator(".picture").inner_text()
    assert page.locator(".toolbar").count() == 0
    page = visit(sample_report(sections=(), rejected=(), findings=())).page
    assert page.locator(".empty").inner_text() == "This report has no sections."


def test_hostile_names_do_nothing(visit):
    name = "</script><img src=x onerror=alert(1)>\u2028<b>"
    picture = sample_picture(name, label=name, maps=matrix((name,), (name,), name))
    page = visit(sample_report(picture, rejected=(Rejection(name, name),), findings=(name,))).page
    assert page.locator("h3").inner_text().startswith("</script><img src=x")
    assert page.locator("img[src=x], b").count() == 0
    page.locator(FIRST).click()
    assert page.get_by_role("dialog").locator("h2").inner_text().startswith("</script>")


def test_pixel_methods_follow_each_other_beside_the_matrix(visit):
    layers = matrix(("grad_cam", "layer_cam"), ("layer3", "layer4"), "tabby")
    pixels_of = tuple(HeatmapData(name, "input", "tabby", MAP) for name in ("lrp", "occlusion", "saliency"))
    page = visit(sample_report(sections=(Explanations((sample_picture(maps=(*layers, *pixels_of)),)),))).page
    assert page.locator(".matrix").count() == 1
    assert page.locator(".matrix .blank").count() == 0
    assert page.locator(".pixel-maps .method-name").all_inner_texts() == ["LRP", "Occlusion", "Saliency"]
    assert page.locator(".pixel-caption").inner_text() == "Pixels of the input, explains tabby"
    page.locator(".pixel-maps .map").nth(1).click()
    assert "Occlusion" in page.get_by_role("dialog").inner_text()
    page.keyboard.press("ArrowRight")
    assert "Saliency" in page.get_by_role("dialog").inner_text()
