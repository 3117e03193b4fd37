"""The register of measures: what each needs, which options it takes, its source, and which end is the better one.

A measure is a pure function. Its positional parameters are needs, its keyword-only parameters are options.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from featuremaps.errors import OptionError, did_you_mean
from featuremaps.evidence.needs import NEEDS
from featuremaps.registry import Registry

Formula = TypeVar("Formula", bound=Callable[..., Any])
Better = Literal["lower", "higher"]
Family = Literal["faithfulness", "robustness", "localisation", "sanity", "complexity"]


@dataclass(frozen=True, eq=False)
class Measure:
    """A formula and what its signature says: `needs` (positional parameters) and `options` (keyword-only).

    `better` is the end at which an explanation is the better one, `unit` what the numbers are, `family` what they speak
    of, and `limit` the number
    from which on a sanity check is passed, for measures that are one; `failure` is what it means where it is not.
    """

    name: str
    formula: Callable[..., Any]
    needs: tuple[str, ...]
    options: Mapping[str, inspect.Parameter]
    paper: str
    better: Better
    unit: str
    family: Family
    limit: float | None = None
    failure: str = ""

    @property
    def summary(self) -> str:
        """The first line of the formula's docstring."""
        return (inspect.getdoc(self.formula) or "").split("\n")[0]

    def passed(self, value: float) -> bool | None:
        """Whether a sanity check is passed; None for a measure that is none."""
        if self.limit is None:
            return None
        return value >= self.limit if self.better == "higher" else value <= self.limit


MEASURES: Registry[Measure] = Registry("measure", "featuremaps.evidence.measures")
"""Every formula of that folder, and those that users register."""


def measure(
    *, paper: str, better: Better, unit: str, family: Family, limit: float | None = None, failure: str = ""
) -> Callable[[Formula], Formula]:
    """Register a formula under its own name; `paper` is the source, with the equation.

    Raises `OptionError` when the name is taken, a positional parameter is not a known need, or there is no docstring.
    """

    def register(formula: Formula) -> Formula:
        name = formula.__name__
        parameters = inspect.signature(formula).parameters.values()
        needs = tuple(p.name for p in parameters if p.kind is not p.KEYWORD_ONLY)
        options = {p.name: p for p in parameters if p.kind is p.KEYWORD_ONLY}
        unknown = [need for need in needs if need not in NEEDS]
        if unknown:
            raise OptionError(
                f"measure {name!r} names {unknown[0]!r}, which nobody supplies.{did_you_mean(unknown[0], NEEDS)} "
                f"A measure may name {', '.join(NEEDS)}; options come after a *."
            )
        without = [option for option, p in options.items() if p.default is p.empty]
        if without:
            raise OptionError(f"option {without[0]!r} of measure {name!r} needs a default value.")
        entry = Measure(name, formula, needs, MappingProxyType(options), paper, better, unit, family, limit, failure)
        MEASURES.add(name, entry, formula)
        return formula

    return register
