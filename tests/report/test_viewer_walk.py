"""The layer walk, clicked and read in headless Chromium."""

import numpy as np
import pytest
from browser_tools import close_dialog, drawing
from matplotlib import colormaps
from playwright.sync_api import expect
from report_samples import drawn, sample_report
from section_samples import deep_layers, walk_section, walked_layer

from featuremaps.report.data import LayeredPicture
from featuremaps.report.layer_walk import LayerWalkSection, WalkedLayer

pytestmark = pytest.mark.browser

ROWS = ".walk tbody tr:visible"


def opened(visit, *layers, **options):
    return visit(sample_report(sections=(walk_section(*layers),)), **options).page


def addresses(page):
    return page.locator(f"{ROWS} .walk-address").all_inner_texts()


def test_a_few_layers_are_rows_with_their_numbers_and_maps(visit):
    page = opened(visit, walked_layer("conv1", 0.0, type="Conv2d"), walked_layer("relu", 0.625, 0.25))
    assert addresses(page) == ["conv1", "relu"]
    cells = page.locator(ROWS).nth(1).locator("td").all_inner_texts()
    assert [cell.split("\n") for cell in cells[:5]] == [
        ["16 channels", "8 × 8"],
        ["7×7 px"],
        ["62.5%"],
        ["25.0%"],
        ["0.500"],
    ]
    assert page.locator(ROWS).nth(1).locator(".tile-name").all_inner_texts() == ["10", "11", "12"]
    bar = page.locator(ROWS).nth(1).locator(".bar").first
    filled = bar.evaluate("bar => parseFloat(getComputedStyle(bar, '::before').width)")
    assert filled == pytest.approx(0.625 * bar.bounding_box()["width"], abs=1)
    assert page.locator(".walk-toggle").count() == 0


def test_thumbnails_have_the_colours_of_their_maps(visit):
    layer = walked_layer("conv1", 0.5)
    page = opened(visit, layer)
    values = layer.top[1].map
    expected = np.array(colormaps["inferno"]((values / values.max()).numpy()))[..., :3] * 255
    assert np.abs(drawing(page.locator(".walk canvas").nth(1)) - expected).max() <= 6


def test_many_layers_are_one_row_a_block_until_opened(visit):
    page = opened(visit)
    assert addresses(page) == [f"layer{block}" for block in range(5)]
    toggle = page.get_by_role("button", name="4 layers before").nth(1)
    assert toggle.get_attribute("aria-expanded") == "false"
    toggle.click()
    assert addresses(page)[:6] == ["layer0", "layer1.0", "layer1.1", "layer1.2", "layer1.3", "layer1"]
    page.get_by_role("button", name="Hide those before").click()
    assert len(addresses(page)) == 5
    page.get_by_label("Every layer").check()
    assert len(addresses(page)) == 25


def test_layers_are_found_by_address_and_by_type(visit):
    page = opened(visit)
    page.get_by_label("Find").fill("LAYER3.")
    assert addresses(page) == ["layer3.0", "layer3.1", "layer3.2", "layer3.3"]
    page.locator(".choice select").select_option("ReLU")
    assert addresses(page) == ["layer3.1", "layer3.3"]
    assert page.locator(".curve-zeros").count() == 2
    page.get_by_label("Find").fill("nothing")
    assert (
        page.locator(".walk-stage .empty").inner_text() == "No layer has “nothing” in its address and is of type ReLU."
    )
    page.get_by_label("Find").fill("")
    assert len(addresses(page)) == 10
    page.locator(".choice select").select_option(index=0)
    assert addresses(page) == [f"layer{block}" for block in range(5)]


def test_the_curve_has_every_layer_at_its_height(visit):
    page = opened(visit)
    layers = deep_layers()
    spots = page.locator("circle.curve-zeros").evaluate_all(
        "all => all.map(one => [+one.getAttribute('cx'), +one.getAttribute('cy')])"
    )
    rules = page.locator(".curve-rule").evaluate_all("all => all.map(one => +one.getAttribute('y1'))")
    assert len(spots) == len(layers)
    assert [x for x, _ in spots] == sorted(x for x, _ in spots)
    for (_, y), layer in zip(spots, layers, strict=True):
        assert y == pytest.approx(rules[0] + layer.zeros * (rules[2] - rules[0]), abs=0.01)
    line = page.locator(".curve-zeros-line").get_attribute("points").split()
    assert len(line) == sum(layer.zeros > 0 for layer in layers)


def test_the_trend_is_said_in_words(visit):
    page = opened(visit)
    # Blocks 1 to 4 have three layers with zeros each: a third are the four first or last of these.
    assert page.locator(".curve-readout").inner_text() == (
        "Of the 12 layers that have zeros, the first third is zero in 25% of its values and silent in 2% of its "
        "channels; the last third in 75% and 18%."
    )
    slider = page.get_by_role("slider", name="Layer on the curve")
    assert slider.get_attribute("aria-valuetext").startswith("25 layers. Of the 12 layers")


def test_pointing_at_the_curve_reads_it_and_marks_the_row(visit):
    page = opened(visit)
    box = page.locator(".curve-reader").bounding_box()
    spot = page.locator("circle.curve-zeros").nth(24)
    page.mouse.move(box["x"] + float(spot.get_attribute("cx")), box["y"] + 60)
    assert page.locator(".curve-readout").inner_text() == "layer4 80.0% values that are zero, 40.0% silent channels"
    assert page.locator(".pointed .walk-address").inner_text() == "layer4"
    page.mouse.move(1, 1)
    assert page.locator(".pointed").count() == 0
    page.locator(ROWS).nth(2).hover()
    assert page.locator(".curve-readout").inner_text().startswith("layer2 40.0%")


def test_the_curve_by_keyboard(visit):
    page = opened(visit, reduced_motion="reduce")
    slider = page.get_by_role("slider", name="Layer on the curve")
    slider.focus()
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuenow") == "7"
    assert slider.get_attribute("aria-valuetext") == "layer1.1 20.0% values that are zero, 0.0% silent channels"
    assert page.locator(".pointed .walk-address").inner_text() == "layer1"
    page.keyboard.press("End")
    assert slider.get_attribute("aria-valuenow") == "25"
    page.keyboard.press("Home")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert "layer1.1" in addresses(page)
    expect(page.locator(f"{ROWS}", has_text="layer1.1").locator(".tile").first).to_be_focused()


def test_maps_open_large_and_step_across_and_down(visit):
    page = opened(visit)
    page.locator(".walk .tile:visible").first.click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() == "channel 10 at layer0"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert dialog.locator("h2").inner_text() == "channel 11 at layer1"
    assert "layer1:11" in dialog.locator(".facts").inner_text()
    close_dialog(page)
    expect(page.locator(ROWS).nth(1).locator(".tile").nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator(ROWS).nth(2).locator(".tile").nth(1)).to_be_focused()


def test_failures_and_empty_states_stand_in_their_place(visit):
    closed = drawn()
    closed.close()
    layers = (
        walked_layer("conv1", 0.5),
        WalkedLayer("fc", "Linear", failure="gives no maps"),
        walked_layer("relu", 0.6),
    )
    pictures = (
        LayeredPicture("cat.png", drawn(), layers),
        LayeredPicture("broken.png", closed),
        LayeredPicture("none.png", drawn()),
    )
    page = visit(sample_report(sections=(LayerWalkSection(pictures),))).page
    assert "gives no maps" in page.locator(".walk-failed").inner_text()
    assert addresses(page) == ["conv1", "fc", "relu"]
    page.get_by_role("radio", name="broken.png").check()
    assert "broken.png could not be shown" in page.locator(".walk-stage .failure").inner_text()
    page.get_by_role("radio", name="none.png").check()
    assert page.locator(".walk-stage .empty").inner_text() == "No layer of this model gives maps."
    page.get_by_role("radio", name="cat.png").check()
    page.locator(".walk").wait_for()
    page = visit(sample_report(sections=(LayerWalkSection(()),))).page
    assert page.locator(".empty").inner_text().startswith("There is no picture to walk through the layers with.")


def test_a_hundred_and_fifty_layers_open_quickly(visit):
    page = opened(visit, *deep_layers(15, 9))
    took = page.evaluate(
        "() => { const start = performance.now(); document.querySelector('.toolbar input[type=checkbox]').click();"
        " document.body.offsetHeight; return performance.now() - start; }"
    )
    assert len(addresses(page)) == 150
    assert took < 1000
    undrawn = page.locator(".walk canvas").evaluate_all("all => all.filter(one => one.width === 1).length")
    assert undrawn > 300


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_the_page_never_scrolls_sideways(visit, width):
    long = "a_very_long_name_of_a_layer.or_a_module.0.conv2" * 2
    page = opened(visit, walked_layer(long, 0.5, type=long), *deep_layers(), width=width)
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
    page.get_by_label("Every layer").check()
    assert page.evaluate(wide) == 0
    cells = page.locator(ROWS).first.locator("td").count()
    assert cells == 6


def test_on_paper_the_maps_are_drawn_and_the_controls_gone(visit):
    page = opened(visit, color_scheme="dark")
    page.pdf(format="A4")
    assert page.locator(".walk canvas").evaluate_all("all => all.filter(one => one.width === 1).length") == 0
    page.emulate_media(media="print")
    assert not page.get_by_label("Find").is_visible()
    assert not page.locator(".walk-toggle").first.is_visible()
    assert page.locator(".curve-drawing").is_visible()
