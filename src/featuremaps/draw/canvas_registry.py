"""The canvases by name, and finding one with its options."""

from collections.abc import Callable, Mapping
from dataclasses import Field, fields, is_dataclass, replace
from typing import Any, TypeVar

from torch import Tensor

from featuremaps.draw.canvas import Canvas
from featuremaps.errors import OptionError, did_you_mean
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


def find_canvas(canvas: str | Canvas, **options: object) -> Canvas:
    """The canvas of this name, or the one given, with these options; text is read as the number it stands for.

    `OptionError` where there is no such canvas, it has no such option, or does not take the value.
    """
    if isinstance(canvas, str):
        kind = CANVASES.find(canvas.strip().lower())
        return kind(**_checked(kind, options))
    if not _is_canvas(canvas):
        raise OptionError(
            f"a canvas is one of {', '.join(map(repr, CANVASES))} or an object with a rate, start and picture; "
            f"got {canvas!r}."
        )
    if not options:
        return canvas
    own: Any = canvas
    if not is_dataclass(type(own)):
        raise OptionError(f"{type(own).__name__} is not a dataclass, so it takes no options; set them on the object.")
    changed: Canvas = replace(own, **_checked(type(own), options))
    return changed


def canvas_settings(canvas: Canvas) -> dict[str, object]:
    """The name of a canvas and its options, as text and numbers; a picture it begins with by its shape alone."""
    name = next((name for name, kind in CANVASES.items() if type(canvas) is kind), type(canvas).__name__)
    values = {each.name: getattr(canvas, each.name) for each in _options(type(canvas))}
    shown = {key: list(value.shape) if isinstance(value, Tensor) else value for key, value in values.items()}
    return {"canvas": name, **shown}


def _is_canvas(given: object) -> bool:
    return isinstance(given, Canvas) and not isinstance(given, type)


def _options(kind: type) -> tuple[Field[Any], ...]:
    return tuple(each for each in fields(kind) if each.init) if is_dataclass(kind) else ()


def _checked(kind: type, options: Mapping[str, object]) -> dict[str, Any]:
    """The options, numbers as the type of their default."""
    known = {each.name: each for each in _options(kind)}
    for name in options:
        if name not in known:
            raise OptionError(
                f"{kind.__name__} has no option {name!r}; it takes {', '.join(known)}.{did_you_mean(name, known)}"
            )
    return {name: _read(kind, known[name], value) for name, value in options.items()}


def _read(kind: type, option: Field[Any], value: object) -> object:
    if type(option.default) not in (int, float) or isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    try:
        number = float(value)
    except ValueError:
        raise OptionError(f"{kind.__name__}: {option.name} is a number; got {value!r}.") from None
    return int(number) if type(option.default) is int and number.is_integer() else number
