"""Names of files that are written, files of pictures and numbers, and figures as PNG."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from featuremaps.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


LONGEST = 180
"""Bytes of a name; file systems take 255, and endings and labels are added."""
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")
LABEL = "label"
"""The keyword of a PNG's text chunk that says what was explained."""


def file_name(*parts: str) -> str:
    """A file name made of parts, safe on any system; long parts are cut, with a digest of the whole in their place."""
    kept = list(parts)
    for _ in parts:
        excess = len("__".join(kept).encode()) - LONGEST
        longest = max(range(len(kept)), key=lambda i: len(kept[i].encode()))
        kept[longest] = _shortened(kept[longest], excess)
    name = "".join(char if char.isalnum() or char in "-_.+ " else "-" for char in "__".join(kept))
    return name.strip(". ") or "picture"


def _shortened(text: str, excess: int) -> str:
    """A text by so many bytes shorter, yet of 24 or more; a digest sets it apart from others that begin alike."""
    whole = text.encode()
    room = max(24, len(whole) - excess)
    if excess <= 0 or room >= len(whole):
        return text
    return f"{whole[: room - 9].decode(errors='ignore')}-{sha256(whole).hexdigest()[:8]}"


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


def labelled_stems(folder: str | Path, stems: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The stems, with its label added to each whose file there is of another label."""
    places = [Path(folder) / f"{stem}.png" for stem in stems]
    taken = [place.is_file() and _label_in(place) != label for place, label in zip(places, labels, strict=True)]
    return [file_name(stem, label) if other else stem for stem, label, other in zip(stems, labels, taken, strict=True)]


def _label_in(path: Path) -> str | None:
    try:
        with Image.open(path) as image:
            return image.info.get(LABEL)
    except OSError:
        return None


def is_picture_file(path: str | Path) -> bool:
    """Whether a path is meant as one picture's file, not as a folder."""
    return Path(path).suffix.lower() in PICTURE_SUFFIXES and not Path(path).is_dir()


def folder_for(path: str | Path, count: int, what: str) -> Path:
    """The path of a folder for so many results; `OptionError` where it is one file and they are several."""
    if count > 1 and is_picture_file(path):
        raise OptionError(
            f"{path} is one file, and there are {count} {what} to save. Give a folder, or save one of them."
        )
    return Path(path)


def write_files(folder: str | Path, contents: Iterable[tuple[str, Image.Image | Tensor | bytes]]) -> list[Path]:
    """Write pictures (or the bytes of a PNG) and tensors (`.npy`, float32) by their names into a folder, which is made.

    Where `folder` is a picture's file, such as "cat.png", the first picture is written there and the rest beside it.
    Returns the files written; `OptionError` for one file and pictures of several names.
    """
    folder, suffix, every = Path(folder), ".png", contents
    if is_picture_file(folder):
        every = list(contents)
        base = next(stem for stem, content in every if not isinstance(content, Tensor))
        other = [stem for stem, content in every if not isinstance(content, Tensor) and not stem.startswith(base)]
        folder_for(folder, len({base, *other}), "pictures")
        suffix, parts = folder.suffix, [stem.removeprefix(base) if stem.startswith(base) else "" for stem, _ in every]
        every = [(folder.stem + part, content) for part, (_, content) in zip(parts, every, strict=True)]
        folder = folder.parent
    folder.mkdir(parents=True, exist_ok=True)
    return [_write(folder / stem, suffix, content) for stem, content in every]


def _write(place: Path, suffix: str, content: Image.Image | Tensor | bytes) -> Path:
    path = place.with_name(place.name + (".npy" if isinstance(content, Tensor) else suffix))
    if isinstance(content, Tensor):
        np.save(path, content.detach().float().cpu().numpy())
    elif isinstance(content, bytes) and suffix == ".png":
        path.write_bytes(content)
    elif isinstance(content, bytes):
        Image.open(BytesIO(content)).convert("RGB").save(path)
    else:
        told = PngInfo()
        if LABEL in content.info:
            told.add_itxt(LABEL, content.info[LABEL])
        content.save(path, pnginfo=told)
    return path


def png_of(figure: "Figure") -> bytes:
    """A figure as PNG, for notebooks."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return buffer.getvalue()
