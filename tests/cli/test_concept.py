"""`featuremaps concept` on scenes of the bundled world."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

import featuremaps as fm
from featuremaps.cli import app
from featuremaps.demo.drawn import draw, recipes


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plain ground and clutter, a dozen of each, and a few scenes of each kind to test with."""
    folder = tmp_path_factory.mktemp("scenes")
    cases = {"plain ground": True, "clutter": False}
    draw(
        {folder / name: recipes("photograph", [("neither", plain)], 12, 41_000_000) for name, plain in cases.items()}, 1
    )
    draw({folder / "photos": recipes("photograph", [("scissors", True), ("hammer", False)], 8, 42_000_000)}, 1)
    return folder


def test_a_concept_and_what_rests_on_it_is_said_and_written(scenes: Path, tmp_path: Path) -> None:
    folders = [str(scenes / "plain ground"), str(scenes / "clutter")]
    options = ["--model", "demo", "--pictures", str(scenes / "photos"), "--target", "scissors", "-o", str(tmp_path)]
    result = CliRunner().invoke(app, ["concept", *folders, *options])
    assert result.exit_code == 0, result.output
    assert "Concept “plain ground” in layer4 of demo: 12 pictures with it, 12 without" in result.output
    assert "scissors to “plain ground”: rises with it" in result.output
    written = {"concept.png", "concept.safetensors", "concept.json", "sensitivity.png", "sensitivity.csv"}
    assert {path.name for path in tmp_path.iterdir()} == written
    page = tmp_path / "page.html"
    result = CliRunner().invoke(app, ["concept", *folders, *options, "--report", str(page)])
    assert result.exit_code == 0, result.output
    assert "The score of scissors rises with it" in page.read_text(encoding="utf-8")
    assert fm.open_concept(tmp_path).against == "clutter"


def test_a_survey_says_of_which_class_pictures_are(scenes: Path, tmp_path: Path) -> None:
    folders = [str(scenes / "plain ground"), str(scenes / "clutter")]
    fm.load("demo").survey(scenes / "photos", "last", tmp_path / "survey", workers=0)
    options = ["--model", "demo", "--survey", str(tmp_path / "survey"), "--name", "bare", "--how", "ridge"]
    result = CliRunner().invoke(app, ["concept", *folders, *options, "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "hammer to “bare”" in result.output
    assert "ridge: right in" in result.output
    both = CliRunner().invoke(app, ["concept", *folders, *options, "--pictures", folders[0]])
    assert "give one of them" in str(both.exception)
    same = CliRunner().invoke(app, ["concept", folders[0], folders[0], "--model", "demo"])
    assert "12 of the pictures are among those with the concept" in str(same.exception)
