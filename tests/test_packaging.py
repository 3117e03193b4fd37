"""The wheel is complete: built, installed beside nothing but its dependencies, its demo runs."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from page_laws import check_every_look, nameless_pictures, violations

ROOT = Path(__file__).resolve().parents[1]
SMALL_DEMO = """
import sys
import featuremaps
from featuremaps.cli import main, tour
from featuremaps.demo import drawn, surveys
print(featuremaps.__file__)
drawn.worlds_in.__defaults__ = surveys.survey_world.__defaults__ = (9,)  # scenes a case
tour.TRIED, tour.DRAWING_STEPS = tour.TRIED[:2], 8
sys.argv = ["featuremaps", "demo"]
main()
"""


@pytest.fixture(scope="module")
def made_by_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which an installed wheel has run a small demo; of several test processes the first makes it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    made = folder / "wheel"
    with FileLock(folder / "wheel.lock"):
        if not (made / "said.txt").is_file():
            made.mkdir()
            _run_wheel(made)
    return made


def _run_wheel(folder: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("*.whl")

    home = folder / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    # The dependencies (gigabytes) are shared with this environment; an editable featuremaps in it stays invisible,
    # because a path named in a .pth file has its own .pth files ignored.
    here = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (Path(here) / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")

    work = folder / "work"
    work.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    installed = [home / "bin" / "featuremaps", "methods"]
    assert "grad_cam" in subprocess.run(installed, check=True, capture_output=True, text=True, env=environment).stdout
    done = subprocess.run(
        [python, "-c", SMALL_DEMO], check=True, capture_output=True, text=True, cwd=work, env=environment
    )
    (folder / "said.txt").write_text(done.stdout)


@pytest.mark.slow
def test_wheel_runs_the_demo(made_by_wheel: Path) -> None:
    (wheel,) = made_by_wheel.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "demo/weights/demo.safetensors",
        "demo/pictures/index.json",
        "report/viewer/page.html.j2",
        "py.typed",
        "__init__.pyi",
        "draw/__init__.pyi",
    ):
        assert f"featuremaps/{needed}" in names
    assert wheel.stat().st_size < 3_000_000
    origin, *said = (made_by_wheel / "said.txt").read_text().strip().splitlines()
    assert Path(origin).is_relative_to(made_by_wheel)
    report = made_by_wheel / "work" / "featuremaps-demo" / "report.html"
    assert said[-1].endswith(f"Report: {Path('featuremaps-demo') / 'report.html'}")
    assert len(said) == 4, "three findings and where the report is"
    text = report.read_text(encoding="utf-8")
    assert '"first":{"lead":"demo calls' in text
    assert text.count('"kind":"shortcuts"') == 2


@pytest.mark.slow
@pytest.mark.browser
def test_the_demo_is_small_short_and_accessible(made_by_wheel: Path, chromium: Any, axe: str) -> None:
    """Under 4 MB and at most 9,000 pixels high before anything is opened, and axe-core finds nothing."""
    report = made_by_wheel / "work" / "featuremaps-demo" / "report.html"
    assert 100_000 < report.stat().st_size < 4_000_000
    page = chromium.new_page(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    page.goto(report.as_uri())
    page.wait_for_selector("#report[data-filled]")
    assert page.evaluate("document.documentElement.scrollHeight") <= 9_000
    check_every_look(page, axe)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="dark")
    page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert violations(page, axe) == []
    assert nameless_pictures(page) == []
