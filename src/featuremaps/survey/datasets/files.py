"""Datasets that are files: an image folder, a glob, a list of paths with or without labels."""

import glob
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from featuremaps.errors import ImageError, SurveyError
from featuremaps.pictures.coco import annotated_pictures
from featuremaps.pictures.decode import SUFFIXES, decoded
from featuremaps.pictures.folders import files_below
from featuremaps.pictures.load import Picture
from featuremaps.survey.datasets.examples import Example, digest, numbered, numbered_sets


@dataclass(frozen=True, eq=False)
class Files:
    """Files with the names they are shown under and their labels."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]
    labels: Sequence[int | None]
    classes: tuple[str, ...] | None
    threads: bool = True
    sets: Sequence[tuple[int, ...] | None] | None = None
    """The classes of each, where a picture may have several."""

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> Example:
        return Example(number, self.names[number], self.paths[number], self.labels[number])

    def read(self, number: int) -> Picture:
        """The picture in the file."""
        path = self.paths[number]
        several = None if self.sets is None else self.sets[number]
        return Picture(self.names[number], kept=decoded(path), path=path, label=self.labels[number], labels=several)

    def sha256(self, number: int) -> str | None:
        """Of the file's content; None where that cannot be read."""
        path = self.paths[number]
        with suppress(OSError):
            return sha256_of(path) if path.is_file() else None
        return None

    def identity(self) -> str:
        """Names, labels and sizes, not the place: a folder may move, and another folder of the same names is seen."""
        sizes = map(_size, self.paths)
        labels = self.labels if self.sets is None else self.sets
        return digest(f"{name}|{label}|{size}" for name, label, size in zip(self.names, labels, sizes, strict=True))


def folder(path: Path, classes: Sequence[str] | None = None) -> Files:
    """Every picture below a folder; the first folder on the way to it is its class, as in torchvision's ImageFolder.

    Pictures directly in the folder have no label. Classes are in alphabetical order, or as given.
    """
    listing = files_below(path)
    if not listing.files and not listing.denied:
        raise SurveyError(
            f"{path}: there is no picture in this folder or below it ({listing.others} other files). Give a folder "
            "of pictures, or one with a folder of pictures for each class."
        )
    files = [*listing.files, *(place for place, _ in listing.denied)]
    parts = [file.relative_to(path).parts for file in files]
    labels, names = numbered([part[0] if len(part) > 1 else None for part in parts], classes)
    return Files(tuple(file.absolute() for file in files), tuple("/".join(part) for part in parts), labels, names)


def matching(pattern: str) -> Files:
    """The picture files that a glob matches."""
    found = sorted(Path(match) for match in glob.glob(pattern, recursive=True))  # noqa: PTH207
    files = [path for path in found if path.suffix.lower() in SUFFIXES]
    if not files:
        raise SurveyError(f"{pattern}: this pattern matches no picture. Put it in quotes, and check the folder.")
    return listed([(path, None) for path in files])


def annotated(path: Path, classes: Sequence[str] | None = None, several: bool = False) -> Files:
    """The pictures of a file of COCO's annotations; with `several` the classes of the things in each are its labels."""
    try:
        pictures, names = annotated_pictures(path)
    except ImageError as error:
        raise SurveyError(str(error)) from error
    pairs = [(each.path, list(dict.fromkeys(each.labels)) if several else None) for each in pictures]
    return listed(pairs, classes or (names if several else None), several)


def listed(
    pairs: Sequence[tuple[str | Path, object]], classes: Sequence[str] | None = None, several: bool = False
) -> Files:
    """Paths with their labels (a number, a class name, or None); `several` of them, see `label_sets`."""
    given, sets = [label for _, label in pairs], None
    labels: Sequence[int | None] = [None] * len(pairs)
    if several:
        sets, names = numbered_sets(given, classes)
    else:
        labels, names = numbered(given, classes)
    paths = tuple(Path(path).expanduser().absolute() for path, _ in pairs)
    shown = tuple(path.name for path in paths)
    if len(set(shown)) < len(shown):  # "a/1.jpg" and "b/1.jpg" must be told apart
        shown = tuple(Path(path).as_posix() for path, _ in pairs)
    return Files(paths, shown, labels, names, sets=sets)


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content; `OSError` where it cannot be read."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
