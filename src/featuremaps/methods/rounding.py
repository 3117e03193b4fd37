"""Whether the scores that a map is made of differ by more than their rounding."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

ENOUGH = 8
"""So many scores of a picture must be known to judge them."""
SAFE = 10
"""The span of the scores over their rounding, from which on a map is right to about a tenth."""


class ScoreSpan:
    """The lowest and highest score of each picture, of all that a formula asked for."""

    def __init__(self, pictures: int) -> None:
        self._low = torch.full((pictures,), torch.inf, device="cpu", dtype=torch.float32)
        self._high = -self._low
        self._count = 0

    def noting(self, read: Callable[[Any, int], Tensor]) -> Callable[[Any, int], Tensor]:
        """`read`, which gives the scores of some outputs in a row for each picture, noting what it gives."""

        def noted(outputs: Any, repeats: int) -> Tensor:
            scores = read(outputs, repeats)
            values = scores.detach().float().cpu().reshape(len(self._low), -1)
            self._low, self._high = self._low.minimum(values.amin(1)), self._high.maximum(values.amax(1))
            self._count += values.shape[1]
            return scores

        return noted

    def drowned(self, dtype: torch.dtype) -> Bool[Tensor, " picture"]:
        """For each picture whether its scores differ by no more than a few roundings in this type.

        Scores that are all the same do not depend on what was tried, unless half precision makes them so.
        """
        if self._count < ENOUGH:
            return torch.zeros_like(self._low, dtype=torch.bool)
        size, span = torch.maximum(self._low.abs(), self._high.abs()), self._high - self._low
        judged = size > 0 if dtype in (torch.bfloat16, torch.float16) else span > 0
        return (span <= SAFE * torch.finfo(dtype).eps * size) & judged
