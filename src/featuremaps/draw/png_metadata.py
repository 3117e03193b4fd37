"""How a drawing was made, as plain JSON: kept inside its PNG, so that a picture found later says where it came from."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib.metadata import version
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from featuremaps.errors import ImageError, OptionError

CHUNK = "featuremaps"
"""The keyword of the PNG's text chunk."""


def plain(value: object, where: str = "settings") -> Any:
    """A value as JSON has it: tensors and tuples as lists, paths as text, a dataclass as its fields and their `kind`.

    NaN and infinity, which JSON lacks, become text. Raises `OptionError` for what cannot be kept.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(float(value))
    if isinstance(value, Tensor | np.ndarray | np.generic):
        return plain(value.tolist(), where)
    if isinstance(value, PurePath | torch.dtype | torch.device):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner, f"{where}[{i}]") for i, inner in enumerate(value)]
    if is_dataclass(value) and not isinstance(value, type):
        inside = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
        return {"kind": type(value).__name__, **plain(inside, where)}
    raise OptionError(
        f"{where} is a {type(value).__name__}, which cannot be written into a picture's file. Use numbers, texts, "
        "lists, dicts, tensors or dataclasses of these."
    )


def write_png(image: Image.Image, path: Path, told: Mapping[str, object]) -> None:
    """Save a picture with what is told about it as JSON in a text chunk."""
    chunk = PngInfo()
    whole = {"made_with": f"featuremaps {version('featuremaps')}", **plain(told)}
    chunk.add_text(CHUNK, json.dumps(whole, allow_nan=False))
    image.save(path, "PNG", pnginfo=chunk)


def read_png(path: str | Path) -> dict[str, Any]:
    """What `write_png` told; `ImageError` for a file that cannot be read or that tells nothing."""
    try:
        with Image.open(path) as image:
            image.load()
            text = getattr(image, "text", {}).get(CHUNK)
    except (OSError, UnidentifiedImageError) as error:
        raise ImageError(f"{path}: the picture cannot be read ({error}).") from error
    if text is None:
        raise ImageError(
            f"{path}: no settings are kept in this file. Only PNGs saved by Drawing.save hold them, and programs that "
            "edit or convert pictures may drop them."
        )
    return json.loads(text)
