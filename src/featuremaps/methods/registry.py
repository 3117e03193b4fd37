"""The register of methods: what each needs, which options it takes, and who published it.

A method is a pure function. Its positional parameters are needs, its keyword-only parameters are options.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from featuremaps.errors import MethodError, did_you_mean, suggested
from featuremaps.methods.needs import NEEDS
from featuremaps.plotting.rendering import Collapse
from featuremaps.registry import Formula, Registry, formula_of

Function = TypeVar("Function", bound=Callable[..., Any])
Level = Literal["layer", "pixel"]


@dataclass(frozen=True, eq=False)
class Method(Formula):
    """A formula that explains, its source, and whether it gives a map of a layer or values of pixels.

    `collapse` is how its authors make one map of the colours, for a method of level "pixel".
    """

    paper: str
    level: Level
    collapse: Collapse = "sum"

    @property
    def by_layer(self) -> bool:
        """Whether what it gives depends on a layer."""
        return any(NEEDS[need].layer for need in self.needs)

    @property
    def joint(self) -> bool:
        """Whether it gives the maps of all targets at once, (target, batch, …), from the same extra passes."""
        return any(NEEDS[need].joint for need in self.needs)


METHODS: Registry[Method] = Registry("method", "featuremaps.methods", MethodError)
"""Every formula of this folder, and those that users register."""


def method(*, paper: str, level: Level = "layer", collapse: Collapse = "sum") -> Callable[[Function], Function]:
    """Register a formula as a method, under the function's own name.

    Args:
        paper: The source, with the equation.
        level: "layer" for a map of a layer, (batch, height, width); "pixel" for values (batch, colour, height, width).
        collapse: How a "pixel" method makes one map of the colours: "sum", "max_abs" or "norm".

    Returns:
        A decorator that gives the function back as it was.

    Raises:
        MethodError: The name is taken, a positional parameter is not a known need, or there is no docstring.
    """

    def register(function: Function) -> Function:
        formula = formula_of("method", function, NEEDS, MethodError)
        METHODS.add(formula.name, Method(**vars(formula), paper=paper, level=level, collapse=collapse), function)
        return function

    return register


def find_method(name: str | Callable[..., Any]) -> Method:
    """The method of this name, or that a registered formula belongs to."""
    if not isinstance(name, str):
        for known in METHODS.values():
            if known.formula is name:
                return known
        shown = getattr(name, "__name__", repr(name))
        raise MethodError(f"{shown} is not a registered method; put @fm.method(paper=…) above the function.")
    if name in METHODS:
        return METHODS[name]
    key = name.strip().lower().replace("-", "_").replace("++", "_pp").replace(" ", "_")
    for known in METHODS.values():
        if known.name.replace("_", "") == key.replace("_", ""):
            return known
    known_names = ", ".join(sorted(METHODS))
    meant = did_you_mean(key, METHODS) or _by_source(key)
    raise MethodError(f"there is no method {name!r}.{meant} Known methods: {known_names}.")


def _by_source(key: str) -> str:
    """`" Did you mean 'a' or 'b'?"` for the methods whose source has all words of the key, or an empty string."""
    asked = _words(key)
    return suggested(known.name for known in METHODS.values() if asked and asked <= _words(known.paper))


def _words(text: str) -> set[str]:
    return {word for word in re.split(r"[\W_]+", text.lower()) if len(word) > 2}
