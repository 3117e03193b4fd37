"""Edits of a layer's output, what they should do to a model by definition, and how far a result is from that."""

from typing import Any

import torch
from torch import Tensor, nn

WAYS = ("fx", "export", "replace")


def pictures(batch: int, size: int, seed: int = 0) -> Tensor:
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(seed))


def zeroed(output: Tensor, repeats: int) -> Tensor:
    """Different channels set to zero in each edit."""
    edits = output.repeat_interleave(repeats, 0)
    axis = 1 if output.ndim == 4 else -1
    keep = torch.rand(len(edits), edits.shape[axis], generator=torch.Generator().manual_seed(1)) > 0.3
    return (edits.movedim(axis, -1) * keep.reshape(len(edits), *[1] * (edits.ndim - 2), -1)).movedim(-1, axis)


def one_by_one(model: nn.Module, layer: str, inputs: Tensor, edited: Tensor, call: int = 0) -> Tensor:
    """The definition: for each edit a run of the model on its picture, with the layer's output replaced."""
    repeats = len(edited) // len(inputs)
    rows = []
    for number, edit in enumerate(edited):
        calls = iter(range(10**6))

        def replace(_module: Any, _args: Any, output: Any, edit: Tensor = edit, calls: Any = calls) -> Any:
            if next(calls) != call:
                return None
            return edit[None].clone() if isinstance(output, Tensor) else (edit[None].clone(), *output[1:])

        handle = model.get_submodule(layer).register_forward_hook(replace)
        rows.append(model(inputs[number // repeats][None]))
        handle.remove()
    return torch.cat(rows)


def error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape
    return ((found - expected).abs().max() / expected.abs().max()).item()


class Branching(nn.Module):
    """Takes a way that depends on the pictures' values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        if y.mean() > 1000:
            y = -y
        return self.head(y.mean((2, 3)))
