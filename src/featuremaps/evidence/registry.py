"""The register of measures: what each needs, which options it takes, its source, and which end is the better one.

A measure is a pure function. Its positional parameters are needs, its keyword-only parameters are options.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar, cast, get_args

from featuremaps.errors import check_choice
from featuremaps.evidence.needs import NEEDS
from featuremaps.evidence.sizes import check_sizes
from featuremaps.registry import Formula, Registry, formula_of

Function = TypeVar("Function", bound=Callable[..., Any])
Better = Literal["lower", "higher"]
Family = Literal["faithfulness", "robustness", "localisation", "sanity", "complexity"]


@dataclass(frozen=True, eq=False)
class Measure(Formula):
    """A formula that judges a heatmap, and its source.

    `better` is the end at which an explanation is the better one, `unit` what the numbers are, `family` what they speak
    of, and `limit` the number from which on a sanity check is passed, for measures that are one; `failure` is what it
    means where it is not.
    """

    paper: str
    better: Better
    unit: str
    family: Family
    limit: int | float | None = None
    failure: str = ""

    def passed(self, value: float) -> bool | None:
        """Whether a sanity check is passed; None for a measure that is none."""
        if self.limit is None:
            return None
        return value >= self.limit if self.better == "higher" else value <= self.limit


MEASURES: Registry[Measure] = Registry("measure", "featuremaps.evidence.measures")
"""Every formula of that folder, and those that users register."""


def measure(
    *, paper: str, better: Better, unit: str, family: Family, limit: int | float | None = None, failure: str = ""
) -> Callable[[Function], Function]:
    """Register a formula as a measure of explanations, under the function's own name.

    The function that is registered checks that the tensors it is given belong together.

    Args:
        paper: The source, with the equation.
        better: Which end is better: "lower" or "higher".
        unit: What the number is of, in words.
        family: "faithfulness", "robustness", "localisation", "sanity" or "complexity".
        limit: For a sanity check, the value that must be kept to.
        failure: For a sanity check, what it means to fail it, in words.

    Returns:
        A decorator.

    Raises:
        OptionError: The name is taken, a positional parameter is not a known need, or there is no docstring.
    """
    check_choice("better", better, get_args(Better))
    check_choice("family", family, get_args(Family))

    def register(function: Function) -> Function:
        formula = formula_of("measure", function, NEEDS)

        @wraps(function)
        def checking(*needs: Any, **options: Any) -> Any:
            check_sizes(f"measure {formula.name!r}", dict(zip(formula.needs, needs, strict=False)) | options)
            return function(*needs, **options)

        facts = vars(formula) | {"formula": checking}
        entry = Measure(**facts, paper=paper, better=better, unit=unit, family=family, limit=limit, failure=failure)
        MEASURES.add(formula.name, entry, function)
        return cast(Function, checking)

    return register
