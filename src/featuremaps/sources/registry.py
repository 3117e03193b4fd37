"""The register of model sources: `"torchvision:resnet50"` is the source `torchvision` given `resnet50`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from torch import nn

from featuremaps.errors import SourceError, did_you_mean


@dataclass(frozen=True)
class Loaded:
    """What a source gives: the model, its preprocessing, its class names."""

    model: nn.Module
    transform: Callable[..., Any] | None = None
    classes: Sequence[str] | None = None
    note: str = ""


Source = Callable[[str, Path | None], Loaded]

# Each source is one file, imported only when used.
SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "demo": "featuremaps.sources.bundled",
        "torchvision": "featuremaps.sources.torchvision",
        "timm": "featuremaps.sources.timm",
        "hf": "featuremaps.sources.huggingface",
        "keras": "featuremaps.sources.keras",
    }
)


def read(spec: str, weights: Path | None) -> Loaded:
    """Load what `spec` names.

    `"demo"`, `"source:name"`, or `"package.module:factory"`, a function without arguments that returns a module.
    """
    head, colon, rest = spec.partition(":")
    if spec in ("demo", "demo-fixed"):
        head, rest = "demo", spec
    elif not colon or not rest:
        raise SourceError(
            f"model {spec!r} is not understood.{did_you_mean(spec, ('demo', 'demo-fixed'))} Give 'demo', "
            "'torchvision:resnet50', 'timm:…', 'hf:…', 'keras:file.keras', or 'package.module:factory'."
        )
    if head in SOURCES:
        source: Source = import_module(SOURCES[head]).load
    elif "." in head or _importable(head):
        source = import_module("featuremaps.sources.factory").load
        rest = spec
    else:
        raise SourceError(
            f"model {spec!r}: there is no source {head!r}.{did_you_mean(head, SOURCES)} Sources are "
            f"{', '.join(SOURCES)}, or 'package.module:factory' for a function of your own."
        )
    return source(rest, weights)


def _importable(name: str) -> bool:
    """Whether there is such a module, on the path or in the current folder."""
    from importlib.util import find_spec

    here = Path.cwd()
    return find_spec(name) is not None or (here / f"{name}.py").is_file() or (here / name / "__init__.py").is_file()


def needs_package(package: str, extra: str) -> Any:
    """Import an optional package, or say how to install it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise SourceError(
            f"this model needs {package}, which cannot be imported ({error}); pip install 'featuremaps[{extra}]'."
        ) from error
