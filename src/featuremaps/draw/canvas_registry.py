"""The canvases by name, and how one is told in a drawing's settings."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from torch import Tensor

from featuremaps.draw.canvas import Canvas
from featuremaps.errors import OptionError
from featuremaps.registry import Registry

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
