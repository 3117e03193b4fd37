"""The report on small screens, in the dark, on paper, by ear and inside a frame, in headless Chromium."""

import re

import pytest
from browser_tools import FIRST
from report_samples import matrix, sample_picture, sample_report

from featuremaps.report.data import Rejection
from featuremaps.report.html import render, write
from featuremaps.report.page_path import framed

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_never_scrolls_sideways(visit, width):
    long = "a_very_long_name_of_a_layer_or_a_file_that_does_not_end_soon.0.conv2.weight_orig" * 2
    picture = sample_picture(long, label=long, maps=matrix((long, "b"), tuple("abcdef"), long))
    page = visit(sample_report(picture, findings=(long,), rejected=(Rejection(long, long),)), width=width).page
    wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(wide) == 0
    scroller = page.locator(".scroller")
    scrolls = scroller.evaluate("box => box.scrollWidth > box.clientWidth + 1")
    assert scrolls == ("scrolls" in scroller.get_attribute("class").split())
    assert scrolls or width == 1280
    if scrolls:
        scroller.evaluate("box => box.scrollTo(1000, 0)")
        heading, box = page.locator("tbody th").first.bounding_box(), scroller.bounding_box()
        assert heading["x"] == pytest.approx(box["x"], abs=1)
    page.locator(FIRST).click()
    assert page.evaluate(wide) == 0
    dialog = page.get_by_role("dialog").bounding_box()
    assert dialog["x"] >= 0
    assert dialog["x"] + dialog["width"] <= width


def test_column_headings_stay_in_view_below_the_controls(visit):
    picture = sample_picture(maps=matrix(tuple("abcdef"), ("layer3", "layer4")))
    page = visit(sample_report(picture), height=600).page
    page.locator(".map").nth(8).evaluate("map => map.scrollIntoView({block: 'center'})")
    toolbar, heading = page.locator(".toolbar").bounding_box(), page.locator("thead th").first.bounding_box()
    assert toolbar["y"] == pytest.approx(0, abs=1)
    assert heading["y"] == pytest.approx(toolbar["height"], abs=1)


def brightness(page):
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


@pytest.mark.parametrize(("system", "bright"), [("light", True), ("dark", False)])
def test_light_and_dark_follow_the_system_and_the_reader(visit, system, bright):
    page = visit(color_scheme=system).page
    assert (brightness(page) > 128) == bright
    page.get_by_role("radio", name="Dark" if bright else "Light").check()
    assert (brightness(page) > 128) != bright
    page.get_by_role("radio", name="Automatic").check()
    assert (brightness(page) > 128) == bright


@pytest.mark.parametrize("system", ["light", "dark"])
def test_text_has_enough_contrast(visit, system):
    page = visit(color_scheme=system).page
    pairs = [
        ("ink", "page"),
        ("quiet", "page"),
        ("quiet", "surface"),
        ("accent", "page"),
        ("on-accent", "accent"),
        ("warn-ink", "warn-soft"),
        ("fail-ink", "fail-soft"),
        ("fail-ink", "page"),
        ("ink", "accent-soft"),
        ("accent", "accent-soft"),
        ("right-ink", "right-soft"),
        ("right-ink", "page"),
        ("wrong-ink", "wrong-soft"),
        ("wrong-ink", "page"),
        ("wrong-ink", "surface"),
    ]
    script = """name => {
      const probe = document.body.appendChild(document.createElement("i"));
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color.match(/\\d+/g).slice(0, 3).map(Number);
    }"""

    def luminance(name):
        parts = [part / 255 for part in page.evaluate(script, name)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for front, back in pairs:
        low, high = sorted((luminance(front), luminance(back)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)


def test_pictures_have_text_alternatives(visit):
    page = visit().page
    labels = page.locator(".matrix canvas").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    assert labels[0] == (
        "cat.png, Grad-CAM at layer3 for tabby. Map over the picture. "
        "Strongest at the lower left, 3; 17% of its 2 by 3 cells exceed half of that."
    )
    assert all(labels)
    seen = page.get_by_role(
        "img", name="cat.png, as the model saw it. Labelled tabby. The model says Egyptian cat, 75.0%."
    )
    assert seen.count() == 1
    assert page.locator("img:not([alt])").count() == 0
    page.get_by_role("radio", name="Original").check()
    label = page.locator(".matrix canvas").first.get_attribute("aria-label")
    assert "The picture without its map" in label


def test_every_control_has_a_name(visit):
    page = visit().page
    nameless = """() => [...document.querySelectorAll("button, input, select, a[href], summary")]
      .filter(one => !(one.textContent.trim() || one.getAttribute("aria-label") || one.labels?.[0]?.textContent.trim()
        || one.querySelector("[aria-label]"))).map(one => one.outerHTML.slice(0, 100))"""
    assert page.evaluate(nameless) == []


def test_print_draws_every_map_and_hides_the_controls(visit):
    pictures = [sample_picture(f"{index}.png") for index in range(12)]
    page = visit(sample_report(*pictures), color_scheme="dark").page
    blank = "all => all.filter(one => one.width === 300 && one.height === 150).length"
    assert page.locator(".matrix canvas").evaluate_all(blank) > 0
    assert len(page.pdf(format="A4")) > 50_000
    assert page.locator(".matrix canvas").evaluate_all(blank) == 0
    page.emulate_media(media="print")
    assert not page.locator(".toolbar .segments").is_visible()
    assert not page.get_by_role("button", name="Copy").is_visible()
    note = page.locator(".toolbar .print-only").inner_text()
    assert note.startswith("Map over picture at 70% strength; negative values cut off")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(29, 33, 38)"


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_contents_lead_to_their_parts(visit, motion):
    pictures = [sample_picture(f"{index}.png") for index in range(4)]
    page = visit(sample_report(*pictures), reduced_motion=motion).page
    page.locator(".thumbnails a").nth(2).click()
    toolbar = page.locator(".toolbar").bounding_box()["height"]
    part = page.locator("#section-1-3")
    for _ in range(1 if motion == "reduce" else 50):
        if abs(part.bounding_box()["y"] - toolbar) <= 2:
            break
        page.wait_for_timeout(100)
    assert part.bounding_box()["y"] == pytest.approx(toolbar, abs=2)
    assert page.evaluate("document.activeElement.id") == "section-1-3"


def test_the_command_can_be_copied(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"]).page
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "featuremaps report cat.png --model demo"
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('no clipboard')); }")
    page.get_by_role("button", name="Copied").click()
    page.get_by_role("button", name="Selected").wait_for()
    assert page.evaluate("getSelection().toString()") == "featuremaps report cat.png --model demo"


def test_it_works_inside_a_notebook_frame(visit):
    opened = visit()
    opened.page.set_content(
        f"<!doctype html><body>{framed(render(sample_report(sample_picture(), sample_picture('dog.png'))), 'net', 720)}</body>"
    )
    frame = opened.page.frame_locator("iframe")
    frame.locator("#report[data-ready]").wait_for()
    frame.locator(FIRST).click()
    assert frame.get_by_role("dialog").locator("h2").inner_text() == "Grad-CAM at layer3"
    opened.page.keyboard.press("Escape")
    frame.locator(".thumbnails a").first.click()
    frame.locator(".contents a", has_text="Methods").click()
    frame.locator("#methods dl").wait_for()
    assert frame.locator("h1").inner_text() == "A test report"


def test_data_and_viewer_meet_in_one_entry(visit):
    """As a server or a notebook calls it: plain data, in any element of any page that has the modules."""
    page = visit(closed=True).page
    page.evaluate(
        """async data => {
          const { render } = await import("featuremaps/report.js");
          const element = document.createElement("div");
          document.body.replaceChildren(element);
          await render({ data, element });
        }""",
        sample_report(sample_picture("served.png")).to_json(),
    )
    assert page.locator("h1").inner_text() == "A test report"
    assert page.locator(".picture h3").all_inner_texts() == ["served.png"]
    page.locator(FIRST).click()
    assert page.get_by_role("dialog").locator("h2").inner_text() == "Grad-CAM at layer3"


def test_a_newer_layout_is_refused_in_words(visit, tmp_path):
    file = write(sample_report(), tmp_path / "newer.html")
    file.write_text(file.read_text(encoding="utf-8").replace('{"schema":1', '{"schema":2'), encoding="utf-8")
    page = visit().page
    page.goto(file.as_uri())
    assert "layout 2; this viewer knows layout 1" in page.locator(".failure").inner_text()
