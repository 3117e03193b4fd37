"""Where the pictures stand in a tensor inside a model, and a picture beside its baseline there.

A batch of pairs is picture, baseline, picture, baseline, …, so that every tensor of a forward pass holds both halves.
"""

import torch
from jaxtyping import Shaped
from torch import Tensor, nn


def interleaved(pictures: Shaped[Tensor, "batch *rest"], baselines: Shaped[Tensor, "batch *rest"]) -> Tensor:
    """Each picture followed by its baseline, (batch·2, …)."""
    return torch.stack([pictures, baselines], 1).flatten(0, 1)


def by_picture(values: Tensor, rows: int) -> Tensor | None:
    """A view (rows, anything, …) of values that belong to `rows` pictures; None where their axis cannot be told.

    The first axis is the batch, alone or with windows or heads folded in after it; in (token, picture, channel) it
    is the second.
    """
    if values.ndim and values.shape[0] == rows:
        return values
    if values.ndim == 3 and values.shape[1] == rows:
        return values.movedim(1, 0)
    if values.ndim and values.shape[0] and values.shape[0] % rows == 0:
        return values.unflatten(0, (rows, -1))
    return None


def swapped(values: Tensor, rows: int) -> Tensor | None:
    """The values with each picture's and its baseline's exchanged; None where their axis cannot be told."""
    pairs = by_picture(values, rows)
    if pairs is None:
        return None
    exchanged: Tensor = pairs.unflatten(0, (-1, 2)).flip(1).flatten(0, 1)
    return exchanged.movedim(0, 1) if values.shape[0] % rows else exchanged.reshape(values.shape)


def is_constant(operand: object) -> bool:
    """Whether an operand is a number or weight, the same whatever the picture; a gradient does not reach it."""
    if not isinstance(operand, Tensor):
        return True
    base = operand if operand._base is None else operand._base
    return not operand.requires_grad or isinstance(base, nn.Parameter)
