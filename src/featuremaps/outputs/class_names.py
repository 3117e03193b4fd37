"""The names of a model's outputs, in whatever form people keep them, as names in order."""

from collections.abc import Mapping, Set
from typing import Any

from featuremaps.errors import OptionError


def names_in_order(classes: Any) -> tuple[str, ...] | None:
    """A name for each output, in the outputs' order; None where none were given.

    Args:
        classes: Names in order; `{0: "cat", …}`, as a configuration's `id2label`; or `{"cat": 0, …}`, as an image
            folder's `class_to_idx`.

    Raises:
        OptionError: A single text, a set, which has no order, or a dict whose numbers do not count from 0.
    """
    if classes is None:
        return None
    if isinstance(classes, str | bytes):
        raise OptionError("classes is a list of names, one per output, not a single text.")
    if isinstance(classes, Set) and not isinstance(classes, Mapping):
        raise OptionError("classes is a set, which has no order: give a list of names in the order of the outputs.")
    if isinstance(classes, Mapping):
        return _of_numbers(classes)
    return tuple(str(name) for name in classes)


def _of_numbers(classes: Mapping[Any, Any]) -> tuple[str, ...]:
    """The names in a dict from numbers to names, or from names to numbers, by their numbers."""
    by_number = {_number(key): str(name) for key, name in classes.items()}
    if None in by_number:
        by_number = {_number(value): str(name) for name, value in classes.items()}
    if len(by_number) != len(classes) or set(by_number) != {*range(len(classes))}:
        raise OptionError(
            f"classes is a dict of {len(classes)}, and neither its keys nor its values are the numbers 0 to "
            f"{len(classes) - 1}, one of each output: give a list of names in the order of the outputs."
        )
    return tuple(by_number[number] for number in range(len(classes)))


def _number(value: object) -> int | None:
    """A number of an output, also as JSON keeps it in a key; None of anything else."""
    text = str(value)
    return int(text) if text.isdecimal() and not isinstance(value, bool) else None
