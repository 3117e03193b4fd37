"""A page of charts works without a network, in light and dark, says what is under the pointer, and has the library once."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from featuremaps.survey.chart_page import element, library, page, save_page

CHART = {
    "mark": "point",
    "data": {"values": [{"x": 1, "y": 2, "name": "</script><b>cat & dog</b>"}]},
    "encoding": {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "y", "type": "quantitative"},
        "tooltip": [{"field": "name", "type": "nominal"}],
    },
    "config": {"axis": {"labelColor": "currentColor"}},
}


def test_the_library_is_there_once_and_charts_cost_little() -> None:
    one, three = page({"a": CHART}, "One"), page({"a": CHART, "b": CHART, "c": CHART}, "Three")
    assert 500_000 < len(library()) < 1_200_000
    assert len(three) - len(one) < 2000
    assert one.count("window.vegaEmbed") == 1


def test_nothing_is_fetched_and_no_name_can_break_out() -> None:
    text = page({"a": CHART}, "Cats </script><script>alert(1)</script>")
    assert "alert(1)</script>" not in text
    assert len(re.findall("</script", text, re.IGNORECASE)) == 2
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", text.replace(library(), ""))
    data = re.search(r'id="a">(.*?)</script>', element("a", CHART), re.DOTALL)
    assert data is not None
    assert json.loads(data[1]) == CHART


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_charts_are_drawn_offline_and_say_what_is_under_the_pointer(tmp_path: Path, scheme: str) -> None:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on PATH")
        pytest.skip("no Chromium on PATH; install it (Debian: apt-get install chromium) to test charts in a browser")
    from playwright.sync_api import sync_playwright

    file = save_page({"a": CHART, "b": CHART}, tmp_path / "new" / "charts.html", "Charts")
    troubles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--headless=new", "--no-sandbox"])
        context = browser.new_context(color_scheme=scheme, offline=True)
        opened = context.new_page()
        opened.on("console", lambda message: troubles.append(message.text))
        opened.on("pageerror", lambda error: troubles.append(str(error)))
        opened.on("request", lambda request: troubles.append(request.url) if request.url != file.as_uri() else None)
        opened.goto(file.as_uri())
        opened.wait_for_selector("figure[data-chart=b] svg")
        opened.locator("figure[data-chart=a] svg path[aria-roledescription=point]").hover()
        opened.wait_for_selector("#vg-tooltip-element.visible")
        assert "</script><b>cat & dog</b>" in opened.locator("#vg-tooltip-element").inner_text()
        ink = opened.locator("figure[data-chart=a] svg text").first.evaluate("e => getComputedStyle(e).fill")
        browser.close()
    assert ink == {"light": "rgb(34, 34, 34)", "dark": "rgb(230, 230, 230)"}[scheme]
    assert troubles == []
