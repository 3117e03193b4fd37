"""Which column of a table, or key of a dict, holds the pictures, and which the labels."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from featuremaps.errors import FeatureMapsWarning, OptionError, did_you_mean
from featuremaps.session import random_state


def warn_unlabelled(others: Sequence[str], where: str) -> None:
    """Say that none of the columns beside the pictures is taken for labels."""
    if others:
        warnings.warn(
            f"{where}: none of its columns ({', '.join(others)}) is called label, class or target, so its pictures "
            "have no labels. Say which one names them: label='…' (--label-column).",
            FeatureMapsWarning,
            stacklevel=2,
        )


def needed_column(asked: str | None, usual: Sequence[str], columns: Sequence[str], what: str, where: str) -> str:
    """The column's own name: as asked for, or the first of the usual ones; `OptionError` where there is none."""
    found = column(asked, usual, columns, what, where)
    if found is None:
        raise OptionError(
            f"{where}: none of its columns ({', '.join(columns)}) is called {', '.join(usual[:3])}; say which one "
            f"holds the pictures with {what}='…' (--image-column)."
        )
    return found


def column(asked: str | None, usual: Sequence[str], columns: Sequence[str], what: str, where: str) -> str | None:
    """The column's own name: as asked for, or the first of the usual ones; None where there is none of these."""
    if asked is None:
        lowered = {name.lower().strip(): name for name in reversed(columns)}
        return next((lowered[name.lower()] for name in usual if name.lower() in lowered), None)
    if asked not in columns:
        raise OptionError(
            f"{where} has no column {asked!r} ({what}=…).{did_you_mean(asked, columns)} It has {', '.join(columns)}."
        )
    return asked


def keys_of(dataset: Any) -> list[str]:
    """The keys of a dataset's first item; none where that is no dict or cannot be read."""
    with suppress(Exception), random_state():  # what it raises is said where pictures are read
        item = dataset[0]
        return list(map(str, item)) if isinstance(item, Mapping) else []
    return []
