"""The pictures' files below a folder, in the order in which a person would count them."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from featuremaps.errors import ImageError
from featuremaps.pictures.decode import SUFFIXES


@dataclass(frozen=True)
class Listing:
    """The pictures' files below a folder in natural order, folders that cannot be read, and how many other files."""

    files: tuple[Path, ...]
    denied: tuple[tuple[Path, str], ...]
    others: int


def files_below(folder: Path) -> Listing:
    """The files below a folder that are called like pictures; hidden ones are left out, links are followed."""
    files: list[Path] = []
    others = 0
    denied: list[OSError] = []
    visited: set[str] = set()
    for root, folders, names in os.walk(folder, onerror=denied.append, followlinks=True):
        real = os.path.realpath(root)
        if real in visited:  # a link may lead back to a folder above it
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        shown = [Path(root, name) for name in names if not name.startswith(".")]
        pictures = [path for path in shown if path.suffix.lower() in SUFFIXES]
        files += pictures
        others += len(shown) - len(pictures)
    return Listing(
        tuple(sorted(files, key=lambda file: natural(file.relative_to(folder)))),
        tuple((Path(error.filename), f"it cannot be opened ({error.strerror}).") for error in denied),
        others,
    )


def home(text: str) -> Path:
    """The path, `~` followed; `ImageError` where nobody is called so."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ImageError(f"{text}: {error}") from error


def is_folder(path: Path) -> bool:
    """Whether it is one; not where that cannot be looked at."""
    try:
        return path.is_dir()
    except OSError:
        return False


def natural(path: Path) -> list[list[str | int]]:
    """A key that sorts 2 before 10."""
    return [
        [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", part.casefold())]
        for part in path.parts
    ]
