"""A manifest is read as it was written, or refused in one sentence that says what to do; others' files are left alone."""

import json
from pathlib import Path
from typing import Any

import pytest
from survey_samples import contents, survey_of, write_pictures
from tiny_surveys import made_up

from featuremaps.errors import SurveyError
from featuremaps.survey.storage.manifest import FinishedShard, Manifest, WrittenFile, read_manifest
from featuremaps.survey.survey import open_survey


def small() -> Manifest:
    """The manifest of a survey of two pictures, finished."""
    return made_up([[0.0], [1.0]], [0, 1], ("a", "b")).manifest


def written(folder: Path, change: Any = lambda facts: None) -> Path:
    """A folder with a small manifest, changed."""
    facts = json.loads(small().to_json())
    change(facts)
    (folder / "manifest.json").write_text(json.dumps(facts))
    return folder


def test_what_is_written_is_read_however_it_is_laid_out(tmp_path: Path) -> None:
    manifest = small()
    (tmp_path / "manifest.json").write_bytes(manifest.to_json())
    assert read_manifest(tmp_path) == manifest
    (tmp_path / "manifest.json").write_text(json.dumps(dict(reversed(json.loads(manifest.to_json()).items()))))
    assert read_manifest(tmp_path) == manifest


def test_shards_of_a_manifest() -> None:
    manifest = small()
    file = WrittenFile("0" * 64, 7)
    begun = Manifest(**{**vars(manifest), "pictures": 7, "shard_size": 3, "shards": (), "complete": False})
    assert (begun.count, begun.missing()) == (3, [0, 1, 2])
    assert [list(begun.numbers(shard)) for shard in range(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    gone_on = begun.with_shard(FinishedShard(2, 1, 0, {"b": file})).with_shard(FinishedShard(0, 3, 0, {"a": file}))
    assert ([shard.number for shard in gone_on.shards], gone_on.missing()) == ([0, 2], [1])
    assert gone_on.with_shard(FinishedShard(2, 0, 1, {})).shards[1].bad == 1
    assert set(gone_on.files) == {"a", "b", *manifest.tables}


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.pop("layers"),
        lambda facts: facts.update(pictures="two"),
        lambda facts: facts.update(pictures=3),
        lambda facts: facts["shards"][0].update(rows=1),
        lambda facts: facts["shards"].clear(),
        lambda facts: facts["classes"].reverse(),
        lambda facts: facts["tables"].update({"../elsewhere": facts["tables"]["top.parquet"]}),
        lambda facts: facts.update(more=1),
        lambda facts: facts.pop("sha256"),
        lambda facts: facts.update(schema="2"),
        lambda facts: facts.pop("schema"),
    ],
)
def test_an_edited_manifest_is_refused(tmp_path: Path, change: Any) -> None:
    told = (
        r"manifest.json is not as it was written, .*: put back a copy of it, or make the survey anew with resume=False"
    )
    with pytest.raises(SurveyError, match=told):
        read_manifest(written(tmp_path, change))


@pytest.mark.parametrize(
    "content", [b'{"name": "shop", "icons": []}', b"[1]", b"{", b"", b"\x80\x81", b'{"schema": 1}', b'{"layers": []}']
)
def test_a_manifest_of_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    paths = write_pictures(tmp_path / "pictures", {"a": 2})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "manifest.json").write_bytes(content)
    (tmp_path / "out" / "top.parquet").write_bytes(b"theirs")
    before = contents(tmp_path / "out")
    told = "is not the manifest of a survey, so something else keeps its files in this folder"
    for resume in (True, False):
        with pytest.raises(SurveyError, match=told):
            survey_of(paths, tmp_path / "out", resume=resume)
    with pytest.raises(SurveyError, match=told):
        open_survey(tmp_path / "out")
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("left", [0, 900])
def test_a_damaged_manifest_says_what_to_do_and_that_does_it(tmp_path: Path, left: int) -> None:
    paths, manifest = write_pictures(tmp_path / "pictures", {"a": 5}), tmp_path / "out" / "manifest.json"
    survey_of(paths, tmp_path / "out", shard=2)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    manifest.write_bytes(manifest.read_bytes()[:left])
    told = (
        r"manifest.json is damaged \(.*\): put back a copy of it, or make the survey anew with resume=False \(--fresh\)"
    )
    for refused in (lambda: open_survey(tmp_path / "out"), lambda: survey_of(paths, tmp_path / "out")):
        with pytest.raises(SurveyError, match=told):
            refused()
    survey_of(paths, tmp_path / "out", shard=4, resume=False)
    survey_of(paths, tmp_path / "whole", shard=4)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    (tmp_path / "out" / "notes.txt").unlink()
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")  # nothing is left of the third shard
