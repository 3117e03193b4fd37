"""Pictures of several labels: class numbers or names in whatever form they come, for data of `multi_label=True`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from featuremaps.errors import ImageError
from featuremaps.pictures.labels import LABEL_KEYS, label_of

SEPARATORS = ("|", ";", ",")
"""What stands between the names of one cell; of a column the first that is in it."""


def label_set(
    value: object, classes: Sequence[str] | None = None, separator: str | None = None
) -> tuple[int | str, ...] | None:
    """The labels of one picture, numbers or names; empty where it has none of the classes, None where it is unlabelled.

    Understood are a list of numbers or of names, an array or tensor with a 1 or 0 for each of the `classes`, a name, a
    text of names between which a `separator` stands, and a dict that holds one of these under a usual key. An
    `ImageError` says what anything else is, and what to give instead.
    """
    if isinstance(value, Mapping) and (key := next((key for key in LABEL_KEYS if key in value), None)) is not None:
        return label_set(value[key], classes, separator)
    if isinstance(value, str):
        return _named(value.strip(), classes, separator)
    alone = isinstance(value, Tensor | np.ndarray) and value.shape == (1,) and len(classes or ()) != 1
    if isinstance(value, Tensor | np.ndarray) and value.ndim > 0 and not alone:
        return indicated(np.asarray(value.tolist(), dtype=object), classes)
    if isinstance(value, list | tuple | set | frozenset):
        return _listed(list(value), classes)
    label = label_of(value)
    return None if label is None else (label,)


def indicated(values: Sequence[Any] | np.ndarray, classes: Sequence[str] | None) -> tuple[int, ...]:
    """The classes whose value is 1, of a 1 or 0 for each."""
    if classes is None:
        raise ImageError(
            f"its label is {len(values)} numbers, one for each class, and the classes have no names: give them in "
            "order, labels=[…] (labels=scope.classes where they are those of the model)."
        )
    if np.ndim(values) != 1 or len(values) != len(classes):
        raise ImageError(
            f"its label is numbers of shape {np.shape(values)}, and there are {len(classes)} classes: a 1 or 0 for "
            "each is understood; numbers of classes are given as a list."
        )
    for name, given in zip(classes, values, strict=True):
        if not isinstance(given, int | float) or given not in (0, 1):
            raise ImageError(
                f"its label for {name!r} is {given}, and 1 says that the class is there, 0 that it is not. Decide what "
                "uncertain and missing ones count as, or leave the picture's label out (None)."
            )
    return tuple(number for number, given in enumerate(values) if given == 1)


def separator_in(cells: Sequence[object]) -> str | None:
    """What stands between the names in a column of texts."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    return next((sign for sign in SEPARATORS if any(sign in text for text in texts)), None)


def _named(text: str, classes: Sequence[str] | None, separator: str | None) -> tuple[str, ...] | None:
    if not text or text in (classes or ()):
        return (text,) if text else None
    separator = separator or separator_in([text])
    parts = [part.strip() for part in (text.split(separator) if separator else [text])]
    return tuple(dict.fromkeys(part for part in parts if part))


def _is_missing(value: object, named: bool) -> bool:
    """Whether a value among labels is none; of numbers for each class NaN is said with the class that it is of."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (named and isinstance(value, float) and value != value)


def _listed(values: list[Any], classes: Sequence[str] | None) -> tuple[int | str, ...]:
    named = any(isinstance(value, str) for value in values)
    if missing := [value for value in values if _is_missing(value, named)]:
        raise ImageError(
            f"among its labels is {missing[0]!r}, which is no class. Leave it out of the list; where a picture's "
            "labels are not known give None in place of the list."
        )
    if all(isinstance(value, str) for value in values):
        return tuple(dict.fromkeys(value.strip() for value in values))
    numbers = [
        value.item() if isinstance(value, Tensor | np.generic) and value.ndim == 0 else value for value in values
    ]
    ones = len(values) == len(classes or ()) and all(isinstance(n, int | float) and n in (0, 1) for n in numbers)
    if ones and len(set(numbers)) == len(numbers) and all(type(number) is int for number in numbers):
        raise ImageError(
            f"its label {numbers} may be the numbers of classes, or a 1 or 0 for each of the {len(numbers)}: give "
            "names, or an array or tensor of 1 and 0."
        )
    numeric = all(isinstance(number, int | float) for number in numbers)
    if ones or (numeric and any(isinstance(number, bool | float) for number in numbers)):
        return indicated(numbers, classes)
    return tuple(dict.fromkeys(label for label in map(label_of, numbers) if label is not None))
