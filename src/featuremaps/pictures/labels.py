"""What an item of a dataset is made of, a picture and its label, and what a label is in whatever form it comes."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from featuremaps.errors import ImageError

Label = int | str | None

PICTURE_KEYS = ("image", "img", "pixel_values", "picture", "jpg", "png", "x", "inputs", "input")
LABEL_KEYS = (
    *("label", "labels", "target", "targets", "class", "cls", "y", "fine_label", "category"),
    *("label_name", "class_name"),
)
"""What people call pictures and labels in dicts and tables; the first that is there counts."""


def parts_of(item: Any) -> tuple[Any, Any]:
    """The picture of a dataset's item and its label as it stands, None where there is none.

    An item is a picture, (picture, label, …), a dict, or a dataclass with such fields; `ImageError` for a dict without
    a picture.
    """
    if is_dataclass(item) and any(each.name in PICTURE_KEYS for each in fields(item)):
        item = {each.name: getattr(item, each.name) for each in fields(item)}
    if isinstance(item, Mapping):
        key = next((key for key in PICTURE_KEYS if key in item), None)
        if key is None and "bytes" in item:  # a picture as Hugging Face keeps it undecoded
            return item, None
        if key is None:
            keys = ", ".join(map(repr, item)) or "no keys"
            raise ImageError(
                f"a dict with {keys}; the picture should be 'image' or 'pixel_values'. Several pictures by name are "
                "given as a list: list(pictures.values())"
            )
        return item[key], next((item[name] for name in LABEL_KEYS if name in item), None)
    if isinstance(item, tuple | list) and item:
        return item[0], item[1] if len(item) > 1 else None
    return item, None


def label_of(value: object) -> Label:
    """A label as a number or a text: whole numbers of any type, one of them in an array, tensor, list or dict.

    None, NaN, a table's missing value and a text without letters are no label. An `ImageError` says what anything else
    is, and what to give instead.
    """
    if isinstance(value, Mapping):
        key = next((key for key in LABEL_KEYS if key in value), None)
        if key is None:
            keys = ", ".join(map(str, value)) or "no keys"
            raise ImageError(f"its label is a dict with {keys}, none of them called label, target or class. {_ALONE}")
        return label_of(value[key])
    if isinstance(value, Tensor | np.ndarray | np.generic | list | tuple):
        value = _single(value)
    if isinstance(value, str):
        return str.__str__(value) if value.strip() else None  # an enum's text, not its name
    if value is None or _is_missing(value):
        return None
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return int(value)
    shown = f"{value!r:.80} " if isinstance(value, float | complex | bytes) else ""  # others may print their address
    kind = type(value).__name__
    raise ImageError(f"its label {shown}is a {kind}; a label is a whole number, a class's name, or None. {_ALONE}")


def _is_missing(value: object) -> bool:
    """Whether this is NaN, or what pandas puts where a value is missing."""
    return value != value if isinstance(value, float) else type(value).__name__ in ("NAType", "NaTType")


_ALONE = "Items whose second part is no label (a mask, a second view, a measurement) give the picture alone."


def _single(values: Any) -> object:
    """The one value in an array, tensor or nested lists; an `ImageError` where there are more or none."""
    while isinstance(values, list | tuple) and len(values) == 1:
        values = values[0]
    if isinstance(values, Tensor | np.ndarray | np.generic):
        shape = tuple(values.shape)
        if max(shape, default=1) != math.prod(shape):
            raise ImageError(f"its label is {type(values).__name__} values of shape {shape}. {_ALONE}")
        values = values.reshape(-1).tolist()
        values = values[0] if len(values) == 1 else values
    if isinstance(values, list | tuple):
        raise ImageError(_several(values))
    return values


def _several(values: Sequence[Any]) -> str:
    """Why a label of several values is none."""
    if not all(isinstance(value, int | float) for value in values):
        return f"its label is a {type(values).__name__} of {len(values)}, and a picture has one. {_ALONE}"
    ones = [place for place, value in enumerate(values) if value == 1]
    if len(ones) + sum(value == 0 for value in values) < len(values) or not values:
        return f"its label is {len(values)} numbers, and a picture has one. {_ALONE}"
    if len(ones) == 1:
        return (
            f"its label is one-hot ({len(values)} numbers, the 1 at {ones[0]}), and a label is the number of a class: "
            "give label.argmax()."
        )
    return (
        f"its label is multi-hot ({len(values)} numbers, {len(ones)} of them 1), and a survey knows one class a "
        "picture unless it is told: multi_label=True (--multi-label)."
    )


def is_labelled(item: object) -> bool:
    """Whether this is a pair of something and its label: a number, or a name beside what is no path itself."""
    if not (isinstance(item, tuple) and len(item) == 2):
        return False
    named = isinstance(item[1], str) and not isinstance(item[0], str | os.PathLike) and not Path(item[1]).suffix
    return named or isinstance(understood(item[1]), int)


def is_batch(item: object) -> bool:
    """Whether this is (inputs, labels) as a DataLoader gives a batch: arrays or tensors with a label for each input."""
    if not isinstance(item, list | tuple) or len(item) != 2:
        return False
    inputs, labels = item
    arrays = isinstance(inputs, Tensor | np.ndarray) and isinstance(labels, Tensor | np.ndarray)
    return arrays and inputs.ndim > 2 and labels.ndim == 1 and len(inputs) == len(labels)


def understood(value: object) -> Label:
    """The label, or None where it is not understood: for those who only look at the picture."""
    try:
        return label_of(value)
    except ImageError:
        return None
