"""The register of model sources: `"torchvision:resnet50"` is the source `torchvision` given `resnet50`."""

from collections.abc import Callable, Sequence
from inspect import signature
from os import PathLike, fspath
from pathlib import Path

from featuremaps.errors import SourceError, did_you_mean, nearest, suggested
from featuremaps.registry import Registry
from featuremaps.sources.loaded import Loaded
from featuremaps.sources.unread import foreign

Source = Callable[..., Loaded]
"""Of (name, weights); one with a parameter `classes` is given the user's too."""

BUNDLED = ("demo", "demo-leaning", "demo-fixed")
MODEL_FILES = (".pt", ".pth", ".pt2", ".ckpt", ".pkl", ".bin")
"""The ends of files that may hold a whole model."""
WEIGHTS = (".safetensors",)
SHORTEST = 4
"""Letters of a name that others are looked up for: fewer are in any."""
SOURCES: Registry[Source] = Registry("source", "featuremaps.sources", SourceError)
"""By the word before the colon; each is one file of this folder, which imports its library only when used, or another
package's, found by its entry point."""


def source(name: str) -> Callable[[Source], Source]:
    """Register a source of models, so that `load("name:rest")` works.

    Args:
        name: What stands before the colon.

    Returns:
        A decorator of a function that is given what follows the colon and a file of weights or `None`, and gives
        `Loaded`. One with a parameter `classes` is given the user's too.

    Raises:
        SourceError: The name is taken, or the function has no docstring.
    """

    def register(load: Source) -> Source:
        SOURCES.add(name, load, load)
        return load

    return register


def read(spec: str, weights: Path | None, classes: Sequence[str] | None = None) -> Loaded:
    """Load what `spec` names; `classes` are given to a source that makes something of them.

    `"demo"`, `"demo-leaning"`, `"demo-fixed"`, `"source:name"`, or `"package.module:factory"`, a function without
    arguments that returns a module.
    """
    head, colon, rest = spec.partition(":")
    if spec in BUNDLED:
        head, rest = "demo", spec
    elif _is_model_file(spec):
        head, rest = "file", spec
    elif spec.endswith(".keras") and Path(spec).is_file():
        head, rest = "keras", spec
    elif not colon or not rest:
        raise SourceError(
            f"model {spec!r} is not understood.{_as_file(spec) or _meant(spec)} Give "
            "'demo', 'torchvision:resnet50', 'timm:…', 'hf:…', 'keras:file.keras', 'package.module:factory' or "
            "'file.py:factory'."
        )
    if head in SOURCES:
        load = SOURCES[head]
    elif ".py:" in spec or "." in head or _importable(head):
        load, rest = SOURCES["factory"], spec
    else:
        raise SourceError(
            f"model {spec!r}: there is no source {head!r}.{did_you_mean(head, SOURCES)} Sources are "
            f"{', '.join(SOURCES)}, or 'package.module:factory' for a function of your own."
        )
    asked = {"classes": classes} if "classes" in signature(load).parameters else {}
    loaded = load(rest, weights, **asked)
    if not isinstance(loaded, Loaded):
        raise SourceError(
            f"source {head!r} gave a {type(loaded).__name__}, and a source gives featuremaps.Loaded(model, transform, "
            "classes)."
        )
    return loaded


def full_name(spec: object) -> str:
    """A model's name with its source: torchvision's where one of its names stands alone, and is no file or module.

    `SourceError` for what is no name.
    """
    if not isinstance(spec, str | PathLike):
        raise SourceError(
            f"load takes the name of a model or of its file, got a {type(spec).__name__}. A model that you have "
            "already goes to featuremaps.Scope(model)."
        )
    spec = fspath(spec)
    if spec in BUNDLED or not spec.isidentifier() or Path(spec).exists() or _importable(spec):
        return spec
    from torchvision.models import list_models

    return f"torchvision:{spec}" if spec in list_models() else spec


def _meant(spec: str) -> str:
    """The nearest names of models that can be loaded by name alone; timm's where it is installed."""
    from torchvision.models import list_models

    if len(spec) < SHORTEST:
        return ""
    found = [*nearest(spec, BUNDLED, 1), *(f"torchvision:{name}" for name in nearest(spec, list_models(), 2))]
    if _importable("timm"):
        import timm

        found += [f"timm:{name}" for name in nearest(spec, timm.list_models(), 2)]
    if spec.count("/") == 1:
        found = [f"hf:{spec}"]
    found.sort(key=lambda name: name.rpartition(":")[2].lower() != spec.lower())
    return suggested(found[:3])


def _as_file(spec: str) -> str:
    """What a file that was given as the model is missing."""
    if spec.endswith(".py"):
        return f" Which function in it makes the model? Give '{spec}:function'."
    path = Path(spec)
    if (path / "config.json").is_file():
        return f" Give 'hf:{spec}'."
    if path.is_dir():
        return f" {spec} is a folder: give the file in it."
    if spec.isidentifier() and _importable(spec):
        return f" Which function of the module {spec} makes the model? Give '{spec}:function'."
    module, dot, function = spec.rpartition(".")
    if dot and module.isidentifier() and _importable(module):
        return f" Give '{module}:{function}'."
    if path.suffix in (*MODEL_FILES, *WEIGHTS, ".keras") and not path.is_file():
        return f" There is no file {str(path)!r}."
    if path.is_file() and (what := foreign(path)):
        return f" {spec} is {what}."
    return f" {spec} is a file: give it as weights, beside the model they belong to." if path.is_file() else ""


def _is_model_file(spec: str) -> bool:
    return Path(spec).suffix in MODEL_FILES and Path(spec).is_file()


def _importable(name: str) -> bool:
    """Whether there is such a module, on the path or in the current folder."""
    from importlib.util import find_spec

    here = Path.cwd()
    return find_spec(name) is not None or (here / f"{name}.py").is_file() or (here / name / "__init__.py").is_file()
