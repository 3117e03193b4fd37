"""A detector on the command line: a line and files for each detection, and a report that shows every box."""

import json
import re
from pathlib import Path

import pytest
from torchvision.transforms.functional import to_pil_image
from typer.testing import CliRunner

import planted_detector
from featuremaps.cli.app import app
from featuremaps.errors import FeatureMapsWarning
from planted_detector import CAT, DOG, scene

FACTORY = f"""
import sys
sys.path.insert(0, {str(Path(planted_detector.__file__).parent)!r})
from torchvision.transforms.functional import to_tensor
from planted_detector import NAMES, PlantedDetector

def build(least=0.0):
    return PlantedDetector("listed", least), to_tensor, NAMES

def sure():
    return build(0.99)
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("detector")
    (folder / "build.py").write_text(FACTORY)
    to_pil_image(scene(CAT, DOG)).save(folder / "street.png")
    arguments = ["explain", str(folder / "street.png"), "-m", f"{folder / 'build.py'}:build", "-o", str(folder / "out")]
    result = CliRunner().invoke(app, [*arguments, "--threshold", "0.6", "--on", "original"])
    assert result.exit_code == 0, result.output
    return result.output, folder / "out"


def test_a_line_and_two_files_for_each_detection(written: tuple[str, Path]) -> None:
    output, folder = written
    assert re.search(r"street.png: Grad-CAM of levels for detection 0: dog \(97%, box 28, 2, 52, 22\)\n", output)
    assert re.search(r"street.png: Grad-CAM of levels for detection 1: cat \(97%, box 20, 36, 36, 52\)\n", output)
    assert sorted(path.suffix for path in folder.iterdir()) == [".html", ".npy", ".npy", ".png", ".png"]


def test_the_report_has_every_box(written: tuple[str, Path]) -> None:
    page = (written[1] / "report.html").read_text()
    (payload,) = re.findall(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)[:1]
    (picture,) = json.loads(payload)["sections"][0]["pictures"]
    assert [answer["label"] for answer in picture["top"]] == ["0: dog", "1: cat"]
    assert "What " in page
    assert " finds in street.png: dog, cat</title>" in page
    assert "target=fm.Detection(number=1, label=None)" in picture["maps"][1]["code"]
    assert [heat["target"] for heat in picture["maps"]] == ["dog, detection 0", "cat, detection 1"]


def test_a_picture_in_which_nothing_is_listed(written: tuple[str, Path], tmp_path: Path) -> None:
    folder = written[1].parent
    arguments = [str(folder / "street.png"), "-m", f"{folder / 'build.py'}:sure", "-o"]
    with pytest.warns(FeatureMapsWarning, match="found nothing in street.png, however unsure"):
        result = CliRunner().invoke(app, ["explain", *arguments, str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]
    with pytest.warns(FeatureMapsWarning, match="found nothing in street.png, however unsure"):
        result = CliRunner().invoke(app, ["report", *arguments, str(tmp_path / "report.html"), "--method", "hires_cam"])
    assert result.exit_code == 0, result.output
    assert "finds nothing to explain in street.png" in (tmp_path / "report.html").read_text()
