"""Files are as they were written, or it is said in what they differ."""

import hashlib
from pathlib import Path

import pytest

from featuremaps.errors import SurveyError
from featuremaps.survey.storage.integrity import check_files, flaw, flaws
from featuremaps.survey.storage.manifest import WrittenFile

CONTENT = {"a": b"first", "sub/b": b"second", "c": b"third"}


@pytest.fixture
def written(tmp_path: Path) -> dict[str, WrittenFile]:
    """Three files, and what is known of them."""
    for name, content in CONTENT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return {name: WrittenFile(hashlib.sha256(content).hexdigest(), len(content)) for name, content in CONTENT.items()}


def test_files_as_they_were_written_have_no_flaw(tmp_path: Path, written: dict[str, WrittenFile]) -> None:
    check_files(tmp_path, written)
    assert flaws(tmp_path, written) == {}
    assert flaws(tmp_path, {}) == {}


def test_a_flipped_bit_shows_in_the_content_alone(tmp_path: Path, written: dict[str, WrittenFile]) -> None:
    (tmp_path / "sub/b").write_bytes(b"sfcond")
    assert flaw(tmp_path / "sub/b", written["sub/b"], content=False) is None
    assert flaw(tmp_path / "sub/b", written["sub/b"]) == "its content is not what was written"


def test_every_flaw_is_said_in_the_order_of_the_files(tmp_path: Path, written: dict[str, WrittenFile]) -> None:
    (tmp_path / "a").unlink()
    (tmp_path / "sub/b").write_bytes(b"longer than before")
    (tmp_path / "c").unlink()
    (tmp_path / "c").mkdir()
    found = flaws(tmp_path, written, content=False)
    assert list(found) == ["a", "sub/b", "c"]
    assert found["a"] == "it is gone"
    assert found["sub/b"] == "it has 18 bytes, and 6 were written"
    with pytest.raises(SurveyError, match=r"3 of its 3 files .*a: it is gone; .* Make the same survey again"):
        check_files(tmp_path, written)
