"""Detectors and concepts on disk: the numbers as safetensors, all that a person wants to know beside them as JSON."""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor

from featuremaps.errors import SurveyError

SCHEMA = 1


def write(folder: Path, kind: str, words: Mapping[str, Any], numbers: Mapping[str, Tensor]) -> Path:
    """Write both files, called after their `kind`, into a folder, which is made where it is not; returns the folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.detach().cpu().contiguous() for name, tensor in numbers.items()}, folder / f"{kind}.safetensors"
    )
    said = {"schema": SCHEMA, "featuremaps": version("featuremaps"), **words}
    (folder / f"{kind}.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return folder


def read_words(folder: Path, kind: str) -> dict[str, Any]:
    """What the JSON file says; `SurveyError` where it is missing, damaged or from a newer version."""
    try:
        words = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise SurveyError(
            f"{folder} holds no {kind}: {kind}.json cannot be read ({error.strerror}). Give the folder that "
            f"{kind}.save() wrote."
        ) from error
    except ValueError as error:
        raise SurveyError(f"{folder / kind}.json is damaged ({error}). Save the {kind} again.") from error
    if not isinstance(words, dict) or not isinstance(words.get("schema"), int):
        raise SurveyError(f"{folder / kind}.json does not describe a {kind}: it names no schema. Save it again.")
    if words["schema"] > SCHEMA:
        raise SurveyError(
            f"{folder} was written by featuremaps {words.get('featuremaps', '?')} in schema {words['schema']}, and "
            f"this one reads up to {SCHEMA}. Update featuremaps."
        )
    return words


def read_numbers(folder: Path, kind: str) -> dict[str, Tensor]:
    """The tensors; `SurveyError` where the file is missing or damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(folder / f"{kind}.safetensors")
    except (OSError, SafetensorError) as error:
        raise SurveyError(
            f"{folder} holds no whole {kind}: {kind}.safetensors cannot be read ({error}). Save the {kind} again."
        ) from error
