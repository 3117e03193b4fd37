"""A survey vouches for itself: what is not as it was written, or not of the same pictures, is never taken for it."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from survey_samples import contents, small_model, survey_of, write_pictures
from tiny_surveys import made_up
from typer.testing import CliRunner

from featuremaps.cli.app import app
from featuremaps.errors import FeatureMapsWarning, ImageError, SurveyError
from featuremaps.survey.survey import Survey, open_survey


def flip(path: Path) -> None:
    """One bit in the middle of a file, which keeps its size and its time."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def two_shards() -> Survey:
    return made_up(
        np.random.default_rng(0).normal(size=(6, 3)), [0, 1] * 3, ("a", "b"), shard_size=3, predicted=[0] * 6
    )


ASKED = {
    "vectors/conv/mean/00001.parquet": lambda survey: survey.vectors("conv", channels=[0]),
    "vectors/conv/max/00000.parquet": lambda survey: list(survey.blocks("conv", "max")),
    "top.parquet": lambda survey: survey.top("conv:1", 2),
    "pictures.parquet": lambda survey: survey.pictures,
    "channels.parquet": lambda survey: survey.statistics("conv"),
    "predictions/00000.parquet": lambda survey: survey.predictions(),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_flipped_bit_is_noticed_when_its_file_is_read(name: str) -> None:
    survey = two_shards()
    assert survey.verify() == len(survey.manifest.files) == len(list(survey.path.rglob("*.parquet")))
    flip(survey.path / name)
    opened = open_survey(survey.path)
    with pytest.raises(
        SurveyError, match=f"{name}: its content is not what was written, so the survey is damaged. Make"
    ):
        ASKED[name](opened)
    with pytest.raises(
        SurveyError, match=rf"damaged: 1 of its \d+ files are not as they were written \({name}: its cont"
    ):
        opened.verify()
    for other in set(ASKED) - {name, "pictures.parquet"} if name != "pictures.parquet" else ():
        ASKED[other](opened)  # what is whole is still read


def test_a_shard_copied_over_another_is_noticed() -> None:
    survey = two_shards()
    home = survey.path / "vectors/conv/mean"
    shutil.copy2(home / "00000.parquet", home / "00001.parquet")
    with pytest.raises(SurveyError, match="00001.parquet: (its content is not|it has)"):
        open_survey(survey.path).vectors("conv")


def test_a_size_that_differs_is_noticed_at_once() -> None:
    survey = two_shards()
    with (survey.path / "partial/counts/00000.parquet").open("ab") as stream:
        stream.write(b" ")
    with pytest.raises(
        SurveyError, match=r"partial/counts/00000.parquet: it has [\d,]+ bytes, and [\d,]+ were written"
    ):
        open_survey(survey.path)


def test_content_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    survey, read = two_shards(), []
    monkeypatch.setattr("featuremaps.survey.storage.reader.flaw", lambda path, written: read.append(path.name))
    survey.vectors("conv")
    count = len(read)
    survey.vectors("conv", channels=[1])
    assert len(read) == count > 0


def test_the_same_call_computes_what_is_damaged_again(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 5, "b": 5})
    survey_of(paths, tmp_path / "out")
    whole = contents(tmp_path / "out")
    for name in ("vectors/3/mean/00001.parquet", "partial/pictures/00002.parquet", "classes.parquet"):
        flip(tmp_path / "out" / name)
        with pytest.warns(
            FeatureMapsWarning, match=f"first {name}: its content is not what was written.; what they held"
        ):
            survey_of(paths, tmp_path / "out")
        assert contents(tmp_path / "out") == whole


def stopped(dataset: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A survey that ends after its second shard of three."""

    def stop(job: Any, best_so_far: Any) -> None:
        manifest = job.store.manifest
        job.store.manifest = manifest.__class__(**{**vars(manifest), "shards": manifest.shards[:2]})
        job.store._save()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("featuremaps.survey.run.complete", stop)
        with pytest.raises(KeyboardInterrupt):
            survey_of(dataset, out)


def replace_keeping_size(path: Path) -> None:
    """Another picture in place of one, of the same size and time."""
    times, size = path.stat(), path.stat().st_size
    Image.new("RGB", (16, 16), (9, 9, 9)).save(path)
    path.write_bytes(path.read_bytes().ljust(size, b" "))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_a_picture_replaced_between_stop_and_resume_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 5, "b": 5})
    stopped(paths, tmp_path / "out", monkeypatch)
    before = paths[1].read_bytes()
    replace_keeping_size(paths[1])
    told = (
        r"holds the beginning of a survey of other pictures: 1 were replaced .*first .*1.png\). Put back .*or make the"
    )
    with pytest.raises(SurveyError, match=told):
        survey_of(paths, tmp_path / "out")
    paths[1].write_bytes(before)
    survey = survey_of(paths, tmp_path / "out")
    survey_of(paths, tmp_path / "whole")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    replace_keeping_size(paths[3])  # a finished survey shows nothing that it was not made of
    with pytest.raises(ImageError, match="a/3.png was replaced since it was surveyed"):
        open_survey(survey.path).picture(3)
    with pytest.raises(ImageError, match="3.png was replaced since it was surveyed"):
        open_survey(survey.path, paths).picture(3)
    assert open_survey(survey.path).picture(2).size == (16, 16)


def test_values_in_memory_that_changed_are_another_survey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [(torch.full((3, 16, 16), number / 10), number % 2) for number in range(10)]
    stopped(values, tmp_path / "out", monkeypatch)
    changed = [(values[0][0] + 0.01, 0), *values[1:]]
    with pytest.raises(SurveyError, match="the list of pictures, their labels or sizes"):
        survey_of(changed, tmp_path / "out")


def test_resume_false_begins_again_and_only_when_all_else_is_right(tmp_path: Path) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 5})
    survey_of(paths, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(LookupError):
        survey_of(paths, tmp_path / "out", "nine", resume=False)
    assert contents(tmp_path / "out") == before
    assert list(survey_of(paths, tmp_path / "out", "3", keep=2, resume=False).layers) == ["3"]
    survey_of(paths, tmp_path / "whole", "3", keep=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


class Killed:
    """A dataset whose worker process dies at a picture; `driver` is the process it spares."""

    def __init__(self) -> None:
        self.driver = os.getpid()

    def __len__(self) -> int:
        return 6

    def __getitem__(self, number: int) -> torch.Tensor:
        if number == 5 and os.getpid() != self.driver:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.full((3, 16, 16), number / 10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_killed_worker_says_that_the_same_call_goes_on(tmp_path: Path) -> None:
    told = "was killed, often because memory ran out .*Finished shards are kept: make the same call again, with fewer"
    with pytest.raises(SurveyError, match=told):
        survey_of(Killed(), tmp_path / "out", "3", small_model(), workers=1)
    assert len(survey_of(Killed(), tmp_path / "out", "3", small_model()).pictures) == 6


def test_the_command_line_verifies(tmp_path: Path) -> None:
    survey = two_shards()
    done = CliRunner().invoke(app, ["verify", str(survey.path)])
    assert (
        done.output
        == f"All {len(survey.manifest.files)} files of the survey in {survey.path} are as they were written.\n"
    )
    flip(survey.path / "top.parquet")
    assert isinstance(CliRunner().invoke(app, ["verify", str(survey.path)]).exception, SurveyError)
