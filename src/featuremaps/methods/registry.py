"""The register of methods: what each needs, which options it takes, and who published it.

A method is a pure function. Its positional parameters are needs, its keyword-only parameters are options.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args, get_origin

from featuremaps.errors import MethodError, OptionError, did_you_mean
from featuremaps.methods.needs import NEEDS
from featuremaps.plotting.rendering import Collapse
from featuremaps.registry import Registry

Formula = TypeVar("Formula", bound=Callable[..., Any])
Level = Literal["layer", "pixel"]


@dataclass(frozen=True, eq=False)
class Method:
    """A formula and what its signature says: `needs` (positional parameters) and `options` (keyword-only).

    `collapse` is how its authors make one map of the colours, for a method of level "pixel".
    """

    name: str
    formula: Callable[..., Any]
    needs: tuple[str, ...]
    options: Mapping[str, inspect.Parameter]
    paper: str
    level: Level
    collapse: Collapse = "sum"

    @property
    def by_layer(self) -> bool:
        """Whether what it gives depends on a layer."""
        return any(NEEDS[need].layer for need in self.needs)

    @property
    def summary(self) -> str:
        """The first line of the formula's docstring."""
        return inspect.getdoc(self.formula).split("\n")[0]  # type: ignore[union-attr]

    def checked(self, options: Mapping[str, object]) -> dict[str, object]:
        """The options, converted to the types the formula declares; `OptionError` where they do not fit."""
        for name in options:
            if name not in self.options:
                takes = ", ".join(self.options) or "none"
                raise OptionError(
                    f"method {self.name!r} has no option {name!r}; it takes {takes}.{did_you_mean(name, self.options)}"
                )
        return {name: _converted(self, self.options[name], value) for name, value in options.items()}


METHODS: Registry[Method] = Registry("method", "featuremaps.methods", MethodError)
"""Every formula of this folder, and those that users register."""


def method(*, paper: str, level: Level = "layer", collapse: Collapse = "sum") -> Callable[[Formula], Formula]:
    """Register a formula under its own name; `paper` is the source, with the equation.

    Raises `MethodError` when the name is taken, a positional parameter is not a known need, or there is no docstring.
    """

    def register(formula: Formula) -> Formula:
        name = formula.__name__
        parameters = inspect.signature(formula).parameters.values()
        needs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        options = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
        unknown = [need for need in needs if need not in NEEDS]
        if unknown:
            raise MethodError(
                f"method {name!r} names {unknown[0]!r}, which nobody supplies.{did_you_mean(unknown[0], NEEDS)} "
                f"A formula may name {', '.join(NEEDS)}; options come after a *."
            )
        without = [option for option, p in options.items() if p.default is p.empty]
        if without:
            raise MethodError(f"option {without[0]!r} of method {name!r} needs a default value.")
        METHODS.add(name, Method(name, formula, needs, MappingProxyType(options), paper, level, collapse), formula)
        return formula

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
    raise MethodError(f"there is no method {name!r}.{did_you_mean(key, METHODS)} Known methods: {known_names}.")


def _converted(method: Method, parameter: inspect.Parameter, value: object) -> object:
    """A value as the option's declared type; text from the command line is read as that type."""
    declared = parameter.annotation
    kind = type(parameter.default) if declared is parameter.empty else declared
    choices = get_args(kind) if get_origin(kind) is Literal else ()
    if not choices and kind not in (bool, int, float, str):
        return value
    try:
        if choices:
            return choices[choices.index(value)]
        if kind is bool:
            return value if isinstance(value, bool) else {"true": True, "false": False}[str(value).lower()]
        if not isinstance(value, int | float | str) or isinstance(value, bool):
            raise ValueError
        if kind is int and float(value) != int(value):
            raise ValueError
        return kind(value)
    except (ValueError, KeyError, OverflowError) as error:
        wanted = " or ".join(map(repr, choices)) if choices else f"of type {kind.__name__}"
        raise OptionError(
            f"option {parameter.name!r} of method {method.name!r} must be {wanted}; got {value!r}."
        ) from error
