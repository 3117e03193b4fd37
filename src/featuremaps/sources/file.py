"""A whole model in a file, by `torch.save(model)` or `torch.export.save`: opening it runs the code in it."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from featuremaps.errors import SourceError
from featuremaps.session import warnings_ignored
from featuremaps.sources.checkpoint import TRUSTED
from featuremaps.sources.loaded import Loaded
from featuremaps.sources.registry import source


@source("file")
def load(name: str, weights: Path | None) -> Loaded:
    """A file with a module, or with an exported program (`.pt2`), whose layers are put together again."""
    if not Path(name).is_file():
        raise SourceError(f"model file {name!r} does not exist.")
    if not TRUSTED.get() and Path(name).suffix == ".pt2":
        raise SourceError(
            f"{name} is a program by torch.export.save, and opening it may run code that is in it, with your rights on "
            "this machine: if you trust whoever made it, say load(…, trust=True), --trust."
        )
    if not TRUSTED.get():
        raise SourceError(
            f"{name} is a file: give it as weights, beside the model they belong to. If it holds a whole model "
            "(torch.save(model)), opening it runs whatever code is in it, with your rights on this machine: if you "
            "trust whoever made it, say load(…, trust=True), --trust."
        )
    if weights is not None:
        raise SourceError(f"{name} is a whole model and brings its own weights; leave out --weights.")
    content = _opened(Path(name))
    if isinstance(content, dict):
        content = next((content[key] for key in ("ema", "model") if isinstance(content.get(key), nn.Module)), content)
    if not isinstance(content, nn.Module):
        raise SourceError(
            f"{name} holds a {type(content).__name__} and no module: if these are weights, give the file as weights, "
            "beside the model they belong to."
        )
    return Loaded(content.float().eval() if any(p.dtype == torch.half for p in content.parameters()) else content)


def _opened(path: Path) -> Any:
    """What is in a file, an exported program as a module with layers."""
    try:
        with warnings_ignored():
            if path.suffix == ".pt2":
                return torch.export.unflatten(torch.export.load(path))
            return torch.load(path, map_location="cpu", weights_only=False)
    except (AttributeError, ModuleNotFoundError) as error:
        raise SourceError(
            f"{str(path)!r} needs the code that its model was made with ({error}): a file of torch.save(model) holds "
            "names of classes, not their code. Make them importable, or define them in __main__, as they were."
        ) from error
    except Exception as error:
        raise SourceError(f"{str(path)!r} cannot be opened ({type(error).__name__}: {error}).") from error
