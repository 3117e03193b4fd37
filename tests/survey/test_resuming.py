"""Nothing is lost: a survey stopped anywhere goes on, to the same bytes; one that differs is refused, saying how."""

import errno
import json
import os
import stat
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from survey_samples import contents, small_model, survey_of, write_pictures
from torchvision.transforms import v2

from featuremaps.errors import FeatureMapsWarning, SurveyError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.survey.storage.atomic_files import alone_in
from featuremaps.survey.survey import open_survey


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_every_write_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 3, "b": 2})
    paths[2].write_bytes(b"not a picture")
    (tmp_path / "work").mkdir()
    program = [
        sys.executable,
        str(Path(__file__).with_name("killed.py")),
        str(tmp_path / "pictures"),
        str(tmp_path / "work"),
    ]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[0]) > 50


@pytest.mark.parametrize("at", [1, 4, 9, 15, 22, 29])
def test_a_full_disk_is_said_and_what_is_finished_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    write_pictures(tmp_path / "pictures", {"a": 5, "b": 5})
    survey_of(tmp_path / "pictures", tmp_path / "whole")
    real, files = os.fsync, count()

    def fsync(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and next(files) == at:  # the others are folders
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(
        SurveyError, match="the disk is full. What is finished is kept. Make room and make the same call"
    ):
        survey_of(tmp_path / "pictures", tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.part"))
    monkeypatch.undo()
    survey_of(tmp_path / "pictures", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_two_at_once_do_not_write_into_one_folder(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 5})
    with alone_in(tmp_path / "out"):
        with pytest.raises(SurveyError, match="out is being written by another process. Wait until it ends"):
            survey_of(tmp_path / "pictures", tmp_path / "out")
        assert not (tmp_path / "out" / "manifest.json").exists()
    assert not (tmp_path / "out").exists()
    assert len(survey_of(tmp_path / "pictures", tmp_path / "out").pictures) == 5


def test_ctrl_c_loses_one_shard_at_most(tmp_path: Path) -> None:
    class Interrupted:
        def __len__(self) -> int:
            return 10

        def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
            if number == 7 and asked.append(number) is None and len(asked) == 1:
                raise KeyboardInterrupt
            return torch.full((3, 16, 16), number / 10), number % 2

    asked: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        survey_of(Interrupted(), tmp_path / "out")
    assert len(json.loads((tmp_path / "out/manifest.json").read_text())["shards"]) == 1
    survey_of(Interrupted(), tmp_path / "out")
    survey_of(Interrupted(), tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_finished_survey_runs_nothing(tmp_path: Path) -> None:
    model, ran = small_model(), []
    write_pictures(tmp_path / "pictures", {"a": 9})
    model[0].register_forward_hook(lambda module, inputs, output: ran.append(len(inputs[0])))
    survey_of(tmp_path / "pictures", tmp_path / "out", model=model)
    ran.clear()
    before = contents(tmp_path / "out")
    survey_of(tmp_path / "pictures", tmp_path / "out", model=model)
    assert max(ran) == 1  # only the layers are looked up
    assert contents(tmp_path / "out") == before


def test_a_finished_survey_takes_class_names_over(tmp_path: Path) -> None:
    """Those given anew count, and nothing else changes; those not given stay."""
    write_pictures(tmp_path / "pictures", {"a": 3, "b": 3})
    nameless = survey_of(tmp_path / "pictures", tmp_path / "out")
    with pytest.raises(
        SurveyError,
        match=r"Scope\(model, classes=…\), on the command line --classes, and make the same survey again: it takes",
    ):
        nameless.confusion()
    before = contents(tmp_path / "out")
    named = survey_of(tmp_path / "pictures", tmp_path / "out", classes=["a", "b", "c"])
    assert named.confusion().counts.sum() == 6
    assert survey_of(tmp_path / "pictures", tmp_path / "out", classes=["b", "a", "c"]).model_classes == ("b", "a", "c")
    assert survey_of(tmp_path / "pictures", tmp_path / "out").model_classes == ("b", "a", "c")
    after = contents(tmp_path / "out")
    assert {name for name in after if after[name] != before.get(name)} == {"manifest.json"}


@pytest.mark.parametrize("gone", ["vectors/3/mean/00001.parquet", "partial/top/00000.parquet", "top.parquet"])
def test_what_was_deleted_is_made_again(tmp_path: Path, gone: str) -> None:
    write_pictures(tmp_path / "pictures", {"a": 5, "b": 5})
    survey_of(tmp_path / "pictures", tmp_path / "out")
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / gone).unlink()
    message = (
        rf"is damaged: 1 of its \d+ files are not as they were written \({gone}: it is gone\). Make the same survey"
    )
    with pytest.raises(SurveyError, match=message):
        open_survey(tmp_path / "out")
    with pytest.warns(FeatureMapsWarning, match=rf"1 files of .*\(first {gone}: it is gone\); what they held is comp"):
        survey_of(tmp_path / "pictures", tmp_path / "out")
    assert contents(tmp_path / "out") == whole


def other_weights() -> dict[str, Any]:
    model = small_model()
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] += 1e-6
    return {"model": model}


def darker(image: Image.Image) -> torch.Tensor:
    return v2.functional.to_dtype(v2.functional.to_image(image), scale=True) * 0.9


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (other_weights, r"the model \(its structure or weights\): Sequential$"),
        (
            lambda: {"preprocessing": Preprocessing(darker)},
            "the preprocessing: RGB in 0..1, not resized.* there, .*darker",
        ),
        (lambda: {"layers": ["3"]}, "the layers: 1, 3 there, 3 now$"),
        (lambda: {"keep": 4}, "the settings: precision float32, shard 4, keep 5, predictions yes there, .* keep 4,"),
        (lambda: {"precision": "bfloat16"}, "the settings: precision float32, .* there, precision bfloat16"),
    ],
)
def test_a_survey_that_differs_is_refused(tmp_path: Path, changed: Any, message: str) -> None:
    write_pictures(tmp_path / "pictures", {"a": 6})
    survey_of(tmp_path / "pictures", tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(SurveyError, match=f"(?m)holds a survey that differs[^\n]*\n  {message}"):
        survey_of(tmp_path / "pictures", tmp_path / "out", **changed())
    assert contents(tmp_path / "out") == before


def test_another_list_of_pictures_is_refused(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 6})
    survey_of(tmp_path / "pictures", tmp_path / "out")
    paths[0].write_bytes(paths[0].read_bytes() + b" ")
    with pytest.raises(SurveyError, match="the list of pictures, their labels or sizes: 6 pictures of 1 classes"):
        survey_of(tmp_path / "pictures", tmp_path / "out")
    write_pictures(tmp_path / "pictures", {"b": 1})
    with pytest.raises(SurveyError, match="6 pictures of 1 classes there, 7 pictures of 2 classes now"):
        survey_of(tmp_path / "pictures", tmp_path / "out")


def test_the_shard_size_is_remembered(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 6})
    survey_of(tmp_path / "pictures", tmp_path / "out", shard=2)
    assert survey_of(tmp_path / "pictures", tmp_path / "out", shard=None).manifest.shard_size == 2


def test_folders_that_hold_no_survey(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match="nowhere does not exist. Make one with survey"):
        open_survey(tmp_path / "nowhere")
    with pytest.raises(SurveyError, match="holds no survey: there is no manifest.json in it"):
        open_survey(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema": 7, "created_by": "featuremaps 9.9"}')
    with pytest.raises(SurveyError, match=r"newer version of featuremaps \(featuremaps 9.9; its schema is 7"):
        open_survey(tmp_path)
    (tmp_path / "manifest.json").write_text('{"schema": 1, "created_by": "featuremaps 0.0"}')
    with pytest.raises(
        SurveyError, match=r"an older version .*schema is 1, this version reads 2\). Make the survey anew"
    ):
        open_survey(tmp_path)


def test_an_unfinished_survey_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(tmp_path / "pictures", {"a": 10})
    monkeypatch.setattr("featuremaps.survey.run.complete", lambda job, standing: None)
    with pytest.raises(SurveyError, match=r"is not finished \(3 of 3 shards are\). Make the same survey again"):
        survey_of(tmp_path / "pictures", tmp_path / "out")


def test_a_cut_file_is_said(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures", {"a": 6})
    survey = survey_of(tmp_path / "pictures", tmp_path / "out")
    path = tmp_path / "out/vectors/3/max/00000.parquet"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(SurveyError, match="vectors/3/max/00000.parquet: it has 50 bytes, and [0-9,]+ were written, so"):
        survey.vectors("3", "max")


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "pictures", {"cat": 3})
    theirs = [tmp_path / "out" / "film.mkv.part", tmp_path / "out" / "more" / "table.parquet.part"]
    for file in theirs:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("half a film")
    survey_of(pictures, tmp_path / "out")
    assert [file.read_text() for file in theirs] == ["half a film"] * 2
    left = tmp_path / "out" / "vectors" / "0" / "mean" / "00007.parquet.part"
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_text("of a run that was killed")
    survey_of(pictures, tmp_path / "out")
    assert not left.exists()
    assert theirs[0].exists()
