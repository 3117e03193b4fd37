"""What jaxtyping's import hook puts around every function of the library, at a price that a test run can pay.

Arguments and results are checked by beartype. Where shapes are in the signature that is so at every call, in a memory
of its sizes; other types, which mypy reads too, are checked the first hundred times in a process. For a function within
a function, which is defined anew at each call, the check is written once.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import partial, wraps
from threading import local
from types import CellType, CodeType, FunctionType
from typing import Any, Literal, get_args, get_origin

import jaxtyping
from beartype import beartype

PLAIN_CHECKS = 100
"""How many calls of a function without shapes, or definitions of an inner one, are checked in a process."""
_DEFINED: Counter[CodeType] = Counter()
_CHECKS: dict[tuple[Any, ...], Callable[..., Any]] = {}
_jaxtyped = jaxtyping.jaxtyped
_waiting = local()  # the inner functions whose arguments are being checked


def jaxtyped(function: Any = None, *, typechecker: Any) -> Any:
    """In the place of `jaxtyping.jaxtyped`: the decorator that the import hook writes over every function and class."""
    if function is None:
        return partial(jaxtyped, typechecker=typechecker)
    if isinstance(function, type):
        made = vars(function).get("__init__")  # by a dataclass, unless it was written, and so is checked already
        if is_dataclass(function) and made is not None and not hasattr(made, "__wrapped__"):
            function.__init__ = jaxtyped(made, typechecker=typechecker)  # type: ignore[misc]
        return function
    shapes = _shapes(function) if isinstance(function, FunctionType) else None
    if shapes is None or "{" in "".join(shapes):  # sizes that are computed from the arguments
        return _jaxtyped(function, typechecker=typechecker)
    inner = "<locals>" in function.__qualname__
    if inner and (jaxtyping.config.jaxtyping_disable or not (shapes or _defined_seldom(function))):
        return function
    strict = _inner(function) if inner else beartype(function)
    left = PLAIN_CHECKS

    @wraps(function)
    def plain(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        if left <= 0 or jaxtyping.config.jaxtyping_disable:
            return function(*args, **kwargs)
        left -= 1
        return strict(*args, **kwargs)

    @wraps(function)
    def shaped(*args: Any, **kwargs: Any) -> Any:
        with _jaxtyped("context"):
            return (function if jaxtyping.config.jaxtyping_disable else strict)(*args, **kwargs)

    return shaped if shapes else plain


def _defined_seldom(function: FunctionType) -> bool:
    _DEFINED[function.__code__] += 1
    return _DEFINED[function.__code__] <= PLAIN_CHECKS


def _inner(function: FunctionType) -> Callable[..., Any]:
    """The function, checked by what was written for the first of its definitions."""
    texts = {name: repr(annotation) for name, annotation in function.__annotations__.items()}
    types = [texts[name] if "jaxtyping." in texts[name] else kind for name, kind in function.__annotations__.items()]
    key = (function.__module__, function.__qualname__, function.__code__, *texts, *types)  # equal shapes are not equal
    if key not in _CHECKS:
        _CHECKS[key] = beartype(_stand_in(function))
    check = _CHECKS[key]

    def checked(*args: Any, **kwargs: Any) -> Any:
        depth = len(vars(_waiting).setdefault("functions", []))
        _waiting.functions.append(function)
        try:
            return check(*args, **kwargs)
        finally:
            del _waiting.functions[depth:]

    return checked


def _stand_in(function: FunctionType) -> Callable[..., Any]:
    """A function with this signature, which keeps nothing alive that a definition has, and runs the one that waits."""
    cells = tuple(CellType() for _ in function.__code__.co_freevars)
    signature = FunctionType(function.__code__, function.__globals__, function.__name__, None, cells)
    signature.__annotations__, signature.__qualname__ = function.__annotations__, function.__qualname__
    signature.__module__ = function.__module__

    @wraps(signature)
    def run(*args: Any, **kwargs: Any) -> Any:
        return _waiting.functions.pop()(*args, **kwargs)

    return run


def _shapes(function: FunctionType) -> list[str] | None:
    """The shapes in the annotations; none where an annotation is text, which only jaxtyping bears if it names nothing."""
    waiting, shapes = list(function.__annotations__.values()), []
    while waiting:
        annotation = waiting.pop()
        if isinstance(annotation, str):
            return None
        if isinstance(annotation, list | tuple):  # the arguments of a Callable
            waiting += annotation
        elif isinstance(annotation, type) and issubclass(annotation, jaxtyping.AbstractArray):
            shapes.append(annotation.dim_str)
        elif get_origin(annotation) is not Literal:
            waiting += get_args(annotation)
    return shapes


def install() -> None:
    """Check every function of featuremaps that is imported from now on."""
    jaxtyping.jaxtyped = jaxtyped
    jaxtyping.install_import_hook("featuremaps", "beartype.beartype")
