"""Names of files that are written, files of pictures and numbers, and figures as PNG."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def file_name(*parts: str) -> str:
    """A file name made of parts, safe on any system."""
    kept = "__".join(parts)
    return "".join(char if char.isalnum() or char in "-_.+ " else "-" for char in kept).strip(". ") or "picture"


def unique_names(names: Sequence[str]) -> list[str]:
    """The names without their picture suffix, numbered where several are alike."""
    stems = [Path(name).stem or name for name in names]
    taken = {stem for stem in stems if stems.count(stem) == 1}
    result = []
    for stem in stems:
        numbered = (f"{stem}-{number}" for number in count(1))
        result.append(stem if stem in taken and stem not in result else next(n for n in numbered if n not in taken))
        taken.add(result[-1])
    return result


def write_files(folder: str | Path, contents: Iterable[tuple[str, Image.Image | Tensor | bytes]]) -> list[Path]:
    """Write pictures (or the bytes of a PNG) and tensors (`.npy`, float32) by their names into a folder, which is made.

    Returns the files written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for stem, content in contents:
        path = folder / f"{stem}{'.npy' if isinstance(content, Tensor) else '.png'}"
        if isinstance(content, Tensor):
            np.save(path, content.detach().float().cpu().numpy())
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content.save(path)
        written.append(path)
    return written


def png_of(figure: "Figure") -> bytes:
    """A figure as PNG, for notebooks."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return buffer.getvalue()
