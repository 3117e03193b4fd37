"""Which layers a model has for given inputs: found by running it once, remembered, and named as the user names them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor, nn

from featuremaps.errors import OptionError
from featuremaps.layers import LayerInfo, Layers, is_layer, walk
from featuremaps.running import run_on
from featuremaps.sight import see
from featuremaps.state import preserved
from featuremaps.tapping import to_model
from featuremaps.view import Preprocessing


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The layers of one model. A walk is remembered until the inputs' size or the model's modules change."""

    model: nn.Module
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    _known: dict[tuple[int, ...], Layers] = field(default_factory=dict, repr=False)

    def blank(self) -> Tensor:
        """A grey picture as the transform makes it, to run the model on when nobody gave one."""
        if self.preprocessing.transform is not None:
            grey = Image.new("RGB", (256, 256), (128, 128, 128))
            return see(grey, self.preprocessing).seen[0].input[None]
        weights = [p for p in self.model.parameters() if p.ndim == 4]
        return torch.full((1, weights[0].shape[1] if weights else 3, 224, 224), 0.5)

    def walk(self, inputs: Tensor) -> Layers:
        """The layers that run for inputs of this size; `ModelError` for a model that takes more than pictures."""
        key = (*inputs.shape[1:], *map(id, self.model.modules()))
        if key not in self._known:
            self._known.clear()
            with preserved(self.model), run_on(self.model, inputs):
                self._known[key] = walk(self.model, to_model(self.model, inputs))
        return self._known[key]

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
        own = layers[layer]
        return tuple(
            stage
            for stage in layers.stages
            if layers[stage].order > own.order and _positions(layers[stage]) < _positions(own)
        )


def _positions(layer: LayerInfo) -> int:
    return math.prod(layer.size or ())
