"""A fixture that opens a report in headless Chromium and watches what happens."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from browser_tools import LATE, settle
from report_samples import sample_report

from featuremaps.report.data import ReportData
from featuremaps.report.html import write

OPEN_ALL = "document.querySelectorAll('details.part').forEach(part => part.open = true)"


@dataclass
class Visit:
    """An open page, and everything that must not have happened on it."""

    page: object
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def watch(self) -> "Visit":
        page = self.page
        page.on("console", lambda message: self.errors.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda dialog: (self.errors.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: self.requests.append(request.url))
        return self

    def outside(self) -> list[str]:
        return [url[:120] for url in self.requests if not url.startswith(("file:", "data:", "about:", "blob:"))]


@pytest.fixture(scope="module")
def windows(chromium: object) -> Iterator[Callable[..., object]]:
    """Opens empty pages in windows that stay open, one for each set of options: a page in a new one costs twice as much.

    Pages of one window share nothing that a report uses: it keeps no cookies and has no storage.
    """
    kept: dict[str, object] = {}

    def page(**options: object) -> object:
        key = repr(sorted(options.items()))
        if key not in kept:
            kept[key] = chromium.new_context(**options)
            kept[key].set_default_timeout(10_000)
            if late := os.environ.get("LATE_FRAMES"):
                kept[key].add_init_script(LATE.replace("LATE_FRAMES", late))
            kept[key].new_page()  # keeps what draws pages running while no other is open
        return kept[key].new_page()

    yield page
    for window in kept.values():
        window.close()


@pytest.fixture
def visit(windows: Callable[..., object], tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """Opens a report in a new page, every part of it unless `closed`; at the end nothing may have gone wrong or left."""
    visits: list[Visit] = []

    def open_report(
        report: ReportData | None = None,
        width: int = 1280,
        height: int = 900,
        closed: bool = False,
        place: str = "",
        **options: object,
    ) -> Visit:
        file = write(report or sample_report(), tmp_path / f"report-{len(visits)}.html")
        opened = Visit(windows(viewport={"width": width, "height": height}, **options)).watch()
        visits.append(opened)
        opened.page.goto(file.as_uri() + place)
        opened.page.wait_for_selector("#report[data-ready]")
        if not closed:
            opened.page.evaluate(OPEN_ALL)
            opened.page.wait_for_selector("#report[data-filled]")
        settle(opened.page)
        return opened

    yield open_report
    for opened in visits:
        opened.page.close()
        assert opened.errors == []
        assert opened.outside() == []
