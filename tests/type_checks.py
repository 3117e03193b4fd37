"""What jaxtyping's import hook puts around every function of the library, at a price that a test run can pay.

Functions with shapes in their signature are jaxtyping's, those with plain types beartype's alone: what is checked is
the same, but jaxtyping binds the arguments of every call. Its checks are written once for each signature, because a
function within a function is defined anew at each call.
"""

from collections.abc import Callable
from functools import partial, wraps
from types import FunctionType
from typing import Any, Literal, get_args, get_origin

import jaxtyping
from beartype import beartype

_CHECKED: dict[tuple[Any, ...], Callable[..., Any]] = {}
_jaxtyped = jaxtyping.jaxtyped


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """As beartype checks this stand-in of jaxtyping's, which has the signature and an empty body.

    With defaults it is checked anew, so that no value is kept alive.
    """
    if function.__defaults__ or function.__kwdefaults__:
        return beartype(function)
    key = (function.__module__, function.__qualname__, function.__code__, tuple(function.__annotations__.items()))
    if key not in _CHECKED:
        _CHECKED[key] = beartype(function)
    return _CHECKED[key]


def jaxtyped(function: Any = None, *, typechecker: Any) -> Any:
    """In the place of `jaxtyping.jaxtyped`: the decorator that the import hook writes over every function and class."""
    if function is None:
        return partial(jaxtyped, typechecker=typechecker)
    inner = isinstance(function, FunctionType) and "<locals>" in function.__qualname__
    if inner and jaxtyping.config.jaxtyping_disable:
        return function
    if inner or not isinstance(function, FunctionType) or _shaped(function):
        return _jaxtyped(function, typechecker=typechecker)
    strict = beartype(function)

    @wraps(function)
    def either(*args: Any, **kwargs: Any) -> Any:
        return (function if jaxtyping.config.jaxtyping_disable else strict)(*args, **kwargs)

    return either


def _shaped(function: FunctionType) -> bool:
    """Whether an annotation has a shape in it, or is text, which only jaxtyping bears where it names nothing."""
    waiting = list(function.__annotations__.values())
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, str):
            return True
        if isinstance(annotation, list | tuple):  # the arguments of a Callable
            waiting += annotation
        elif isinstance(annotation, type) and issubclass(annotation, jaxtyping.AbstractArray):
            return True
        elif get_origin(annotation) is not Literal:
            waiting += get_args(annotation)
    return False


def install() -> None:
    """Check every function of featuremaps that is imported from now on."""
    jaxtyping.jaxtyped = jaxtyped
    jaxtyping.install_import_hook("featuremaps", f"{__name__}.checked")
