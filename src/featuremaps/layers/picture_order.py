"""Whether layers give their maps in the order of the pictures, seen by running one alone and then as the last of three.

A model may sort its batch, or turn it round, and put the scores back in order: its layers then have other rows.
"""

from collections import Counter
from collections.abc import Mapping

import torch
from torch import Tensor

from featuremaps.errors import LayoutError
from featuremaps.layers.model_ends import main_tensor

SAMPLED = 256
"""So many values of a picture's maps tell them from another picture's."""


class PictureOrder:
    """What each call of each layer gave for one picture alone, and for it behind others; some values of each.

    `batch_axes` says along which axis the pictures of a call lie, where that is not the first.
    """

    def __init__(self, batch_axes: Mapping[tuple[str, int], int]) -> None:
        self._axes = batch_axes
        self._runs: list[dict[tuple[str, int], Tensor]] = []
        self._calls: Counter[str] = Counter()

    def begin(self) -> None:
        """Another run is heard from here on."""
        self._runs.append({})
        self._calls.clear()

    def hear(self, name: str, module: object, args: object, output: object) -> None:
        """A forward hook of the layer of this name."""
        tensor, call = main_tensor(output), self._calls[name]
        self._calls[name] += 1
        if tensor is not None and tensor.ndim > 1 and tensor.numel() and tensor.is_floating_point():
            values = tensor.detach().movedim(self._axes.get((name, call), 0), 0).flatten(1)
            step = -(-values.shape[1] // SAMPLED)
            self._runs[-1][name, call] = values[:, ::step].clone()

    def changed(self, pictures: int) -> set[tuple[str, int]]:
        """The calls in which the last of so many pictures has another one's row."""
        if len(self._runs) < 2:
            return set()
        alone, behind = self._runs
        return {call for call in alone.keys() & behind.keys() if _elsewhere(alone[call], behind[call], pictures)}

    def without(self, pictures: int) -> set[tuple[str, int]]:
        """The calls with an axis of their own for the pictures that has not as many places as there are pictures."""
        if len(self._runs) < 2:
            return set()
        behind = self._runs[1]
        return {call for call in self._axes if call in behind and len(behind[call]) != pictures}


def _elsewhere(alone: Tensor, behind: Tensor, pictures: int) -> bool:
    if len(alone) != 1 or len(behind) != pictures or alone.shape[1] != behind.shape[1]:
        return False
    close = 3 * torch.finfo(alone.dtype).eps ** 0.5 * float(alone.abs().max())
    same = ((behind - alone).abs().amax(1) <= close).tolist()
    return any(same) and not same[-1]


def out_of_order(name: str, *, edited: bool = False) -> LayoutError:
    """Why several pictures, or several edits of one, are not read off a layer that puts them in another order."""
    way = (
        "choose a method that edits no maps, such as 'grad_cam'" if edited else "give them one at a time: batch_size=1"
    )
    return LayoutError(
        f"layer {name!r} gives its maps in another order than that of the pictures: the model puts its batch in "
        f"another order before it (a sort, an index, a flip). Choose a layer before that, or {way}."
    )
