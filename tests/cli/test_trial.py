"""`featuremaps trial` and what goes on from it: a model of shuffled labels, the best explanation, refusals."""

from pathlib import Path

import pytest
from PIL import Image

import featuremaps as fm
from planted_detector import CAT, DOG
from survey_commands import run

MODEL = ("-m", "small_models:network", "--size", "16")
METHODS = ("--method", "grad_cam", "--method", "saliency", "-l", "body")
TRAINING = """
def train(model):
    for parameter in model.parameters():
        parameter.data = parameter.data.flip(0)
    return model
"""


@pytest.fixture
def photos(tmp_path: Path) -> str:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        Image.effect_noise((16, 16), 40 + number).convert("RGB").save(folder / f"{number}.png")
    return str(folder)


def test_random_labels_by_a_function_in_a_file(photos: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "lab.py").write_text(TRAINING)
    asked = ("--measure", "gini", "--measure", "random_labels", "--random-label-model", f"{tmp_path / 'lab.py'}:train")
    out = tmp_path / "trial"
    assert run("trial", photos, *MODEL, *METHODS, *asked, "-o", str(out)) == 0
    assert "random_labels ↓" in capsys.readouterr().out
    assert fm.open_trial(out).estimate(("saliency", "input"), "random_labels").of == 2


def test_the_best_of_a_trial_is_explained(
    photos: str,
    tmp_path: Path,
) -> None:
    trial, out = tmp_path / "trial", tmp_path / "out"
    measured = ("--measure", "gini")
    assert run("trial", photos, *MODEL, *METHODS, *measured, "-o", str(trial)) == 0
    best = fm.open_trial(trial).best[0]
    of_trial = ("--trial", str(trial), "-o", str(out))
    assert run("explain", photos, *MODEL, "--method", "best", *of_trial) == 0
    assert any(best in path.name for path in out.glob("*.png"))
    named = ("--method", "grad_cam", "-l", "best", "--trial", str(trial), "-o", str(tmp_path / "named"))
    assert run("explain", photos, *MODEL, *named) == 0
    assert any("grad_cam" in path.name for path in (tmp_path / "named").glob("*.png"))


def test_a_trial_that_was_refused_leaves_its_folder_free(
    photos: str,
    tmp_path: Path,
) -> None:
    asked = ("trial", photos, *MODEL, *METHODS, "--measure", "gini", "-o", str(tmp_path / "trial"))
    assert run(*asked, "-t", "99") == 1
    assert run(*asked, "-t", "1") == 0
    assert run(*asked, "-t", "2") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "--method", "best"], "'best' is what came first in a trial: give its folder, --trial trial/."),
        (["explain", "--trial", "."], "--trial says which explanation is best: ask for it, --method best"),
        (
            ["trial", "--random-label-model", "lab:train"],
            "is for the measure random_labels: add --measure random_label",
        ),
        (
            ["trial", "--measure", "random_labels", "--random-label-model", "train"],
            "--random-label-model 'train' is not understood; write package.module:name or file.py:name.",
        ),
        (["trial", "--measure", "ginni"], "Did you mean 'gini'"),
        (["trial", "--masks", "."], "has no mask for '0' (2 of 2 pictures have none)"),
        (["trial", "--budget", "0"], "--budget is 1 or more; got 0."),
    ],
)
def test_errors_are_one_message(
    arguments: list[str],
    message: str,
    photos: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    command, *rest = arguments
    assert run(command, photos, *MODEL, *rest, "-o", str(tmp_path / "out")) == 1
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("label", "named"), [((), None), (("-t", "dog"), "dog")])
def test_one_thing_of_a_detector(
    label: tuple[str, ...],
    named: str | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "lab.py").write_text(
        "import planted_detector\ndef make():\n    return planted_detector.PlantedDetector(), None, planted_detector.NAMES\n"
    )
    street = Image.new("RGB", (64, 64))
    street.paste("red", CAT.evidence)
    street.paste((0, 255, 0), DOG.evidence)
    street.save(tmp_path / "street.png")
    model = ("-m", f"{tmp_path / 'lab.py'}:make", "--size", "64", "--mean", "0", "--std", "1")
    asked = ("trial", str(tmp_path / "street.png"), *model, "--method", "grad_cam", "--measure", "gini", *label)
    if not label:
        assert run(*asked, "-o", str(tmp_path / "several")) == 1
        assert "(--detection 0 on the command line)" in capsys.readouterr().err
    assert run(*asked, "--detection", "0", "-o", str(tmp_path / "trial")) == 0
    trial = fm.open_trial(tmp_path / "trial")
    assert trial.manifest["target"] == [["Detection", 0, named]]
    assert trial.estimate(("grad_cam", "levels"), "gini").of == 1
