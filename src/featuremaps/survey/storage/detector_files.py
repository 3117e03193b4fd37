"""Detectors on disk: the numbers as safetensors, everything a person wants to know beside them as JSON."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from featuremaps.errors import SurveyError

SCHEMA = 1
WORDS, NUMBERS = "detector.json", "detector.safetensors"


def write(folder: Path, words: Mapping[str, Any], numbers: Mapping[str, Tensor]) -> Path:
    """Write both files into a folder, which is made where it does not exist; returns the folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in numbers.items()}, folder / NUMBERS)
    said = {"schema": SCHEMA, "featuremaps": version("featuremaps"), **words}
    (folder / WORDS).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def read_words(folder: Path) -> dict[str, Any]:
    """What the JSON file says; `SurveyError` where it is missing, damaged or from a newer version."""
    try:
        words = json.loads((folder / WORDS).read_text(encoding="utf-8"))
    except OSError as error:
        raise SurveyError(
            f"{folder} holds no detector: {WORDS} cannot be read ({error.strerror}). Give the folder that "
            "detector.save() wrote."
        ) from error
    except ValueError as error:
        raise SurveyError(f"{folder / WORDS} is damaged ({error}). Save the detector again.") from error
    if not isinstance(words, dict) or not isinstance(words.get("schema"), int):
        raise SurveyError(f"{folder / WORDS} does not describe a detector: it names no schema. Save it again.")
    if words["schema"] > SCHEMA:
        raise SurveyError(
            f"{folder} was written by featuremaps {words.get('featuremaps', '?')} in schema {words['schema']}, and "
            f"this one reads up to {SCHEMA}. Update featuremaps."
        )
    return words


def read_numbers(folder: Path) -> dict[str, Tensor]:
    """The tensors; `SurveyError` where the file is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(folder / NUMBERS)
    except (OSError, SafetensorError) as error:
        raise SurveyError(
            f"{folder} holds no whole detector: {NUMBERS} cannot be read ({error}). Save the detector again."
        ) from error
