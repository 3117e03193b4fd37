"""What relevance does not reach the input, and where it was kept: the accounts of one backward pass."""

from collections.abc import Iterable

import torch
from torch import Tensor


class Ledger:
    """For each cause, the relevance, of all pictures together, that arrived at operations and was not sent on."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}

    def enter(self, cause: str, arriving: Tensor, sent: Iterable[Tensor | None]) -> None:
        """An operation's account: what arrived at its output, and what it sent to each of its inputs."""
        given = [each for each in sent if each is not None]
        if len(given) == 1 and given[0] is arriving:
            return
        kept = _sum(arriving)
        for each in given:
            kept = kept - _sum(each)
        self.kept[cause] = self.kept[cause] + kept if cause in self.kept else kept

    def total(self) -> Tensor:
        """What was kept in all."""
        return torch.stack([torch.zeros((), device="cpu"), *(kept.cpu() for kept in self.kept.values())]).sum()

    def missing(self, sent: Tensor, arrived: Tensor) -> float:
        """The part of what was sent back (rows,) that neither arrived at the inputs nor was kept."""
        lost = _sum(sent) - _sum(arrived) - self.total().to(sent.device)
        size = _sum(sent.abs()) + 1e-3 * _sum(arrived.abs())  # large parts that cancel leave rounding behind
        return float(lost.abs() / size) if size > 0 else 0.0


def _sum(relevance: Tensor) -> Tensor:
    """In float32 at least."""
    return relevance.sum(dtype=torch.promote_types(relevance.dtype, torch.float32))
