"""Words and numbers that belong together: read as they were written, and refused where they are damaged or newer."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from featuremaps.errors import SurveyError
from featuremaps.survey.storage.json_and_safetensors import SCHEMA, read_numbers, read_words, write

NUMBERS = {"weights": torch.arange(6.0).reshape(2, 3).T, "channels": torch.tensor([3, 1])}


def test_read_as_written(tmp_path: Path) -> None:
    folder = write(tmp_path / "new" / "folder", "detector", {"layer": "conv", "name": "Katze é"}, NUMBERS)
    words, numbers = read_words(folder, "detector"), read_numbers(folder, "detector")
    assert (words["layer"], words["name"], words["schema"]) == ("conv", "Katze é", SCHEMA)
    assert set(numbers) == set(NUMBERS)
    assert all(torch.equal(numbers[name], tensor) for name, tensor in NUMBERS.items())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds no detector"),
        ("{", "is damaged"),
        ("[]", "does not describe a detector"),
        ('{"schema": "1"}', "does not describe a detector"),
        (json.dumps({"schema": SCHEMA + 1, "featuremaps": "9.9"}), "written by featuremaps 9.9 .* Update featuremaps"),
    ],
)
def test_words_that_are_none(tmp_path: Path, text: Any, message: str) -> None:
    write(tmp_path, "detector", {}, NUMBERS)
    file = tmp_path / "detector.json"
    file.unlink() if text is None else file.write_text(text)
    with pytest.raises(SurveyError, match=message):
        read_words(tmp_path, "detector")


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_numbers_that_are_none(tmp_path: Path, content: bytes | None) -> None:
    write(tmp_path, "concept", {}, NUMBERS)
    file = tmp_path / "concept.safetensors"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(SurveyError, match="holds no whole concept"):
        read_numbers(tmp_path, "concept")
