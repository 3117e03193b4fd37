"""The register of measures: what each needs, which options it takes, its source, and which end is the better one.

A measure is a pure function. Its positional parameters are needs, its keyword-only parameters are options.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal, TypeVar, cast, get_args

import torch
from torch import Tensor

from featuremaps.errors import MethodError, check_choice
from featuremaps.registry import Formula, Registry, formula_of

Function = TypeVar("Function", bound=Callable[..., Any])
Better = Literal["lower", "higher"]
Family = Literal["faithfulness", "robustness", "localisation", "sanity", "complexity"]


NEEDS: dict[str, str] = {
    "heatmap": "One method's maps (batch, *space), raw and signed, enlarged to the size of the inputs.",
    "inputs": "The preprocessed pictures (batch, colour, *space), as the model received them.",
    "score": "A function from new inputs (batch·k, …), picture by picture, to target scores (batch·k,).",
    "probability": "Like `score`, but the probability of the target's class; the score where the target is no class.",
    "curve": "A function (order, fill, steps) to the probability while places are taken out in the heatmap's order.",
    "masks": "Where the object is that the target names: (batch, *space), true inside.",
    "explain_again": "A function from new inputs (batch·k, …), picture by picture, to heatmaps of the same target.",
    "explain_seeded": "A function from a seed to the heatmaps (batch, *space) made with it.",
    "explain_class": "A function from a class index for each picture (batch,) to the heatmaps of those classes.",
    "explain_randomised": "A function from 'cascading' or 'single' to pairs of a layer and the heatmaps of the model "
    "with random weights from its output down to this layer, or in this layer alone.",
    "random_label_heatmap": "Heatmaps (batch, *space) of the same pictures and classes by a model of the same "
    "architecture that was trained on shuffled labels.",
    "mosaic": "Heatmaps (batch, *space) of mosaics of pictures, each for the class of the picture in one cell.",
    "cells": "The cell of each mosaic that holds this picture: (batch, *space), true inside.",
    "target": "The class index being explained, per picture (batch,).",
    "classes": "How many classes the model has.",
    "generator": "Seeded randomness on the CPU, the same for every picture, whatever the batch.",
}
"""What a measure may name as its parameters. `Examination` supplies each, of one method's heatmaps of some pictures."""


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


MAPS = ("heatmap", "mosaic", "random_label_heatmap", "masks", "cells")
"""Needs that are (batch, *space)."""


def check_sizes(who: str, needs: Mapping[str, object]) -> None:
    """`MethodError` where maps, masks and inputs are of other pictures or sizes, or masks are not true and false."""
    tensors = {name: value for name in MAPS if isinstance(value := needs.get(name), Tensor)}
    sizes = {name: tuple(value.shape) for name, value in tensors.items()}
    inputs, target = needs.get("inputs"), needs.get("target")
    if isinstance(inputs, Tensor) and sizes:
        sizes["inputs"] = (*inputs.shape[:1], *inputs.shape[2:])
    if isinstance(target, Tensor) and sizes:
        sizes["target"] = (*target.shape, *next(iter(sizes.values()))[1:])
    if len(set(sizes.values())) > 1 or any(len(size) < 2 for size in sizes.values()):
        given = [f"{name} {tuple(each.shape)}" for name in sizes if isinstance(each := needs[name], Tensor)]
        raise MethodError(
            f"{who} takes maps and masks (batch, *space) of the size of the inputs (batch, colour, *space), and one "
            f"target for each; got {', '.join(given)}."
        )
    for name in ("masks", "cells"):
        if name in tensors and tensors[name].dtype != torch.bool:
            raise MethodError(
                f"{who} takes {name} that are true inside (torch.bool); got {tensors[name].dtype}. Say which values "
                f"are inside: {name} > 0."
            )
