"""Directions in a layer's channels that may stand where a unit does, and whether they mean anything in a model."""

import hashlib
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from featuremaps.errors import OptionError
from featuremaps.layers.listing import Layers


@runtime_checkable
class Directed(Protocol):
    """Whatever stands for one direction in a layer: a concept, or a shortcut that was found.

    `vector` (channel,) has length 1; `origin` is where on it counts as 0. `weights` tells the model apart, see
    `weights_up_to`; "" where that is not known.
    """

    @property
    def layer(self) -> str:
        """The layer's address."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def vector(self) -> Float[Tensor, " channel"]:
        """The direction."""
        ...

    @property
    def origin(self) -> float:
        """The projection that counts as 0."""
        ...

    @property
    def weights(self) -> str:
        """The digest of the weights that its layer depends on."""
        ...


def check_directions(given: object, layers: Layers, model: nn.Module) -> None:
    """Raises `OptionError` for a direction, alone or in a list, that was found in another model or layer."""
    if isinstance(given, Directed):
        _check(given, layers, model)
    elif isinstance(given, Sequence) and not isinstance(given, str):
        for each in given:
            if each is not given:
                check_directions(each, layers, model)


def _check(given: Directed, layers: Layers, model: nn.Module) -> None:
    info, channels = layers.get(given.layer), len(given.vector)
    if info is None or info.channels != channels:
        what = "there is no such layer" if info is None else f"that layer has {info.channels or 'no'} channels"
        raise OptionError(
            f"{given.name!r} is a direction in the {channels} channels of {given.layer}, and in {layers.model} {what}: "
            "it was found in another model. Find it in this one."
        )
    if given.weights and given.weights != weights_up_to(model, layers, given.layer):
        raise OptionError(
            f"{given.name!r} was found in a {layers.model} with other weights up to {given.layer}, where the same "
            "channel means something else. Find it in this model."
        )


def weights_up_to(model: nn.Module, layers: Layers, layer: str) -> str:
    """A digest of the weights of all modules that have run when this layer has, as float32 and wherever they are.

    What comes after the layer, such as a head that is trained anew, is not in it.
    """
    last = layers[layer].order
    before = {info.module_name for info in layers if info.order <= last} - {""}
    sha = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and name.rpartition(".")[0] in before:
            sha.update(f"{name} {tuple(tensor.shape)}".encode())
            sha.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()
