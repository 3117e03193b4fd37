"""A page of charts works without a network, in light and dark, is read by pointer and by keys, has the library once."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import altair as alt
import pytest
from playwright.sync_api import expect

from featuremaps.survey.charts.page import library, page, save_page
from featuremaps.survey.charts.theme import Chart, data, finished, nearest, said

HOSTILE = "</script><b>cat & dog</b>"
ROWS = [{"x": place, "y": place % 3, "name": HOSTILE if place == 1 else f"picture {place}"} for place in range(5)]


def chart_of(rows: list[dict[str, object]] = ROWS, title: str = "Some pictures") -> Chart:
    near = nearest()
    marks = alt.Chart(data(rows)).mark_point(
        filled=True, opacity=1, tooltip=said({"picture": "name", "height": ("y", ".1f")})
    )
    size = alt.condition(near, alt.value(200), alt.value(20))
    return finished(marks.encode(x="x:Q", y="y:Q", size=size).add_params(near), title, "a note")


BROKEN = {"description": "Broken", "usermeta": {"note": ""}, "mark": "no such mark", "data": {"values": []}}


def test_the_library_and_the_data_are_there_once() -> None:
    one, three = page({"a": chart_of()}, "One"), page({name: chart_of() for name in "abc"}, "Three")
    assert one.count(library()) == three.count(library()) == 1
    assert len(three) - len(one) < 4000
    assert three.count("picture 3") == 1


def test_nothing_is_fetched_and_no_name_can_break_out() -> None:
    text = page({'a"><b>': chart_of(title="Of <b>")}, "Cats </script><script>alert(1)</script>")
    assert "alert(1)</script>" not in text
    assert "<b>" not in text
    assert len(re.findall("</script", text, re.IGNORECASE)) == 3
    assert not re.findall(r"<(?:script|img|iframe)[^>]*(?:src|href)=", text)
    assert "default-src 'none'" in text
    payload = re.search(r'id="charts">(.*?)</script>', text, re.DOTALL)
    assert payload is not None
    assert ROWS in json.loads(payload[1])["datasets"].values()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on PATH")
        pytest.skip("no Chromium on PATH; install it (Debian: apt-get install chromium) to test charts in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--headless=new", "--no-sandbox"])
        yield started
        started.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_offline_and_say_what_is_nearest_to_the_pointer(browser, tmp_path: Path, scheme: str) -> None:
    file = save_page({"a": chart_of(), "b": chart_of()}, tmp_path / "new" / "charts.html", "Charts")
    troubles: list[str] = []
    opened = browser.new_context(color_scheme=scheme, offline=True).new_page()
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on(
        "request",
        lambda request: troubles.append(request.url) if not request.url.startswith(("file:", "data:")) else None,
    )
    opened.goto(file.as_uri())
    opened.wait_for_selector("figure[data-chart=b] svg")
    dots = opened.locator("figure[data-chart=a] svg .mark-symbol.role-mark path:not([fill=transparent])")
    place = dots.nth(1).bounding_box()
    # Beside it, not on it.
    opened.mouse.move(place["x"] + 12, place["y"] - 9)
    opened.wait_for_selector("#vg-tooltip-element.visible")
    assert opened.locator("#vg-tooltip-element td").all_inner_texts() == ["picture", HOSTILE, "height", "1.0"]
    ink = opened.locator("figure[data-chart=a] svg text").first.evaluate("e => getComputedStyle(e).fill")
    assert ink == {"light": "rgb(34, 34, 34)", "dark": "rgb(230, 230, 230)"}[scheme]
    assert opened.locator("section").first.inner_text().split()[:4] == ["Some", "pictures", "a", "note"]
    assert troubles == []


@pytest.mark.browser
def test_keys_walk_through_the_marks(browser, tmp_path: Path) -> None:
    opened = browser.new_page(viewport={"width": 390, "height": 700})
    opened.goto(save_page({"a": chart_of()}, tmp_path / "charts.html").as_uri())
    opened.wait_for_selector("figure svg")
    figure, tip = opened.locator("figure"), opened.locator("#vg-tooltip-element")
    assert figure.get_attribute("aria-label") == "Some pictures"
    assert figure.get_attribute("aria-valuemax") == "5"
    figure.focus()
    for key, place in (("ArrowRight", 0), ("ArrowRight", 1), ("End", 4), ("ArrowLeft", 3), ("PageUp", 4), ("Home", 0)):
        opened.keyboard.press(key)
        name = ROWS[place]["name"]
        assert figure.get_attribute("aria-valuetext") == f"picture {name}, height {place % 3}.0"
        assert figure.get_attribute("aria-valuenow") == str(place + 1)
        opened.wait_for_selector("#vg-tooltip-element.visible")
        assert name in tip.inner_text()
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    figure.blur()
    expect(tip).not_to_be_visible()
    assert opened.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


@pytest.mark.browser
def test_a_finger_points_too(browser, tmp_path: Path) -> None:
    opened = browser.new_context(viewport={"width": 390, "height": 700}, has_touch=True).new_page()
    opened.goto(save_page({"a": chart_of()}, tmp_path / "charts.html").as_uri())
    opened.wait_for_selector("figure svg")
    tip = opened.locator("#vg-tooltip-element.visible")
    dots = opened.locator("figure svg .mark-symbol.role-mark path:not([fill=transparent])")
    for place in (3, 0):
        box = dots.nth(place).bounding_box()
        opened.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2 - 6)
        expect(tip).to_contain_text(ROWS[place]["name"])


@pytest.mark.browser
def test_a_chart_that_cannot_be_drawn_says_so_and_the_others_are(browser, tmp_path: Path) -> None:
    opened = browser.new_page()
    opened.goto(save_page({"a": BROKEN, "b": chart_of()}, tmp_path / "charts.html").as_uri())
    opened.wait_for_selector("figure[data-chart=b] svg")
    assert "could not be drawn" in opened.locator("figure[data-chart=a]").inner_text()
