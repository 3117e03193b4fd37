"""A model from the user's own code: `"package.module:factory"` or `"file.py:factory"`."""

import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from featuremaps.errors import FeatureMapsWarning, SourceError, did_you_mean
from featuremaps.sources.checkpoint import fit_weights, read_weights
from featuremaps.sources.loaded import Loaded
from featuremaps.sources.registry import source


@source("factory")
def load(spec: str, weights: Path | None) -> Loaded:
    """Call `factory()` in `package.module`, found on the path or in the current folder, or in `file.py`.

    It returns a `torch.nn.Module`, or a tuple (module, transform) or (module, transform, classes).
    """
    factory = what_is_named(spec, f"model {spec!r}")
    with _code_of(f"{spec}()"):
        made = factory() if callable(factory) and not isinstance(factory, nn.Module) else factory
    parts = made if isinstance(made, tuple) else (made,)
    if not isinstance(parts[0], nn.Module):
        raise SourceError(
            f"{spec} gave a {type(parts[0]).__name__}; a factory returns a torch.nn.Module, or a tuple "
            "(module, transform) or (module, transform, classes)."
        )
    if weights is None and isinstance(factory, type):
        warnings.warn(
            f"{spec} is a class, and no weights were given: unless it loads its own, they are random. Give them with "
            "weights='file.pt', --weights file.pt.",
            FeatureMapsWarning,
            stacklevel=2,
        )
    if weights is not None:
        fit_weights(parts[0], read_weights(weights), weights)
    return Loaded(*parts[:3])


def what_is_named(spec: str, what: str) -> Any:
    """What `"package.module:name"` or `"file.py:name"` names in the user's own code; `what` it is for, in errors.

    Raises `SourceError` where there is no such module, file or name, or where it cannot be imported.
    """
    module_name, colon, name = spec.rpartition(":")
    if not (module_name and colon and name):
        raise SourceError(f"{what} is not understood; write package.module:name or file.py:name.")
    with _code_of(what):
        module = _imported(module_name)
    named = getattr(module, name, None)
    if named is None:
        raise SourceError(f"module {module_name!r} has no {name!r}.{did_you_mean(name, dir(module))}")
    return named


@contextmanager
def _code_of(what: str) -> Iterator[None]:
    """While the user's code runs: its errors are `SourceError`s that say where; path and folder stay as they were."""
    here, path = Path.cwd(), list(sys.path)
    sys.path.insert(0, str(here))
    try:
        yield
    except SourceError:
        raise
    except (Exception, SystemExit) as error:
        lines = [f for f in traceback.extract_tb(error.__traceback__)[1:] if not f.filename.startswith(("<", __file__))]
        where = f" ({lines[-1].filename}, line {lines[-1].lineno})" if lines else ""
        raise SourceError(
            f"{what} could not be made: {type(error).__name__}: {error}{where}. The module is looked for on the path "
            "and in the current folder, and the function that makes a model is called without arguments."
        ) from error
    finally:
        sys.path[:] = path
        os.chdir(here)


def _imported(name: str) -> ModuleType:
    """The module of a dotted name, or in a file that ends in .py, which may import from its own folder."""
    if not name.endswith(".py"):
        return import_module(name)
    file = Path(name).expanduser().absolute()
    if not file.is_file():
        raise SourceError(f"there is no file {str(file)!r}.")
    sys.path.insert(0, str(file.parent))
    own_name = "_".join(file.with_suffix("").parts[1:])  # a file of the same name elsewhere may be imported already
    described = spec_from_file_location(own_name, file)
    assert described is not None
    assert described.loader is not None
    module = sys.modules[own_name] = module_from_spec(described)
    described.loader.exec_module(module)
    return module
