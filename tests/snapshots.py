"""Everything about a model and its surroundings that featuremaps promises to leave alone, for comparison."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@dataclass
class Snapshot:
    hooks: dict[str, tuple[int, ...]]
    training: dict[str, bool]
    requires_grad: dict[str, bool]
    grads: dict[str, tuple[int, Tensor] | None]
    objects: dict[str, int]
    values: dict[str, Tensor]
    attributes: dict[str, tuple[str, ...]]
    random: tuple[Any, ...]
    modes: tuple[object, ...]
    inputs: Tensor

    def differences(self, other: "Snapshot") -> list[str]:
        found = [
            name
            for name in ("hooks", "training", "requires_grad", "objects", "attributes", "modes")
            if getattr(self, name) != getattr(other, name)
        ]
        for name, value in self.values.items():
            if name not in other.values or not torch.equal(value, other.values[name]):
                found.append(f"value of {name}")
        for name, grad in self.grads.items():
            after = other.grads[name]
            if (grad is None) != (after is None) or (
                grad is not None and after is not None and (grad[0] != after[0] or not torch.equal(grad[1], after[1]))
            ):
                found.append(f"grad of {name}")
        if not torch.equal(self.random[0], other.random[0]):
            found.append("torch random state")
        if not all(np.array_equal(a, b) for a, b in zip(self.random[1], other.random[1], strict=True)):
            found.append("numpy random state")
        if not torch.equal(self.inputs, other.inputs):
            found.append("inputs")
        return found


def snapshot(model: nn.Module, inputs: Tensor) -> Snapshot:
    """The state of a model (hooks of every kind, flags, gradients, tensors), of the random generators, and the input.

    Python's own generator is left out: beartype draws from it while it checks shapes in the test run.
    """
    kinds = [name for name in vars(model) if name.endswith("hooks")]
    return Snapshot(
        hooks={name: tuple(len(getattr(m, kind)) for kind in kinds) for name, m in model.named_modules()},
        training={name: m.training for name, m in model.named_modules()},
        requires_grad={name: p.requires_grad for name, p in model.named_parameters()},
        grads={n: None if p.grad is None else (id(p.grad), p.grad.clone()) for n, p in model.named_parameters()},
        objects={n: id(t) for n, t in [*model.named_parameters(), *model.named_buffers()]},
        values={n: t.detach().clone() for n, t in [*model.named_parameters(), *model.named_buffers()]},
        attributes={name: tuple(sorted(vars(m))) for name, m in model.named_modules()},
        random=(torch.get_rng_state(), np.random.get_state(legacy=True)[1:]),
        modes=(
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
            torch.get_autocast_dtype("cpu"),
            torch.is_anomaly_enabled(),
            torch._C._len_torch_function_stack(),
            torch._C._len_torch_dispatch_stack(),
            nn.Module.__call__,
            nn.Module.__getattr__,
        ),
        inputs=inputs.detach().clone(),
    )
