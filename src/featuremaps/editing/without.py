"""From what a user wants gone to edits: units by their addresses, directions, findings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.editing.edits import Edit, NewWeights, Removal, channel_axis, channels_out
from featuremaps.errors import LayerNotFoundError, OptionError
from featuremaps.layers import Layers
from featuremaps.layers.addresses import parse

Means = Callable[[str], Float[Tensor, " channel"]]
"""A layer's mean activation of each channel, over some pictures."""


@runtime_checkable
class Removable(Protocol):
    """Whatever knows how it is taken out of a model: a shortcut that was found, a concept."""

    @property
    def removal(self) -> Removal:
        """The edit that takes it out."""
        ...


def edits_of(what: object, layers: Layers, means: Means | None = None) -> tuple[Edit, ...]:
    """The edits that take out units ("layer4:12"), directions, findings, or several of them.

    Units are held at 0, or at their layer's `means`. Raises `LayerNotFoundError` for a unit that is not there,
    `OptionError` for something that cannot be taken out.
    """
    if isinstance(what, Removable):
        return edits_of(what.removal, layers, means)
    if isinstance(what, Removal) and not len(what.directions):
        raise OptionError(
            f"{what.name!r}: no direction of layer {what.layer!r} goes with it, so none can be taken out."
        )
    if isinstance(what, Removal | NewWeights):
        return (what,)
    if isinstance(what, str):
        return _units([what], layers, means)
    if not isinstance(what, Sequence) or not what:
        raise OptionError(
            f"{what!r} cannot be taken out of a model. Give units such as 'layer4:12', a direction (direction_out), a "
            "shortcut that was found, or a list of them."
        )
    texts = [item for item in what if isinstance(item, str)]
    others = [edit for item in what if not isinstance(item, str) for edit in edits_of(item, layers, means)]
    return (*(_units(texts, layers, means) if texts else ()), *others)


def axes_of(edits: Sequence[Edit], layers: Layers) -> Mapping[str, int]:
    """Along which axis each edited layer has its channels; an error where it cannot be edited."""
    axes = {}
    for edit in edits:
        if not isinstance(edit, Removal):
            continue
        info = layers[edit.layer]
        if info.calls > 1:
            raise OptionError(
                f"{info.module_name!r} runs {info.calls} times, and an edit of it would change every run. Edit the "
                "block that it is in."
            )
        if info.layout is None:
            raise OptionError(
                f"layer {edit.layer!r} gives no maps ({info.note or 'no channels'}): nothing to take out."
            )
        if info.layout.channels != edit.directions.shape[1]:
            raise OptionError(
                f"{edit.name!r} is of {edit.directions.shape[1]} channels, and layer {edit.layer!r} has "
                f"{info.layout.channels}: it was found in another model or layer."
            )
        axes[edit.layer] = channel_axis(edit.layer, info.layout)
    return axes


def _units(texts: Sequence[str], layers: Layers, means: Means | None) -> tuple[Removal, ...]:
    """One edit for each layer that has units among these."""
    by_layer: dict[str, list[int]] = {}
    for unit in layers.units([_whole(text) for text in texts]):
        assert unit.channel is not None
        channels = by_layer.setdefault(unit.name, [])
        channels += [unit.channel] if unit.channel not in channels else []
    removals = []
    for layer, channels in by_layer.items():
        count = layers[layer].channels
        if count is None:
            raise OptionError(f"layer {layer!r} gives no maps ({layers[layer].note}): it has no channels to take out.")
        values = None if means is None else means(layer)[torch.tensor(channels)].tolist()
        removals.append(channels_out(layer, channels, count, values))
    return tuple(removals)


def _whole(text: str) -> str:
    if parse(text).channel is None:
        raise LayerNotFoundError(
            f"{text!r} is a whole layer, and without it there is no model. Name channels of it: {text + ':0'!r}."
        )
    return text
