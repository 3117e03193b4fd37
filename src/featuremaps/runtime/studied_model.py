"""The model under study, without verbs: the module with its preprocessing and class names, and which layers it has."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor, nn

from featuremaps.errors import OptionError
from featuremaps.layers import LayerInfo, Layers, is_layer, walk
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import see
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.memory_format import run_on
from featuremaps.session import in_turn, preserved


@dataclass(frozen=True, eq=False)
class StudiedModel:
    """A model, what it is given and what it answers; `classes` names its outputs in order, where that is known.

    Its layers are found by running it once, and remembered until the inputs' size or the model's modules change.
    """

    model: nn.Module
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    classes: tuple[str, ...] | None = None
    name: str = ""
    _walks: dict[tuple[int, ...], Layers] = field(default_factory=dict, repr=False)

    def blank(self) -> Tensor:
        """A grey picture (1, channel, height, width) as the transform makes it, where nobody gave a picture."""
        if self.preprocessing.transform is not None:
            grey = Image.new("RGB", (256, 256), (128, 128, 128))
            return see(grey, self.preprocessing).seen[0].input[None]
        weights = [parameter for parameter in self.model.parameters() if parameter.ndim == 4]
        return torch.full((1, weights[0].shape[1] if weights else 3, 224, 224), 0.5)

    def walk(self, inputs: Tensor) -> Layers:
        """The layers that run for inputs of this size; `ModelError` for a model that takes more than pictures."""
        key = (*inputs.shape[1:], *map(id, self.model.modules()))
        with in_turn(self.model):
            if key not in self._walks:
                self._walks.clear()
                with preserved(self.model), run_on(self.model, inputs):
                    self._walks[key] = walk(self.model, to_model(self.model, inputs))
            return self._walks[key]

    def resolve(self, layers: str | Sequence[str], inputs: Tensor, run: bool = False) -> list[str]:
        """Exact names of the layers asked for; the model is run to find them only where a name alone does not do."""
        patterns = [layers] if isinstance(layers, str) else list(layers)
        if not patterns:
            raise OptionError("no layer was given; 'last' is the last one whose output is still a map.")
        if not run and all(is_layer(self.model, pattern) for pattern in patterns):
            return list(dict.fromkeys(patterns))
        return self.walk(inputs).resolve(patterns)

    def deeper(self, layer: str, inputs: Tensor) -> tuple[str, ...]:
        """The last layer of every coarser map size that comes after `layer`."""
        layers = self.walk(inputs)
        asked = layers[layer]
        return tuple(
            stage
            for stage in layers.stages
            if layers[stage].order > asked.order and _positions(layers[stage]) < _positions(asked)
        )


def _positions(layer: LayerInfo) -> int:
    return math.prod(layer.size or ())
