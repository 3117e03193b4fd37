"""`featuremaps shortcuts` and `repair` on a survey of the bundled world."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import featuremaps as fm
from featuremaps.cli import app
from featuremaps.demo.dataset import World
from featuremaps.demo.drawn import draw

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def surveyed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Pictures as `demo` learned from, surveyed with a bundled model."""
    folder = tmp_path_factory.mktemp("shortcuts")
    draw({folder / "photos": tuple(World(60, {"scissors": 0.87, "hammer": 0.0}, seed=31_000_000).recipes)}, 1)

    def survey(name: str) -> Path:
        fm.load(name).survey(folder / "photos", "last", folder / name, workers=0)
        return folder / name

    return survey


def test_what_is_found_is_said_and_written(surveyed: Callable[[str], Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    options = ["--model", "demo", "--separation", "3.9", "-o", str(tmp_path), "--report", str(page)]
    result = CliRunner().invoke(app, ["shortcuts", str(surveyed("demo")), *options])
    assert result.exit_code == 0, result.output
    assert "scissors share something simple" in result.output.replace("\n", " ")
    assert {path.name for path in tmp_path.iterdir()} == {"shortcut-1.png", "shortcuts.csv", "page.html"}
    assert '"kind":"shortcuts"' in page.read_text(encoding="utf-8")


def test_a_repair_that_cannot_be_is_said(surveyed: Callable[[str], Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["repair", str(surveyed("demo")), "--model", "demo", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "Cannot be repaired here" in result.output.replace("\n", " ")
    assert {path.name for path in tmp_path.iterdir()} == {"before-after.png"}


def test_where_there_is_none_that_is_said(surveyed: Callable[[str], Path], tmp_path: Path) -> None:
    result = CliRunner().invoke(
        app, ["repair", str(surveyed("demo-fixed")), "--model", "demo-fixed", "-o", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    assert "No shortcut found" in result.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()
