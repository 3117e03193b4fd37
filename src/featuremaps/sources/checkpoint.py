"""Weights from a file: safetensors, or a PyTorch file read without running any code in it."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from featuremaps.errors import SourceError, nearest

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
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise SourceError(
            f"weights file {str(path)!r} cannot be read: {error}. Only tensors are read, never code; save a state dict "
            "with safetensors.torch.save_file or torch.save(model.state_dict(), …)."
        ) from error
    while isinstance(found, Mapping) and not any(isinstance(value, Tensor) for value in found.values()):
        inner = next((found[key] for key in HOLDERS if isinstance(found.get(key), Mapping)), None)
        if inner is None:
            break
        found = inner
    if not isinstance(found, Mapping) or not any(isinstance(value, Tensor) for value in found.values()):
        raise SourceError(f"weights file {str(path)!r} holds no state dict (a mapping of names to tensors).")
    return {str(key): value for key, value in found.items() if isinstance(value, Tensor)}


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


def class_count(model: nn.Module, weights: Mapping[str, Tensor]) -> int | None:
    """How many classes the weights were trained for, where that is all that sets them apart from the model's own."""
    expected = model.state_dict()
    weights = _unwrapped(weights, set(expected))
    differ = {
        weights[key].shape[0]
        for key, own in expected.items()
        if key in weights and weights[key].shape != own.shape and weights[key].shape[1:] == own.shape[1:]
    }
    return differ.pop() if len(differ) == 1 else None


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
