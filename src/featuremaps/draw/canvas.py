"""A canvas: how a picture that is being drawn is described by the numbers that are optimised."""

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError

Shape = tuple[int, int, int]
"""Channels, height and width of a picture."""


@runtime_checkable
class Canvas(Protocol):
    """A parameterisation of pictures with values 0 to 1. Each row's picture depends on that row's numbers alone."""

    @property
    def rate(self) -> float:
        """The step size of Adam that suits it."""

    def start(self, count: int, shape: Shape, generator: torch.Generator) -> tuple[Tensor, ...]:
        """Numbers to begin with, each tensor with `count` rows, on the generator's device."""

    def picture(self, parameters: tuple[Tensor, ...], shape: Shape) -> Float[Tensor, "count channel height width"]:
        """The pictures that the numbers stand for, values 0 to 1, differentiable."""


def above_zero(canvas: object, *names: str) -> None:
    """`OptionError` where one of these options is not a finite number above 0."""
    for name in names:
        _check(canvas, name, "above 0", lambda value: value > 0)


def not_negative(canvas: object, *names: str) -> None:
    """`OptionError` where one of these options is not a finite number, 0 or more."""
    for name in names:
        _check(canvas, name, "0 or more", lambda value: value >= 0)


def _check(canvas: object, name: str, range_: str, fits: Callable[[float], bool]) -> None:
    value = getattr(canvas, name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not fits(value):
        raise OptionError(f"{type(canvas).__name__}: {name} is a number, {range_}; got {value!r}.")
