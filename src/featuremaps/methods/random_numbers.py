"""Random numbers of formulas and drawings: on the CPU in float32, whatever the process has set as torch's defaults."""

from collections.abc import Sequence

import torch
from torch import Tensor


def uniform(shape: Sequence[int], generator: torch.Generator | None) -> Tensor:
    """Numbers from 0 to 1."""
    return torch.rand(tuple(shape), generator=generator, device="cpu", dtype=torch.float32)


def normal(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Numbers around 0 with a standard deviation of 1."""
    return torch.randn(tuple(shape), generator=generator, device="cpu", dtype=torch.float32)
