"""The errors and warnings of featuremaps, and the search for the name that was probably meant.

A message says where, what was given, what was understood, and what to do.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class FeatureMapsError(Exception):
    """Any error that featuremaps raises on purpose."""


class LayerNotFoundError(FeatureMapsError, LookupError):
    """A layer or unit address that matches nothing in the model."""


class LayoutError(FeatureMapsError, ValueError):
    """A layer whose output cannot be read as maps (batch, channel, height, width)."""


class TargetError(FeatureMapsError, ValueError):
    """A target that does not fit the model's output or the pictures."""


class ImageError(FeatureMapsError, ValueError):
    """A picture that cannot be read."""


class MethodError(FeatureMapsError, ValueError):
    """A method that does not exist, is badly declared, or does not apply to this model."""


class WrittenError(MethodError):
    """A formula that wrote to what it was given, which others are given as well."""


class OptionError(FeatureMapsError, TypeError):
    """An option that a method or verb does not have, or a value it does not take."""


class ModelError(FeatureMapsError, RuntimeError):
    """A model that cannot be run or studied."""


class SourceError(FeatureMapsError, ValueError):
    """A model, checkpoint or class list that cannot be loaded."""


class SurveyError(FeatureMapsError, RuntimeError):
    """A survey that cannot be made, gone on with, or opened, or that cannot answer what it was asked."""


class FeatureMapsWarning(UserWarning):
    """Something worked, but the user should know about it."""


def nearest(name: str, choices: Iterable[str], count: int = 3) -> list[str]:
    """The `count` choices that look most like `name`, best first; substring matches count as near."""
    choices = list(dict.fromkeys(choices))
    lowered = {choice.lower(): choice for choice in reversed(choices)}
    close = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=count, cutoff=0.55)]
    inside = [choice for choice in choices if name and name.lower() in choice.lower()]
    return list(dict.fromkeys(close + inside))[:count]


def did_you_mean(name: str, choices: Iterable[str], count: int = 3) -> str:
    """`" Did you mean 'a' or 'b'?"` for the nearest choices, or an empty string."""
    return suggested(nearest(name, choices, count))


def suggested(names: Iterable[str]) -> str:
    """`" Did you mean 'a' or 'b'?"` for these names, or an empty string for none."""
    listed = " or ".join(map(repr, names))
    return f" Did you mean {listed}?" if listed else ""


def first_of(names: Iterable[object], most: int) -> str:
    """`"a, b, c, …"`: as many of the names, for a message."""
    listed = list(map(str, names))
    return ", ".join(listed[:most]) + (", …" if len(listed) > most else "")


def check_choice(option: str, value: object, choices: Iterable[object]) -> None:
    """`OptionError` where an option has a value that is not among its choices."""
    known = list(choices)
    if value not in known:
        listed = " or ".join(filter(None, [", ".join(map(repr, known[:-1])), repr(known[-1])]))
        meant = did_you_mean(str(value), [choice for choice in known if isinstance(choice, str)])
        raise OptionError(f"{option}={value!r} is not known; choose {listed}.{meant}")


def check_least(option: str, value: int | float, what: str, least: int = 1) -> None:
    """`OptionError` where an option is below the `least` that it may be; `what` says what it is."""
    if value < least:
        raise OptionError(f"{option} is {what}, {least} or more; got {value}.")
