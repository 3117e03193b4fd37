"""What every source gives, and how it asks for the library it needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import nn

from featuremaps.errors import SourceError
from featuremaps.options import OutputKind


@dataclass(frozen=True)
class Loaded:
    """What a source gives, as far as it knows.

    Attributes:
        model: The module.
        transform: From a PIL picture to the model's input.
        classes: The names of the outputs, in order.
        outputs: What the class scores are; see `Scope`.
    """

    model: nn.Module
    transform: Callable[..., Any] | None = None
    classes: Sequence[str] | None = None
    outputs: OutputKind | None = None


def needs_package(package: str) -> Any:
    """Import an optional package, or say how to install it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise SourceError(
            f"this model needs {package}, which cannot be imported ({error}); pip install 'featuremaps[{package}]'."
        ) from error


def in_short(error: Exception) -> str:
    """What another library's error says, in one line of at most 300 letters."""
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]}…"
