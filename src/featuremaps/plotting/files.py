"""Files of pictures and numbers, and figures as PNG."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.plotting.figure_types import Figure
from featuremaps.plotting.file_names import file_name, is_picture_file
from featuremaps.plotting.written_files import WrittenFiles

LABEL = "label"
"""The keyword of a PNG's text chunk that says what was explained."""
QUICK = 4
"""How hard a PNG is packed: beside the usual 6 a figure takes four fifths of the time, and is 3% larger."""


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


def folder_for(path: str | Path, count: int, what: str) -> Path:
    """The path of a folder for so many results; `OptionError` where it is one file and they are several."""
    if count > 1 and is_picture_file(path):
        raise OptionError(
            f"{path} is one file, and there are {count} {what} to save. Give a folder, or save one of them."
        )
    return Path(path)


def write_files(folder: str | Path, contents: Iterable[tuple[str, Image.Image | Tensor | bytes]]) -> WrittenFiles:
    """Write pictures (or the bytes of a PNG) and tensors (`.npy`, float32) by their names into a folder, which is made.

    Where `folder` is a picture's file, such as "cat.png", the first picture is written there and the rest beside it.
    Returns the files written; `OptionError` for one file and pictures of several names.
    """
    folder, suffix, every = Path(folder), ".png", contents
    if is_picture_file(folder):
        every = list(contents)
        if not every:
            return WrittenFiles()
        base = next(stem for stem, content in every if not isinstance(content, Tensor))
        other = [stem for stem, content in every if not isinstance(content, Tensor) and not stem.startswith(base)]
        folder_for(folder, len({base, *other}), "pictures")
        suffix, parts = folder.suffix, [stem.removeprefix(base) if stem.startswith(base) else "" for stem, _ in every]
        every = [(folder.stem + part, content) for part, (_, content) in zip(parts, every, strict=True)]
        folder = folder.parent
    folder.mkdir(parents=True, exist_ok=True)
    return WrittenFiles(_write(folder / stem, suffix, content) for stem, content in every)


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
        content.save(path, pnginfo=told, compress_level=QUICK)
    return path


def png_of(figure: Figure) -> bytes:
    """A figure as PNG, for notebooks."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight", pil_kwargs={"compress_level": QUICK})
    return buffer.getvalue()
