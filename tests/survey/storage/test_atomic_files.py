"""A file is there whole or not at all, and a survey's folder holds nothing of others that a survey would overwrite."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from survey_samples import contents
from tiny_surveys import made_up

from featuremaps.errors import FeatureMapsWarning, SurveyError
from featuremaps.survey.storage.atomic_files import Store, alone_in, atomically
from featuremaps.survey.storage.manifest import read_manifest


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a"
    written = atomically(path, lambda stream: stream.write(b"first"))
    assert (written.sha256, written.bytes) == (hashlib.sha256(b"first").hexdigest(), 5)

    def stops(stream) -> None:
        stream.write(b"sec")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomically(path, stops)
    assert contents(tmp_path) == {"deep/a": b"first"}
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        SurveyError, match="a: it cannot be written .*What is finished is kept. Put that right and make"
    ):
        atomically(tmp_path / "file" / "a", lambda stream: stream.write(b""))


def test_several_files_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path, made_up([[0.0]], [0]).manifest)
    files = {f"{number}/x": (lambda stream, number=number: stream.write(bytes(number))) for number in range(9)}
    written = store.write_all(files)
    assert {name: file.bytes for name, file in written.items()} == {f"{number}/x": number for number in range(9)}
    assert contents(tmp_path) == {f"{number}/x": bytes(number) for number in range(9)}


def test_a_folder_is_one_processs_at_a_time(tmp_path: Path) -> None:
    with alone_in(tmp_path / "new"), pytest.raises(SurveyError, match="new is being written by another"):
        alone_in(tmp_path / "new").__enter__()
    assert not (tmp_path / "new").exists()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / ".lock").write_text("4711")
    with alone_in(tmp_path / "theirs"):
        pass
    assert contents(tmp_path / "theirs") == {".lock": b"4711"}


@pytest.mark.parametrize(
    "name",
    [
        "pictures.parquet",
        "top.parquet",
        "vectors/3/mean/00000.parquet",
        "predictions/00001.parquet",
        "partial/top/00000.parquet",
    ],
)
@pytest.mark.parametrize("fresh", [False, True])
def test_a_new_survey_overwrites_no_file_of_others(tmp_path: Path, name: str, fresh: bool) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"theirs")
    store = Store(tmp_path, replace(made_up([[0.0]], [0]).manifest, shards=(), tables={}, complete=False))
    with pytest.raises(
        SurveyError, match=f"{name} is in the way: a survey would overwrite it, and no manifest.json says"
    ):
        store.begin(fresh=fresh)
    assert contents(tmp_path) == {name: b"theirs"}
    (tmp_path / name).rename(tmp_path / "theirs.parquet")
    store.begin(fresh=fresh)
    assert read_manifest(tmp_path) == store.manifest


def test_what_is_not_as_written_is_forgotten_with_its_shard(tmp_path: Path) -> None:
    survey = made_up([[0.0], [1.0], [2.0]], [0, 0, 0], shard_size=1)
    flipped = survey.path / "partial/counts/00001.parquet"
    flipped.write_bytes(bytes(byte ^ 1 for byte in flipped.read_bytes()))
    store = Store(survey.path, survey.manifest)
    with pytest.warns(
        FeatureMapsWarning, match="1 files of .* partial/counts/00001.parquet: its content is not what was"
    ):
        store.begin()
    assert ([shard.number for shard in store.manifest.shards], store.manifest.complete) == ([0, 2], False)
    assert read_manifest(survey.path) == store.manifest
    survey = made_up([[0.0]], [0])
    (survey.path / "top.parquet").write_bytes(b"")
    store = Store(survey.path, survey.manifest)
    with pytest.warns(FeatureMapsWarning, match="top.parquet: it has 0 bytes, and"):
        store.begin()
    assert (store.manifest.missing(), store.manifest.complete) == ([], False)
