"""What is known about a model's layers: found by running it once for each size of picture, and remembered."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from featuremaps.layers.discover import walk
from featuremaps.layers.info import LayerInfo
from featuremaps.layers.listing import Layers
from featuremaps.session import Beside, in_turn, unwrapped

Key = tuple[object, ...]
MOST = 16
"""Sizes that are remembered for a model."""

_WALKS: Beside[dict[Key, Layers]] = Beside()


def _of_any_size(model: nn.Module, names: Sequence[str], inputs: Tensor) -> Layers | None:
    """A walk for pictures of another size that says all that is asked about these layers, if there is one."""
    walks, key = _WALKS.get(unwrapped(model), dict), _key(model, inputs)
    if key in walks:
        return None
    axes = inputs.ndim - 1
    for known, layers in list(walks.items()):
        infos = [layers.get(name) for name in names]
        spatial = all(info is not None and info.layout and info.layout.kind != "tokens" for info in infos)
        if spatial and known[0] == key[0] and known[axes:] == key[axes:]:
            return layers
    return None


def _key(model: nn.Module, inputs: Tensor) -> Key:
    return (*inputs.shape[1:], *map(id, unwrapped(model).modules()))


def known_layers(model: nn.Module, inputs: Tensor) -> Layers:
    """The layers that run for pictures of this size, `inputs` on the model's device; the model is run if need be."""
    model = unwrapped(model)
    walks, key = _WALKS.get(model, dict), _key(model, inputs)
    with in_turn(model):
        if key not in walks:
            if walks and (len(walks) >= MOST or next(iter(walks))[inputs.ndim - 1 :] != key[inputs.ndim - 1 :]):
                walks.clear()  # other modules, or too many sizes
            walks[key] = walk(model, inputs[:1])
        return walks[key]


def known_infos(model: nn.Module, names: Iterable[str], inputs: Tensor) -> dict[str, LayerInfo]:
    """What is known of these layers; those that do not run for such pictures, or while exporting, are left out.

    For pictures of another size the model is run again only where a layer gives tokens, whose grid depends on it.
    """
    if torch.compiler.is_exporting() or not (wanted := list(names)):
        return {}
    layers = _of_any_size(model, wanted, inputs) or known_layers(model, inputs)
    return {name: info for name in wanted if (info := layers.get(name)) is not None}
