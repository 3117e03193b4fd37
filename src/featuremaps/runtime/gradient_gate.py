"""A gate in a model's graph: while it is closed, nothing is sent back beyond it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass
class Gate:
    """Whether gradients pass; it may be in many places of a graph at once."""

    open: bool = True

    def at(self, tensor: Tensor) -> Tensor:
        """The same tensor behind the gate."""
        return _Passage.apply(tensor, self)


class _Passage(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor, gate: Gate) -> Tensor:
        ctx.gate = gate
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return gradient if ctx.gate.open else None, None
