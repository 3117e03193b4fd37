"""A model from the user's own code: `"package.module:factory"`."""

import sys
from importlib import import_module
from pathlib import Path

from torch import nn

from featuremaps.errors import SourceError, did_you_mean
from featuremaps.sources.checkpoint import fit_weights, read_weights
from featuremaps.sources.loaded import Loaded
from featuremaps.sources.registry import source


@source("factory")
def load(spec: str, weights: Path | None) -> Loaded:
    """Call `factory()` in `package.module`, found on the path or in the current folder.

    It returns a `torch.nn.Module`, or a tuple (module, transform) or (module, transform, classes).
    """
    module_name, _, factory_name = spec.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = import_module(module_name)
    except ImportError as error:
        raise SourceError(f"module {module_name!r} cannot be imported: {error}.") from error
    finally:
        sys.path.remove(str(Path.cwd()))
    factory = getattr(module, factory_name, None)
    if factory is None:
        raise SourceError(f"module {module_name!r} has no {factory_name!r}.{did_you_mean(factory_name, dir(module))}")
    made = factory() if callable(factory) and not isinstance(factory, nn.Module) else factory
    parts = made if isinstance(made, tuple) else (made,)
    if not isinstance(parts[0], nn.Module):
        raise SourceError(
            f"{spec} gave a {type(parts[0]).__name__}; a factory returns a torch.nn.Module, or a tuple "
            "(module, transform) or (module, transform, classes)."
        )
    if weights is not None:
        fit_weights(parts[0], read_weights(weights), weights)
    return Loaded(*parts[:3])
