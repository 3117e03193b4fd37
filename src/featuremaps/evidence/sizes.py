"""Whether the tensors that a measure is given belong together: the same pictures, and the same places of each."""

from collections.abc import Mapping

import torch
from torch import Tensor

from featuremaps.errors import MethodError

MAPS = ("heatmap", "mosaic", "random_label_heatmap", "masks", "cells")
"""Needs that are (batch, *space)."""


def check_sizes(who: str, needs: Mapping[str, object]) -> None:
    """`MethodError` where maps, masks and inputs are of other pictures or sizes, or masks are not true and false."""
    tensors = {name: value for name in MAPS if isinstance(value := needs.get(name), Tensor)}
    sizes = {name: tuple(value.shape) for name, value in tensors.items()}
    inputs, target = needs.get("inputs"), needs.get("target")
    if isinstance(inputs, Tensor) and sizes:
        sizes["inputs"] = (*inputs.shape[:1], *inputs.shape[2:])
    if isinstance(target, Tensor) and sizes:
        sizes["target"] = (*target.shape, *next(iter(sizes.values()))[1:])
    if len(set(sizes.values())) > 1 or any(len(size) < 2 for size in sizes.values()):
        given = [f"{name} {tuple(each.shape)}" for name in sizes if isinstance(each := needs[name], Tensor)]
        raise MethodError(
            f"{who} takes maps and masks (batch, *space) of the size of the inputs (batch, colour, *space), and one "
            f"target for each; got {', '.join(given)}."
        )
    for name in ("masks", "cells"):
        if name in tensors and tensors[name].dtype != torch.bool:
            raise MethodError(
                f"{who} takes {name} that are true inside (torch.bool); got {tensors[name].dtype}. Say which values "
                f"are inside: {name} > 0."
            )
