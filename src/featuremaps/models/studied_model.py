"""The model under study, without verbs: the module with its preprocessing and class names, and which layers it has."""

import math
import reprlib
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from PIL import Image
from torch import Tensor, nn

from featuremaps.errors import LayerNotFoundError, OptionError
from featuremaps.layers import LayerInfo, Layers, is_layer
from featuremaps.layers.directions import Directed
from featuremaps.layers.given import GivenLayout
from featuremaps.layers.known import known_layers, size_known
from featuremaps.models.input_form import channels_of
from featuremaps.options import OutputKind
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import see
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.run_errors import run_on
from featuremaps.session import Session, preserved, unwrapped

SIDES = {2: (1024,), 3: (224, 224), 4: (32, 64, 64)}
"""The size of a blank input with so many axes."""
LayerLike = str | nn.Module | LayerInfo
"""A layer: by its address, as the module itself, or as `scope.layers()` lists it."""


@dataclass(frozen=True, eq=False)
class StudiedModel:
    """A model, what it is given and what it answers; `classes` names its outputs in order, where that is known.

    Its layers are found by running it once for each size of picture, and remembered; `layout` is how the user says that
    they lie, and `outputs` what its class scores are.
    """

    model: nn.Module
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    classes: tuple[str, ...] | None = None
    name: str = ""
    layout: GivenLayout | None = None
    outputs: OutputKind | None = None

    @property
    def class_outputs(self) -> ClassOutputs:
        """The names of its outputs and what they are, as far as that is known."""
        return ClassOutputs(self.classes, self.outputs)

    def session(self) -> AbstractContextManager[Session]:
        """The model in evaluation mode, as it was afterwards; see `preserved`."""
        return preserved(self.model, self.layout)

    def blank(self, size: tuple[int, int] | None = None) -> Tensor:
        """A grey picture (1, channel, height, width) as the transform makes it, where nobody gave a picture.

        Of the transform's own size, or 224 × 224, unless `size` (height, width) is given.
        """
        if self.preprocessing.transform is not None and not self.preprocessing.assumed:
            grey = Image.new("RGB", (256, 256), (128, 128, 128))
            made = see(grey, self.preprocessing).seen[0].input[None]
            return made if size is None else made[:, :, :1, :1].repeat(1, 1, *size)
        axes, shape = self.preprocessing.form.axes, self.preprocessing.form.shape
        if shape is not None:
            usual = (3, *(size or SIDES[axes]))
            return torch.full((1, *(length or other for length, other in zip(shape, usual, strict=True))), 0.5)
        channels = channels_of(self.model, self.preprocessing.form)
        return torch.full((1, channels, *(size or SIDES[axes])), 0.5, device="cpu", dtype=torch.float32)

    def usual(self) -> Tensor:
        """A blank picture of the size that the model was looked at last, which it takes; or as `blank` without any."""
        size = size_known(self.model, self.layout)
        return self.blank() if size is None else torch.full((1, *size), 0.5, device="cpu", dtype=torch.float32)

    def walk(self, inputs: Tensor) -> Layers:
        """The layers that run for inputs of this size; `ModelError` for a model that takes more than pictures."""
        with run_on(self.model, inputs[:1]):
            return known_layers(self.model, to_model(self.model, inputs), self.layout)

    def named(self, layers: object) -> str | list[str]:
        """Layers by their addresses, however they were given: one, or a list of several.

        Raises `LayerNotFoundError` for a module that is not the model's, `OptionError` for something else.
        """
        if isinstance(layers, str):
            return layers
        if isinstance(layers, LayerInfo):
            return layers.name
        if isinstance(layers, nn.Module):
            return self._name_of(unwrapped(layers))
        if not isinstance(layers, Iterable) or isinstance(layers, bytes | Tensor):
            raise OptionError(
                f"{reprlib.repr(layers)} is no layer: a layer is named by a text ('layer4', 'last', a glob such as "
                "'layer*') or given as the module itself. scope.layers() lists them all."
            )
        return [self.one_named(layer) for layer in layers]

    def named_or_directed(self, layers: object) -> list[str | Directed]:
        """The same as a list, in which directions may stand too, as they are."""
        if isinstance(layers, Directed):
            return [layers]
        if isinstance(layers, list | tuple):
            return [each if isinstance(each, Directed) else self.one_named(each) for each in layers]
        names = self.named(layers)
        return [names] if isinstance(names, str) else [*names]

    def one_named(self, layer: object) -> str:
        """The address of the one layer given; `OptionError` for several."""
        name = self.named(layer)
        if isinstance(name, list) and len(name) != 1:
            raise OptionError(f"one layer is taken here, and {len(name)} were given: {', '.join(name) or 'none'}.")
        return name if isinstance(name, str) else name[0]

    def _name_of(self, module: nn.Module) -> str:
        names: dict[nn.Module, str] = {known: name for name, known in self.model.named_modules()}
        name = names.get(module)
        if name:
            return name
        kind, what = type(module).__name__, "the whole model" if name == "" else "no part of this model (of a copy?)"
        raise LayerNotFoundError(
            f"the {kind} that was given as a layer is {what}. Give a module inside {type(self.model).__name__}, such "
            "as model.layer4, or its name; scope.layers() lists them all."
        )

    def resolve(self, layers: str | Sequence[str], inputs: Tensor) -> list[str]:
        """Exact names of the whole layers asked for, as they run for such pictures; `OptionError` for one channel."""
        patterns = [layers] if isinstance(layers, str) else list(layers)
        if not patterns:
            raise OptionError("no layer was given; 'last' is the last one whose output is still a map.")
        known = self.walk(inputs)
        if not all(is_layer(self.model, pattern) for pattern in patterns):
            _check_whole(patterns, known)
            return known.resolve(patterns)
        return list(dict.fromkeys(known.name_of(pattern) for pattern in patterns))

    def resolve_fused(
        self, layers: str | Sequence[str], inputs: Tensor
    ) -> tuple[list[str], dict[str, tuple[str, ...]]]:
        """As `resolve`, where a name may stand for several layers whose maps are added up; and which these are.

        "last" of a detector that reads maps of several strides is "levels", all of them.
        """
        patterns = [layers] if isinstance(layers, str) else list(layers)
        if all(is_layer(self.model, pattern) for pattern in patterns):
            return self.resolve(patterns, inputs), {}
        known = self.walk(inputs)
        fused = {name: levels for name, levels in map(known.fused, patterns) if len(levels) > 1}
        single = [pattern for pattern in patterns if len(known.fused(pattern)[1]) < 2]
        names = self.resolve(single, inputs) if single or not fused else []
        return [*names, *fused], fused

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


def _check_whole(layers: Sequence[str], known: Layers) -> None:
    """`OptionError` for one channel of a layer: what was asked of it would be given of the whole layer."""
    for text in layers:
        layer, _, channel = text.rpartition(":")
        if layer and channel.isdecimal() and known.get(text) is None:
            raise OptionError(
                f"{text!r} is one channel, and whole layers are taken here: {layer!r}. scope.maps shows where a "
                "channel responds; to see what it looks for, draw it."
            )
