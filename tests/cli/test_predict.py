"""`featuremaps predict`: a line for each picture, and the same answers as a table."""

import json
import re
from pathlib import Path

import pytest
from torchvision.transforms.functional import to_pil_image
from typer.testing import CliRunner

import planted_detector
from featuremaps import demo, load
from featuremaps.cli.app import app
from planted_detector import CAT, DOG, scene
from survey_commands import rows_of, run

COLUMNS = ["picture", "place", "label", "index", "score"]


def test_the_answers_of_the_scope_as_lines_and_as_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("predict", "demo", "-m", "demo", "--top", "2", "-o", "new/answers.csv") == 0
    expected = load("demo").predict(demo.images(), top=2)
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "new/answers.csv"
    assert [line.rpartition(": ")[2] for line in lines] == [f"{first}, {second}" for first, second in expected]
    rows = rows_of(tmp_path / "new" / "answers.csv")
    assert list(rows[0]) == [*COLUMNS, "probability"]
    assert [(row["label"], int(row["place"])) for row in rows] == [
        (answer.label, place) for given in expected for place, answer in enumerate(given, 1)
    ]
    assert float(rows[0]["probability"]) == expected[0][0].probability


def test_what_a_detector_finds_has_its_box(tmp_path: Path) -> None:
    (tmp_path / "build.py").write_text(
        f"import sys\nsys.path.insert(0, {str(Path(planted_detector.__file__).parent)!r})\n"
        "from torchvision.transforms.functional import to_tensor\n"
        "from planted_detector import NAMES, PlantedDetector\n\n"
        'def build():\n    return PlantedDetector("listed", 0.0), to_tensor, NAMES\n'
    )
    to_pil_image(scene(CAT, DOG)).save(tmp_path / "street.png")
    given = [str(tmp_path / "street.png"), "-m", f"{tmp_path / 'build.py'}:build", "-o", str(tmp_path / "found.json")]
    result = CliRunner().invoke(app, ["predict", *given])
    assert result.exit_code == 0, result.output
    assert re.search(r"street.png: dog 9\d.\d% at \(28, 2, 52, 22\), cat 9\d.\d% at \(20, 36, 36, 52\)", result.output)
    rows = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert list(rows[0]) == [*COLUMNS, "left", "top", "right", "bottom", "note"]
    assert [row["label"] for row in rows] == ["dog", "cat"]
    unsure = CliRunner().invoke(app, ["predict", *given, "--threshold", "0.999"])
    assert unsure.output.count("street.png: ") == 2  # the surest, and that it is not sure enough


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--top", "0"], "top is how many classes are given, 1 or more; got 0"),
        (
            ["-o", "answers.txt"],
            "--out 'answers.txt' has no kind of table in its name: write answers.csv or answers.json",
        ),
        (["--threshold", "2"], "threshold"),
    ],
)
def test_errors_are_one_message(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("predict", "demo", "-m", "demo", *arguments) == 1
    assert message in capsys.readouterr().err
