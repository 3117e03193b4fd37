"""The wheel is complete: built, installed beside nothing but its dependencies, its demo runs."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SMALL_DEMO = """
import sys
import featuremaps
from featuremaps.cli import main, tour
from featuremaps.demo import surveys
print(featuremaps.__file__)
surveys.survey_world.__defaults__ = (9,)  # scenes a case
tour.TRIED, tour.DRAWING_STEPS = tour.TRIED[:2], 8
sys.argv = ["featuremaps", "demo"]
main()
"""


@pytest.mark.slow
def test_wheel_runs_the_demo(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "demo/weights/demo.safetensors",
        "demo/pictures/index.json",
        "report/viewer/page.html.j2",
        "py.typed",
    ):
        assert f"featuremaps/{needed}" in names
    assert wheel.stat().st_size < 3_000_000

    home = tmp_path / "env"
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

    work = tmp_path / "work"
    work.mkdir()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    installed = [home / "bin" / "featuremaps", "methods"]
    assert "grad_cam" in subprocess.run(installed, check=True, capture_output=True, text=True, env=environment).stdout
    done = subprocess.run(
        [python, "-c", SMALL_DEMO], check=True, capture_output=True, text=True, cwd=work, env=environment
    )
    origin, *said = done.stdout.strip().splitlines()
    assert Path(origin).is_relative_to(home)
    report = work / "featuremaps-demo" / "report.html"
    assert said[-1].endswith(f"Report: {Path('featuremaps-demo') / 'report.html'}")
    assert len(said) == 4, "three findings and where the report is"
    assert 100_000 < report.stat().st_size < 5_000_000
    text = report.read_text(encoding="utf-8")
    assert '"first":{"lead":"demo calls' in text
    assert text.count('"kind":"shortcuts"') == 2
