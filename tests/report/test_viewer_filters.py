"""The filters of a layer, and all three sections beside each other, in headless Chromium."""

import numpy as np
import pytest
from browser_tools import drawing
from matplotlib import colormaps
from PIL import Image
from report_samples import sample_report
from section_samples import browsed, channels_section, filter_tile, filters_section, walk_section

from featuremaps.report.filters import FilterTile

pytestmark = pytest.mark.browser


def opened(visit, *tiles, width=1280, **changes):
    return visit(sample_report(sections=(filters_section(*tiles, **changes),)), width=width).page


def test_every_filter_is_shown_with_its_number_norm_and_marks(visit):
    page = opened(visit)
    facts = [text.split() for text in page.locator(".filter-facts").all_inner_texts()]
    assert facts == [["0", "norm", "1.00"], ["1", "norm", "0.00100", "dead"], ["2", "norm", "3.00", "like", "0"]]
    assert page.locator(".mark").last.get_attribute("title") == "cosine similarity 0.97"
    caption = page.locator(".caption").inner_text()
    assert caption.startswith("3 filters of conv1. Each filter scaled by itself.")
    assert caption.endswith("1 dead, 1 much like another.")
    assert "frequency response" in caption


def test_weights_and_responses_have_their_pixels(visit):
    weights = Image.effect_noise((5, 4), 90).convert("RGB")
    tiles = filters_section().tiles
    page = opened(visit, filter_tile(0, 1.0, picture=weights, response=tiles[0].response), filter_tile(1, 1.0))
    assert np.array_equal(drawing(page.locator(".filter canvas").nth(0)), np.array(weights, dtype=int))
    shown = drawing(page.locator(".filter canvas").nth(1))
    expected = np.array(colormaps["inferno"](tiles[0].response.numpy()))[..., :3] * 255
    assert np.abs(shown - expected).max() <= 1
    labels = page.locator(".filter canvas").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert labels == ["Weights of filter 0", "Frequency response of filter 0", "Weights of filter 1"]


def test_filters_are_sorted_by_norm(visit):
    page = opened(visit)
    page.get_by_label("Sort by").select_option("norm")
    assert page.locator(".filter .tile-name").all_inner_texts() == ["2", "0", "1"]
    page.get_by_label("Sort by").select_option("number")
    assert page.locator(".filter .tile-name").all_inner_texts() == ["0", "1", "2"]


def test_failures_and_empty_states(visit):
    page = opened(
        visit, filter_tile(0, 1.0), FilterTile(1, float("nan"), failure="weights are not finite"), shown_of=64
    )
    assert "weights are not finite" in page.locator(".filter .failure").inner_text()
    assert page.locator(".filter canvas").count() == 1
    assert page.locator(".caption").inner_text().startswith("2 of 64 filters of conv1")
    section = filters_section()
    object.__setattr__(section, "tiles", ())
    page = visit(sample_report(sections=(section,))).page
    assert page.locator(".empty").inner_text() == "No layer of this model has filters that can be shown."


@pytest.mark.parametrize("width", [390, 1280])
def test_three_sections_beside_each_other(visit, width):
    sections = (walk_section(), channels_section(browsed("<b>cat</b>.png")), filters_section())
    page = visit(sample_report(sections=sections), width=width).page
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.locator(".contents > ol > li > a").all_text_contents()[:3] == [section.title for section in sections]
    assert page.locator("b").count() == 0
    nameless = """() => [...document.querySelectorAll("button, input, select, a[href], summary, [role=slider]")]
      .filter(one => !(one.textContent.trim() || one.getAttribute("aria-label") || one.labels?.[0]?.textContent.trim()))
      .map(one => one.outerHTML.slice(0, 100))"""
    assert page.evaluate(nameless) == []
    assert page.locator("img:not([alt]), canvas:not([aria-label]):not([aria-hidden])").count() == 0


@pytest.mark.parametrize("system", ["light", "dark"])
def test_the_colours_of_the_curve_stand_out(visit, system):
    page = visit(sample_report(sections=(walk_section(),)), color_scheme=system).page

    def luminance(colour):
        parts = [int(part) / 255 for part in colour[4:-1].split(",")]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    ground = luminance(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    for line in (".curve-zeros-line", ".curve-silent-line"):
        colour = luminance(page.evaluate("name => getComputedStyle(document.querySelector(name)).stroke", line))
        low, high = sorted((ground, colour))
        assert (high + 0.05) / (low + 0.05) >= 3
