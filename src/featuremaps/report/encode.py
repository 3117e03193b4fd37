"""Pictures and maps as text: data URIs and quantised integers, so that a whole report fits into one small file."""

import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import features
from PIL.Image import Image, Resampling
from torch import Tensor

from featuremaps.errors import OptionError

Json = dict[str, Any]
FINE_CELLS = 64 * 64
"""Maps of up to this many cells travel as 16-bit integers, larger ones as 8-bit."""


def quantise(values: Float[Tensor, "height width"]) -> Json:
    """A map as little-endian integers in base64: `value = integer * scale`, so zero stays exactly zero.

    The error is at most half a step: its peak / 65,534 or finer up to 64 × 64 cells, peak / 254 above. `missing` is the
    integer that stands for a value that is not finite; None where all are finite.
    """
    array = values.detach().cpu().double().numpy()
    finite = np.isfinite(array)
    whole = bool(finite.all())
    signed = not whole or bool((array < 0).any())
    bits = 16 if array.size <= FINE_CELLS else 8
    limit = 2 ** (bits - signed) - 1
    peak = float(np.abs(array, where=finite, out=np.zeros_like(array)).max())
    scale = peak / limit if peak / limit > 0 else 1.0
    steps = np.rint(np.where(finite, array, 0.0) / scale)
    # A signed type reaches one step further down than up, and the symmetric range leaves that one free.
    missing = None if whole else -limit - 1
    integers = np.where(finite, steps, 0 if missing is None else missing)
    kind = f"{'i' if signed else 'u'}{bits // 8}"
    return {
        "dtype": f"{'int' if signed else 'uint'}{bits}",
        "height": array.shape[0],
        "width": array.shape[1],
        "scale": scale,
        "missing": missing,
        "integers": b64encode(integers.astype(f"<{kind}").tobytes()).decode("ascii"),
    }


def rounded(value: float | None) -> float | None:
    """A number with six significant digits, as it travels in a report; None where it is not finite."""
    return float(f"{value:.6g}") if value is not None and math.isfinite(value) else None


def png_uri(image: Image) -> str:
    """The picture as a PNG in a `data:` URI, every pixel as it is."""
    file = BytesIO()
    image.save(file, "png", optimize=True)
    return f"data:image/png;base64,{b64encode(file.getvalue()).decode('ascii')}"


def picture_uri(image: Image, longest: int = 1024, quality: int | None = None) -> str:
    """The picture as a `data:` URI: WebP, or JPEG where Pillow lacks WebP; shrunk to `longest` pixels a side."""
    kind, content = picture_file(image, longest, quality)
    return f"data:image/{kind};base64,{b64encode(content).decode('ascii')}"


def picture_file(image: Image, longest: int = 1024, quality: int | None = None) -> tuple[str, bytes]:
    """The same as the bytes of a file, with its kind: "webp" or "jpeg"."""
    image = image.convert("RGB")
    if max(image.size) > longest:
        ratio = longest / max(image.size)
        size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        image = image.resize(size, Resampling.LANCZOS)
    kind = "webp" if features.check("webp") else "jpeg"
    # Small pictures are looked at magnified, where compression shows first; they cost little either way.
    quality = quality or (95 if max(image.size) <= 256 else 88)
    file = BytesIO()
    image.save(file, kind, quality=quality)
    return kind, file.getvalue()


def picture_json(image: Image, longest: int = 1024, quality: int | None = None) -> Json:
    """The picture as a data URI with the size that it has on its own."""
    return {"source": picture_uri(image, longest, quality), "width": image.width, "height": image.height}


def plain(value: Any, picture: Callable[[Image], Json] = picture_json) -> Any:
    """A value in JSON's own types: a dataclass by its fields, or as its own `to_json` says; maps quantised.

    Numbers have six digits, null stands for those that are not finite. `picture` encodes the pictures.
    """
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, Image):
        return picture(value)
    if isinstance(value, Tensor):
        return quantise(value)
    if isinstance(value, Mapping):
        return plain_fields(value, picture)
    if isinstance(value, list | tuple):
        return [plain(part, picture) for part in value]
    return value.to_json() if hasattr(value, "to_json") else plain_fields(vars(value), picture)


def plain_fields(values: Mapping[Any, Any], picture: Callable[[Image], Json] = picture_json) -> Json:
    """The same of every value in a mapping."""
    return {name: plain(value, picture) for name, value in values.items()}


def alone(part: object, encode: Callable[[Any], Json] = plain) -> Json:
    """What `encode` makes of a dataclass; where it fails, its words and numbers and the reason: only it is missing."""
    try:
        return encode(part)
    except Exception as error:
        known = {name: value if isinstance(value, str | int | float) else None for name, value in vars(part).items()}
        return known | {"failure": f"{type(error).__name__}: {error}"}


def check_either(where: str, what: str, content: object, failure: str | None) -> None:
    """Raises `OptionError` unless a part of a report has either its content, not empty, or a failure."""
    if (content is None) == (failure is None):
        given = "neither" if content is None else "both"
        raise OptionError(f"{where}: give either {what} or a failure; {given} given.")
    if isinstance(content, Tensor) and content.numel() == 0:
        raise OptionError(f"{where}: {what} is empty, shape {tuple(content.shape)}. Give a failure instead.")
