"""Keras 3 models on the torch backend, where a model is an ordinary torch module whose layers can be recorded."""

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import SourceError
from featuremaps.sources.loaded import Loaded, needs_package
from featuremaps.sources.registry import source


class ChannelsFirst(nn.Module):
    """A Keras model that takes pictures (batch, channel, height, width), its layers under their Keras names."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({layer.name.replace(".", "_"): layer for layer in model.layers})
        self._model = [model]  # in a list: registered once, through its layers

    def forward(self, inputs: Tensor) -> Any:
        """The model's outputs for pictures in PyTorch's order of axes."""
        return self._model[0](inputs.movedim(1, -1))


@source("keras")
def load(name: str, weights: Path | None) -> Loaded:
    """A `.keras` file, read in safe mode; pictures are resized to the model's input and given as 0..1."""
    if weights is not None:
        raise SourceError("a .keras file brings its own weights; leave out --weights.")
    if not Path(name).is_file():
        raise SourceError(f"Keras file {name!r} does not exist.")
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = needs_package("keras")
    if keras.backend.backend() != "torch":
        started = "it was imported before" if "keras" in sys.modules else "KERAS_BACKEND says so"
        raise SourceError(
            f"Keras runs on {keras.backend.backend()} ({started}); set KERAS_BACKEND=torch and start again."
        )
    try:
        model = keras.saving.load_model(name, safe_mode=True, compile=False)
    except Exception as error:
        raise SourceError(f"Keras file {name!r} cannot be loaded: {error}") from error
    _, height, width, _ = model.input_shape
    return Loaded(ChannelsFirst(model).eval(), _resize(height, width))


def _resize(height: int | None, width: int | None) -> Any:
    from torchvision.transforms import v2

    steps: list[nn.Module] = [v2.Resize((height, width), antialias=True)] if height and width else []
    return v2.Compose([*steps, v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
