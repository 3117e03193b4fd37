"""Weights from a file: safetensors, or a PyTorch file read without running any code in it."""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn

from featuremaps.errors import SourceError, nearest
from featuremaps.session import warnings_ignored

WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "backbone.")
HOLDERS = ("state_dict", "model_state_dict", "model", "net", "ema", "weights")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a file, found also inside training checkpoints; raises `SourceError`."""
    if not path.is_file():
        raise SourceError(f"weights file {str(path)!r} does not exist.")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings_ignored():
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise SourceError(f"weights file {str(path)!r} cannot be read: {_why_unread(path, error)}") from error
    visited: set[int] = set()
    while isinstance(content, Mapping) and id(content) not in visited:
        visited.add(id(content))  # a checkpoint may hold itself
        tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
        content = next((content[key] for key in HOLDERS if isinstance(content.get(key), Mapping)), None)
    raise SourceError(f"weights file {str(path)!r} holds no state dict (a mapping of names to tensors).")


def _why_unread(path: Path, error: Exception) -> str:
    """What kind of file it is that is no state dict, as far as can be told, and the lines that make one of it."""
    names = zipfile.ZipFile(path).namelist() if zipfile.is_zipfile(path) else []
    last = [name.rpartition("/")[2] for name in names]
    if path.is_file() and not path.stat().st_size:
        return "it is empty."
    if "constants.pkl" in last:
        kind, opened = "a TorchScript model", f"torch.jit.load({str(path)!r})"
    elif any("serialized_exported_program" in name or "/models/" in name for name in names):
        kind, opened = "an exported program", f"torch.export.unflatten(torch.export.load({str(path)!r}))"
    elif "data.pkl" in last or (isinstance(error, UnpicklingError) and "GLOBAL" in str(error)):
        kind, opened = (
            "a pickle of more than tensors, such as a whole model",
            (f"torch.load({str(path)!r}, weights_only=False)"),
        )
    else:
        return f"it is no file of weights ({type(error).__name__}: {error})."
    return (
        f"it is {kind}. Only tensors are read, never code. If you trust the file, save its state dict once: "
        f"model = {opened}; torch.save(model.state_dict(), 'weights.pt')."
    )


def fit_weights(model: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights into a model, whatever wrapper's prefix they carry; every tensor must find its place."""
    expected = model.state_dict()
    weights = _unwrapped(weights, set(expected))
    missing = [key for key in expected if key not in weights and not key.endswith("num_batches_tracked")]
    unknown = [key for key in weights if key not in expected]
    shapes = [key for key in weights if key in expected and weights[key].shape != expected[key].shape]
    if missing or unknown or shapes:
        faults = []
        if missing:
            faults.append(f"{len(missing)} missing ({', '.join(missing[:3])}…)")
        if unknown:
            hint = nearest(unknown[0], missing, 1)
            faults.append(f"{len(unknown)} unknown ({', '.join(unknown[:3])}…{f', like {hint[0]}' if hint else ''})")
        if shapes:
            key = shapes[0]
            faults.append(f"{key} is {tuple(weights[key].shape)} and should be {tuple(expected[key].shape)}")
        raise SourceError(f"weights in {str(path)!r} do not fit {type(model).__name__}: {'; '.join(faults)}.")
    model.load_state_dict(dict(weights), strict=False)


def with_weights(build: Callable[..., nn.Module], path: Path) -> tuple[nn.Module, bool]:
    """The model that `build(num_classes=…)` makes, with the weights in a file, and whether these have its own classes.

    It has as many classes as the weights, where that is all that sets them apart from those of `build()`.
    """
    tensors, model = read_weights(path), build()
    expected = model.state_dict()
    weights = _unwrapped(tensors, set(expected))
    differ = {
        weights[key].shape[0]
        for key, value in expected.items()
        if key in weights and weights[key].shape != value.shape and weights[key].shape[1:] == value.shape[1:]
    }
    fits = len(differ) != 1
    model = model if fits else build(num_classes=differ.pop())
    fit_weights(model, tensors, path)
    return model, fits


@contextmanager
def downloading(what: str) -> Iterator[None]:
    """While weights are downloaded; `SourceError` with what to do instead where they cannot be."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"the weights of {what} could not be downloaded ({error}). Give a file instead: "
            "weights='file.safetensors' in Python, --weights FILE on the command line."
        ) from error


def _unwrapped(weights: Mapping[str, Tensor], expected: set[str]) -> Mapping[str, Tensor]:
    """The weights without a prefix that all of them share and the model does not know."""
    changed = True
    while changed and not (set(weights) & expected):
        changed = False
        for prefix in WRAPPERS:
            if weights and all(key.startswith(prefix) for key in weights):
                weights = {key.removeprefix(prefix): value for key, value in weights.items()}
                changed = True
    return weights
