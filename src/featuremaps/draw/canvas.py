"""A canvas: how a picture that is being drawn is described by the numbers that are optimised; and canvases by name."""

import math
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.registry import Registry

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


CANVASES: Registry[type[Canvas]] = Registry("canvas", "featuremaps.draw")
"""What a drawing may be described by, each in a file of this folder."""

CanvasClass = TypeVar("CanvasClass", bound=type[Any])


def canvas(name: str) -> Callable[[CanvasClass], CanvasClass]:
    """Register a class of canvases under a name."""

    def register(kind: CanvasClass) -> CanvasClass:
        CANVASES.add(name, kind, kind)
        return kind

    return register


def find_canvas(canvas: str | Canvas) -> Canvas:
    """The canvas of this name, or the one given; `OptionError` where there is no such canvas."""
    if isinstance(canvas, str):
        return CANVASES.find(canvas.strip().lower())()
    if not isinstance(canvas, Canvas) or isinstance(canvas, type):
        raise OptionError(
            f"a canvas is one of {', '.join(map(repr, CANVASES))} or an object with a rate, start and picture; "
            f"got {canvas!r}."
        )
    return canvas


def canvas_settings(canvas: Canvas) -> dict[str, object]:
    """The name of a canvas and its options, as text and numbers; a picture it begins with by its shape alone."""
    name = next((name for name, kind in CANVASES.items() if type(canvas) is kind), type(canvas).__name__)
    options: list[str] = [option.name for option in fields(canvas) if option.init] if is_dataclass(canvas) else []
    values = {option: getattr(canvas, option) for option in options}
    shown = {key: list(value.shape) if isinstance(value, Tensor) else value for key, value in values.items()}
    return {"canvas": name, **shown}
