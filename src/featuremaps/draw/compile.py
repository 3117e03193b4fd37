"""A model compiled as far as the layers that are looked at, for drawings of many steps."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.errors import FeatureMapsError, ModelError
from featuremaps.layers.addresses import Address
from featuremaps.session import warnings_ignored


class Compiled:
    """`torch.compile` of the part of a model up to some layers; compiling takes a minute, each step less after it.

    Layers are cut out of a trace by torchvision's feature extraction; outputs alone are those of the whole model.
    Raises `ModelError` for a model that cannot be traced or compiled here.
    """

    def __init__(self, model: nn.Module, layers: Sequence[Address], outputs: bool) -> None:
        self.outputs = outputs
        if layers and (outputs or any(address.call is not None for address in layers)):
            raise ModelError(
                "compile=True draws layers or classes, not sums of both, nor single calls of a module that runs "
                "several times; draw them without it."
            )
        try:
            part = _cut(model, [address.layer for address in layers]) if layers else model
            self._run = torch.compile(lambda inputs: part(inputs))  # compiling a module itself would mark it
        except Exception as error:
            raise _cannot(error) from error

    def __call__(self, inputs: Tensor) -> Any:
        """The layers' outputs by name, or the model's own."""
        try:
            with warnings_ignored():  # the compiler's own, about what is not the user's
                return self._run(inputs)
        except (FeatureMapsError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise _cannot(error) from error


def _cut(model: nn.Module, layers: Sequence[str]) -> nn.Module:
    from torchvision.models.feature_extraction import create_feature_extractor

    return create_feature_extractor(model, {layer: layer for layer in layers})


def _cannot(error: Exception) -> ModelError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return ModelError(
        f"this model cannot be compiled here ({type(error).__name__}: {first}). Draw without compile=True."
    )
