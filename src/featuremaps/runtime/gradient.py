"""Gradients with respect to tensors of a run, what is said where a model lets none through, and a gate for them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from featuremaps.errors import ModelError


def sent_back(
    values: Tensor, leaves: Sequence[Tensor], start: Tensor | None = None, *, retain_graph: bool = False
) -> tuple[Tensor | None, ...]:
    """What `start`, by default 1 for each of `values`, sends back to each leaf; None where nothing arrives.

    `ModelError` for a model that checkpoints a part of itself in a way that gradients or rules cannot go through, or
    that overwrites values which they need.
    """
    with torch.enable_grad():
        # The same as `grad_outputs=start`, for which torch loads its symbolic shapes first: half a second, once.
        total = values.sum() if start is None else (values * start).sum()
    try:
        return torch.autograd.grad(total, leaves, retain_graph=retain_graph, allow_unused=True)
    except RuntimeError as error:
        if overwritten := re.search(r"modified by an inplace operation.*output \d+ of (\w+?)(Backward)?,", str(error)):
            raise ModelError(
                f"the model writes over what {overwritten[1]} gave, which the gradient needs: a later operation works "
                "in place (x *= 2, x.mul_(2), inplace=True). Write it as x = x * 2, or choose a method without "
                "gradients, such as 'ablation_cam', 'score_cam' or 'occlusion'."
            ) from error
        if "torch.utils.checkpoint" not in str(error):
            raise
        raise ModelError(
            "the model runs a part of itself through torch.utils.checkpoint, which lets nothing through here, and only "
            "saves memory in training: switch it off (use_checkpoint=False, model.set_grad_checkpointing(False), "
            "model.gradient_checkpointing_disable()). With use_reentrant=False methods of gradients run; methods "
            "without gradients run as it is."
        ) from error


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
