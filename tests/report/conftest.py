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


@pytest.fixture
def visit(chromium: object, tmp_path: Path) -> Iterator[Callable[..., Visit]]:
    """Opens a report in a new window, every part of it unless `closed`; at the end nothing may have gone wrong or left."""
    visits: list[Visit] = []

    def open_report(
        report: ReportData | None = None,
        width: int = 1280,
        height: int = 900,
        closed: bool = False,
        place: str = "",
        **options: object,
    ) -> Visit:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(10_000)
        if late := os.environ.get("LATE_FRAMES"):
            context.add_init_script(LATE.replace("LATE_FRAMES", late))
        file = write(report or sample_report(), tmp_path / f"report-{len(visits)}.html")
        opened = Visit(context.new_page()).watch()
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
        opened.page.context.close()
        assert opened.errors == []
        assert opened.outside() == []
