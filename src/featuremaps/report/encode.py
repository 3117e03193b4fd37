"""Pictures and maps as text: data URIs and quantised integers, so that a whole report fits into one small file."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from jaxtyping import Float
from PIL import features
from PIL.Image import Image, Resampling
from torch import Tensor

FINE_CELLS = 64 * 64
"""Maps of up to this many cells travel as 16-bit integers, larger ones as 8-bit."""


@dataclass(frozen=True)
class Quantised:
    """A map as little-endian integers in base64: `value = integer * scale`, so zero stays exactly zero.

    `missing` is the integer that stands for a value that is not finite; None where all are finite.
    """

    dtype: str
    height: int
    width: int
    scale: float
    missing: int | None
    integers: str

    def to_json(self) -> dict[str, object]:
        """The fields under their own names."""
        return dict(vars(self))


def quantise(values: Float[Tensor, "height width"]) -> Quantised:
    """A map with an error of at most half a step: its peak / 65,534 or finer up to 64 × 64 cells, peak / 254 above."""
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
    return Quantised(
        dtype=f"{'int' if signed else 'uint'}{bits}",
        height=array.shape[0],
        width=array.shape[1],
        scale=scale,
        missing=missing,
        integers=b64encode(integers.astype(f"<{kind}").tobytes()).decode("ascii"),
    )


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


def picture_json(image: Image, longest: int = 1024, quality: int | None = None) -> dict[str, object]:
    """The picture as a data URI with the size that it has on its own."""
    return {"source": picture_uri(image, longest, quality), "width": image.width, "height": image.height}


def alone(known: dict[str, object], encode: Callable[[], dict[str, object]]) -> dict[str, object]:
    """What `encode` gives; where it fails, what is `known` and the reason, so that only this part is missing."""
    try:
        return encode()
    except Exception as error:
        return known | {"failure": f"{type(error).__name__}: {error}"}
