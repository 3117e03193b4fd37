"""The channel browser, clicked and read in headless Chromium."""

import numpy as np
import pytest
import torch
from browser_tools import close_dialog, drawing
from matplotlib import colormaps
from playwright.sync_api import expect
from report_samples import drawn, sample_report
from section_samples import CHANNELS, browsed, channels_section, noise

from featuremaps.report.channels import BrowsedLayer, ChannelsSection
from featuremaps.report.data import LayeredPicture
from featuremaps.report.explanations import Display
from featuremaps.report.sprites import sprite

pytestmark = pytest.mark.browser


def opened(visit, *pictures, width=1280, **changes):
    return visit(sample_report(sections=(channels_section(*pictures, **changes),)), width=width).page


def numbers(page):
    return page.locator(".tiles .tile-name").all_inner_texts()


def choose_layer(page, name):
    page.locator(".layer-choice select").select_option(label=name)
    page.locator(f".tiles[aria-label*='{name.split(' ')[0]}']").wait_for()


@pytest.mark.parametrize("special", [None, float("nan")])
def test_sprites_are_read_to_the_step(visit, special):
    page = opened(visit)
    maps = torch.cat([noise(4, 9, 7), noise(2, 9, 7).relu()])
    if special is not None:
        maps[1, 2, 3] = special
    script = """async (json) => {
      const {unpack} = await import("featuremaps/sprite.js");
      const sprite = await unpack(json);
      return Array.from({length: sprite.count}, (_, index) => Array.from(sprite.grid(index).values, v => Number.isNaN(v) ? null : v));
    }"""
    found = page.evaluate(script, sprite(maps))
    back = torch.tensor([[float("nan") if value is None else value for value in map] for map in found])
    back = back.reshape(maps.shape)
    assert torch.equal(back.isnan(), ~maps.isfinite())
    steps = maps.nan_to_num().abs().amax((1, 2), keepdim=True) / 254
    assert ((back - maps).nan_to_num().abs() <= steps * 1.0001).all()


def test_channels_are_sorted_as_asked(visit):
    page = opened(visit)
    choose_layer(page, "layer4 · 4 × 2 × 2")
    assert numbers(page) == ["2", "3", "0", "1"]
    assert page.locator(".tiles .tile-value").all_inner_texts() == ["2.00", "1.25", "1.00", "0"]
    page.get_by_label("Sort by").select_option("maximum")
    assert numbers(page) == ["2", "0", "3", "1"]
    assert page.locator(".tiles .tile-value").first.inner_text() == "8.00"
    page.get_by_label("Sort by").select_option("number")
    assert numbers(page) == ["0", "1", "2", "3"]
    assert "Sorted by channel number" in page.locator(".caption").inner_text()


def test_the_start_is_as_the_report_says(visit):
    section = {"sort": "name", "scaling": "layer", "display": Display("jet", 0.8, "minmax")}
    page = opened(visit, **section)
    assert numbers(page) == [str(index) for index in range(6)]
    assert page.get_by_label("Scale").input_value() == "layer"
    assert page.get_by_label("Colours").input_value() == "jet"


def test_the_caption_says_size_and_scaling(visit):
    page = opened(visit)
    caption = page.locator(".caption").inner_text()
    assert "6 channels of conv1 (Conv2d), 64 × 64 values each, shown as 32 × 32 averages" in caption
    assert "each map divided by its maximum, so that brightness cannot be compared" in caption
    page.get_by_label("Scale").select_option("layer")
    assert "all maps divided by the layer's maximum" in page.locator(".caption").inner_text()
    assert "the layer's maximum" in page.locator(".legend").inner_text()
    choose_layer(page, "layer4 · 4 × 2 × 2")
    assert "averages" not in page.locator(".caption").inner_text()


@pytest.mark.parametrize("scaling", ["map", "layer"])
def test_the_colours_are_those_of_the_scaling(visit, scaling):
    page = opened(visit, browsed("cat.png", BrowsedLayer("layer4", CHANNELS)), scaling=scaling, sort="name")
    for channel, map in enumerate(CHANNELS.relu()):
        peak = CHANNELS.max() if scaling == "layer" else map.max().clamp_min(1e-9)
        expected = np.array(colormaps["inferno"]((map / peak).numpy()))[..., :3] * 255
        shown = drawing(page.locator(".tile canvas").nth(channel))
        assert shown.shape == (2, 2, 3)
        assert np.abs(shown - expected).max() <= 6


def test_a_channel_opens_large_and_steps_in_the_sorted_order(visit):
    page = opened(visit)
    choose_layer(page, "layer4 · 4 × 2 × 2")
    page.locator(".tile").first.click()
    dialog = page.get_by_role("dialog")
    assert dialog.locator("h2").inner_text() == "channel 2 at layer4"
    facts = dialog.locator(".facts").inner_text()
    for fact in ("cat.png", "layer4:2", "2 × 2 cells", "Mean\n2", "Maximum\n8"):
        assert fact in facts
    box = dialog.locator(".map").bounding_box()
    page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + 0.75 * box["height"])
    assert dialog.locator(".readout").inner_text() == "8 at [1, 1]"
    before = drawing(dialog.locator(".map canvas"))
    dialog.locator("input[type=range]").fill("100")
    assert np.abs(drawing(dialog.locator(".map canvas")) - before).max() > 30
    page.locator("dialog .map").focus()
    page.keyboard.press("ArrowRight")
    assert dialog.locator("h2").inner_text() == "channel 3 at layer4"
    close_dialog(page)
    expect(page.locator(".tile").nth(1)).to_be_focused()


def test_the_large_view_has_the_scale_of_the_layer(visit):
    page = opened(visit, browsed("cat.png", BrowsedLayer("layer4", CHANNELS)), scaling="layer", sort="name")
    page.locator(".tile").first.click()
    assert page.get_by_role("dialog").locator(".legend-ends").inner_text().split() == ["0", "4", "8"]


def test_by_keyboard_alone(visit):
    page = opened(visit, browsed("cat.png", BrowsedLayer("layer4", noise(40, 4, 4))), sort="name")
    columns = page.evaluate("getComputedStyle(document.querySelector('.tiles')).gridTemplateColumns.split(' ').length")
    page.get_by_label("Colours").focus()
    page.keyboard.press("Tab")
    tile = page.locator(".tile")
    expect(tile.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    expect(tile.nth(columns + 1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(tile.nth(0)).to_be_focused()
    page.keyboard.press("End")
    expect(tile.nth(39)).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert page.get_by_role("dialog").locator("h2").inner_text() == "channel 0 at layer4"
    close_dialog(page)
    expect(tile.nth(0)).to_be_focused()
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.classList.contains('tile')")


def test_pictures_and_layers_are_chosen_and_the_layer_stays(visit):
    other = LayeredPicture(
        "dog.png", drawn(colour="red"), (BrowsedLayer("stem", CHANNELS), BrowsedLayer("layer4", CHANNELS + 1))
    )
    page = opened(visit, browsed(), other)
    page.get_by_role("button", name="Layer after").click()
    page.locator(".tiles[aria-label*='layer4']").wait_for()
    assert page.get_by_role("button", name="Layer after").is_disabled()
    page.get_by_role("radio", name="dog.png").check()
    expect(page.locator(".tiles .tile-value").first).to_have_text("3.00")
    assert page.locator(".layer-choice select").locator("option").first.inner_text() == "stem · 4 × 2 × 2"
    assert "channels of layer4" in page.locator(".caption").inner_text()


def test_only_tiles_in_view_are_drawn_and_all_of_them_for_paper(visit):
    page = opened(visit, browsed("cat.png", BrowsedLayer("layer4", noise(512, 7, 7))))
    undrawn = "all => all.filter(one => one.width === 1).length"
    page.locator(".tile").first.scroll_into_view_if_needed()
    expect(page.locator(".tile canvas").first).to_have_attribute("width", "7")
    assert page.locator(".tile canvas").evaluate_all(undrawn) > 100
    page.pdf(format="A4")
    assert page.locator(".tile canvas").evaluate_all(undrawn) == 0


def test_the_sprite_of_a_layer_is_unpacked_when_the_layer_is_shown(visit):
    page = opened(visit)
    page.evaluate(
        "() => { window.unpacked = 0; const made = DecompressionStream; "
        "window.DecompressionStream = class extends made { constructor(k) { super(k); window.unpacked++; } } }"
    )
    choose_layer(page, "layer4 · 4 × 2 × 2")
    assert page.evaluate("window.unpacked") == 1


def test_failures_and_empty_states_stand_in_their_place(visit):
    closed = drawn()
    closed.close()
    pictures = (
        browsed("cat.png", BrowsedLayer("fc", failure="gives no maps"), BrowsedLayer("layer4", CHANNELS)),
        LayeredPicture("broken.png", closed),
        LayeredPicture("none.png", drawn()),
    )
    page = opened(visit, *pictures)
    assert "gives no maps" in page.locator(".channels .failure").inner_text()
    choose_layer(page, "layer4 · 4 × 2 × 2")
    assert page.locator(".failure").count() == 0
    page.get_by_role("radio", name="broken.png").check()
    assert "broken.png could not be shown" in page.locator(".channels .failure").inner_text()
    page.get_by_role("radio", name="none.png").check()
    assert page.locator(".channels .empty").inner_text() == "No layer of this model gives maps."
    page = visit(sample_report(sections=(ChannelsSection(()),))).page
    assert page.locator(".empty").inner_text() == (
        "There is no picture whose channels could be shown. 1 picture was rejected; the reasons are below."
    )


def test_a_damaged_sprite_fails_alone(visit, monkeypatch):
    section = channels_section()
    content = section.to_json()
    content["pictures"][0]["layers"][0]["sprite"]["png"] = "data:image/png;base64,AAAA"
    monkeypatch.setattr(ChannelsSection, "to_json", lambda self: content)
    page = visit(sample_report(sections=(section,))).page
    assert "could not be shown" in page.locator(".channels .failure").inner_text()
    choose_layer(page, "layer4 · 4 × 2 × 2")
    assert numbers(page) == ["2", "3", "0", "1"]


def test_values_that_are_not_finite_are_grey_and_said(visit):
    maps = CHANNELS.clone()
    maps[0] = float("nan")
    page = opened(visit, browsed("cat.png", BrowsedLayer("layer4", maps)))
    assert numbers(page)[-1] == "0"
    assert page.locator(".tile-value").last.inner_text() == "not a number"
    assert "grey cells hold a value that is not finite" in page.locator(".caption").inner_text()
    assert drawing(page.locator(".tile canvas").last).tolist() == [[[128] * 3] * 2] * 2


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_never_scrolls_sideways(visit, width):
    long = "a_very_long_name_of_a_layer_or_a_file.0.conv2" * 3
    page = opened(visit, browsed(long, BrowsedLayer(long, CHANNELS, long)), browsed(), width=width)
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
