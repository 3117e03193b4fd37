"""What a pass goes through: an ordered, indexable list of examples, whatever the dataset is made of."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from featuremaps.errors import ImageError, SurveyError, did_you_mean
from featuremaps.pictures.label_sets import label_set, separator_in
from featuremaps.pictures.labels import Label, label_of
from featuremaps.pictures.load import Picture

MOST_CLASSES = 100_000
MIXED = "some labels are numbers and some are text; make them one or the other, or give labels=[…]."


@dataclass(frozen=True)
class Example:
    """One picture of a dataset before it is read; `label` is None also where only reading it would tell."""

    number: int
    name: str
    path: Path | None = None
    label: int | None = None


@runtime_checkable
class Examples(Protocol):
    """A dataset as a survey goes through it.

    `classes` are the label names in order, where the dataset knows them. `threads` says that pictures may be read
    by several threads at once, which the code of a user's own dataset may not bear.
    """

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The label names in order."""

    @property
    def threads(self) -> bool:
        """Whether several threads may read at once."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int) -> Example: ...
    def read(self, number: int) -> Picture:
        """The picture, with its label; an `ImageError` gives the reason only."""

    def sha256(self, number: int) -> str | None:
        """Of the picture's file; None where it cannot be read, or has none."""

    def identity(self) -> str:
        """A text that changes when the list of pictures does."""


def digest(parts: Iterable[object]) -> str:
    """The sha256 of texts, in order."""
    found = hashlib.sha256()
    for part in parts:
        found.update(str(part).encode("utf-8", "surrogateescape") + b"\0")
    return found.hexdigest()


def numbered(
    labels: Sequence[object], classes: Sequence[str] | None
) -> tuple[list[int | None], tuple[str, ...] | None]:
    """Labels as numbers, and the names they stand for: `classes`, or those of text labels in alphabetical order.

    Raises `SurveyError` for labels that are neither whole numbers nor text, or names that are there twice.
    """
    twice = [name for name, count in Counter(classes or ()).items() if count > 1]
    if twice:
        raise SurveyError(f"labels=[…] names {twice[0]!r} twice; each class has a name of its own.")
    whole = [_understood(number, label) for number, label in enumerate(labels)]
    named = sorted({label for label in whole if isinstance(label, str)})
    names = tuple(classes) if classes is not None else tuple(named) if named else None
    if named and classes is None and any(isinstance(label, int) for label in whole):
        raise SurveyError(MIXED)
    places = None if names is None else {name: number for number, name in enumerate(names)}
    try:
        return [label_number(label, names, places) for label in whole], names
    except ImageError as error:
        raise SurveyError(f"the dataset has a label that does not fit: {error}") from error


def numbered_sets(
    labels: Sequence[object], classes: Sequence[str] | None
) -> tuple[list[tuple[int, ...] | None], tuple[str, ...] | None]:
    """The same where each picture may have several labels: of each the numbers of its classes, None without any."""
    _, names = numbered([], classes)
    separator = separator_in(labels)
    sets = [_set_of(number, label, names, separator) for number, label in enumerate(labels)]
    every = [label for own in sets for label in own or ()]
    numbers, names = numbered(every, names)
    known = dict(zip(every, numbers, strict=True))
    chosen = [
        None if own is None else {number for label in own if (number := known[label]) is not None} for own in sets
    ]
    return [None if own is None else tuple(sorted(own)) for own in chosen], names


def label_numbers(labels: tuple[int | str, ...] | None, classes: tuple[str, ...] | None) -> tuple[int, ...] | None:
    """Labels as numbers in order; an `ImageError` gives the reason where one is none of the classes."""
    if labels is None:
        return None
    return tuple(sorted({number for label in labels if (number := label_number(label, classes)) is not None}))


def _set_of(
    number: int, label: object, classes: tuple[str, ...] | None, separator: str | None
) -> tuple[int | str, ...] | None:
    try:
        return label_set(label, classes, separator)
    except ImageError as error:
        raise SurveyError(f"picture {number} (counted from 0) has a label that does not fit: {error}") from error


def _understood(number: int, label: object) -> Label:
    try:
        return label_of(label)
    except ImageError as error:
        raise SurveyError(f"picture {number} (counted from 0) has a label that does not fit: {error}") from error


WHOLE = re.compile(r"(?:0|-?[1-9][0-9]*)(?:\.0+)?")
"""Not 007 or 1_0, which are names."""


def cells_as_labels(cells: Sequence[object]) -> list[object]:
    """Texts of a table or of files: all of them numbers if they are whole ("1.0" too), else names as they stand.

    An empty text is no label; what is no text stays as it is.
    """
    texts = [cell.strip() or None if isinstance(cell, str) else cell for cell in cells]
    if all(WHOLE.fullmatch(text) for text in texts if isinstance(text, str)):
        return [int(text.partition(".")[0]) if isinstance(text, str) else text for text in texts]
    return texts


def label_number(label: Label, classes: tuple[str, ...] | None, places: dict[str, int] | None = None) -> int | None:
    """A label as its number; an `ImageError` gives the reason where it is not one of the classes."""
    if isinstance(label, str):
        known = (places or {name: number for number, name in enumerate(classes or ())}).get(label)
        if known is not None:
            return known
        hint = did_you_mean(label, classes) if classes else " Give the names of the labels in order: labels=[…]."
        raise ImageError(f"its label {label!r} is not among the classes.{hint}")
    most = MOST_CLASSES if classes is None else len(classes)
    if label is not None and not 0 <= label < most:
        what = f"the {most} classes are numbered" if classes is not None else "labels are numbered"
        raise ImageError(f"its label is {label}, and {what} from 0 to {most - 1}.")
    return None if label is None else int(label)
