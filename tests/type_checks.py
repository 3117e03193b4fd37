"""The check of argument types and shapes that jaxtyping puts around every function, made once for each signature."""

from collections.abc import Callable
from typing import Any

from beartype import beartype

_CHECKED: dict[tuple[Any, ...], Callable[..., Any]] = {}


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """As beartype checks this stand-in of jaxtyping's, which has the signature and an empty body.

    A function within a function is defined anew at each call, and writing its check costs milliseconds. With defaults
    it is written anew, so that no value is kept alive.
    """
    if function.__defaults__ or function.__kwdefaults__:
        return beartype(function)
    key = (function.__module__, function.__qualname__, function.__code__, tuple(function.__annotations__.items()))
    if key not in _CHECKED:
        _CHECKED[key] = beartype(function)
    return _CHECKED[key]
