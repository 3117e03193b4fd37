"""A canvas: how a picture that is being drawn is described by the numbers that are optimised."""

import math
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError

Shape = tuple[int, int, int]
"""Channels, height and width of a picture."""
Rows = Float[Tensor, "row channel height width"]
"""Pictures that are drawn together, with values 0 to 1."""


@runtime_checkable
class Canvas(Protocol):
    """A parameterisation of pictures with values 0 to 1. Each row's picture depends on that row's numbers alone."""

    @property
    def rate(self) -> float:
        """The step size of Adam that suits it."""

    def start(self, count: int, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Numbers to begin with, each tensor with `count` rows, on the generator's device."""

    def picture(self, parameters: tuple[Tensor, ...], shape: Shape) -> Rows:
        """The pictures that the numbers stand for, values 0 to 1, differentiable."""


def check_numbers(canvas: object, *names: str, zero: bool = False) -> None:
    """`OptionError` where one of these options is not a finite number above 0, or 0 where that is allowed."""
    for name in names:
        value = getattr(canvas, name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0 or (value == 0 and not zero):
            range_ = "0 or more" if zero else "above 0"
            raise OptionError(f"{type(canvas).__name__}: {name} is a number, {range_}; got {value!r}.")


def at_least(title: str, options: object, **lows: int | float) -> None:
    """`OptionError` where one of these options is lower than that, or not finite."""
    for name, low in lows.items():
        if not low <= getattr(options, name) < math.inf:
            raise OptionError(f"{title}: {name} is {low:g} or more; got {getattr(options, name)}.")
