"""Headless Chromium, and axe-core, which checks how accessible an open page is: neither is a part of this project."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

AXE = "axe-core@4.14.1"
"""Mozilla Public License 2.0: installed from npm into pytest's cache, and never copied into the project."""

CHROMIUM_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def _missing(reason: str) -> None:
    """Fails where the work is landed, skips on a user's machine."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    # Per module, because a running Playwright holds an event loop that other tests could trip over.
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        _missing("no Chromium on PATH; install it (Debian: apt-get install chromium) to test the report in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe(request: pytest.FixtureRequest) -> str:
    """The text of axe-core, to run in a page."""
    folder = Path(request.config.cache.mkdir(AXE.replace("@", "-")))
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            _missing("no npm on PATH; install Node.js to check with axe-core how accessible the report is")
        # Into a folder of its own first: several processes may be at it.
        own = folder / f"installing-{os.getpid()}"
        options = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts")
        done = subprocess.run([npm, "install", "--prefix", own, *options, AXE], capture_output=True, text=True)
        if done.returncode:
            _missing(f"{AXE} could not be installed by npm: {done.stderr[-300:]}")
        try:
            (own / "node_modules").rename(folder / "node_modules")
        except OSError:
            shutil.rmtree(own)
    return script.read_text(encoding="utf-8")
