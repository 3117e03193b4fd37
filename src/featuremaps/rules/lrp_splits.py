"""How relevance is split among the operands of activations, gates, sums and averages.

A split is a small class: what it keeps of the forward pass, and what it makes of the relevance that arrives.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from featuremaps.rules.composites import Composite
from featuremaps.rules.graph_origin import Followed, unviewed
from featuremaps.rules.lrp_ledger import Ledger
from featuremaps.rules.lrp_linear import stabilised


class Split(ABC):
    """How relevance goes back. `cause` is under which name the ledger enters what is not sent on."""

    cause: ClassVar[str] = "biases"

    def kept(self, output: Tensor, *operands: Tensor) -> tuple[Tensor, ...]:
        """What a split needs of the output and the operands, copied where it could be overwritten."""
        return ()

    @abstractmethod
    def back(self, arriving: Tensor, *kept: Tensor) -> Sequence[Tensor]:
        """The relevance of each operand, in the output's shape or in its own."""


def passed(split: Split, run: Callable[[], Tensor], ledger: Ledger, *operands: Tensor) -> Tensor:
    """What `run` gives, from which relevance goes to the operands as `split` says; to constants none goes."""
    return _Passed.apply(split, run, ledger, *operands)


class _Passed(torch.autograd.Function, Followed):
    @staticmethod
    def forward(ctx: Any, split: Split, run: Callable[[], Tensor], ledger: Ledger, *operands: Tensor) -> Tensor:
        output = unviewed(run())
        ctx.split, ctx.ledger = split, ledger
        ctx.like = [(operand.shape, operand.dtype) for operand in operands]
        ctx.save_for_backward(*split.kept(output, *operands))
        return output

    @staticmethod
    def backward(ctx: Any, *arriving: Tensor) -> tuple[Tensor | None, ...]:
        with torch.autocast(arriving[0].device.type, enabled=False):
            received = ctx.split.back(arriving[0], *ctx.saved_tensors)
        wanted = zip(received, ctx.like, ctx.needs_input_grad[3:], strict=True)
        sent = [_fitted(each, *like) if needed else None for each, like, needed in wanted]
        ctx.ledger.enter(ctx.split.cause, arriving[0], sent)
        return None, None, None, *sent


def _fitted(relevance: Tensor, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    return (relevance if relevance.shape == shape else relevance.sum_to_size(shape)).to(dtype)


@dataclass(frozen=True, eq=False)
class Equally(Split):
    """To `count` operands alike: all of it through functions of single values (Achtibat et al. 2024, eq. 9), and half
    to each of two factors that are multiplied value by value (eq. 7).
    """

    count: int

    def back(self, arriving: Tensor, *kept: Tensor) -> Sequence[Tensor]:
        """Each operand's part of what arrives."""
        return [arriving / self.count if self.count > 1 else arriving] * self.count


@dataclass(frozen=True, eq=False)
class Terms(Split):
    """To two terms in proportion (Achtibat et al. 2024, eq. 8); the second is added `scale` times."""

    scale: float
    composite: Composite

    def kept(self, output: Tensor, *operands: Tensor) -> tuple[Tensor, ...]:
        """The part of the sum that each term is."""
        added = operands[1] if self.scale == 1 else operands[1] * self.scale
        first, second = (self.composite.sums(term.to(wide(term))) for term in (operands[0], added))
        total = stabilised(first + second, self.composite.stabiliser)
        return first / total, second / total

    def back(self, arriving: Tensor, *kept: Tensor) -> Sequence[Tensor]:
        """Each term's part of what arrives."""
        return [arriving * part for part in kept]


@dataclass(frozen=True, eq=False)
class Average(Split):
    """To the values that were averaged, in proportion; `average` is any linear function without a bias."""

    average: Callable[[Tensor], Tensor]
    composite: Composite

    def kept(self, output: Tensor, *operands: Tensor) -> tuple[Tensor, ...]:
        """A copy of the values: unlike its own gradient, this needs them, and the next operation may work in place."""
        return (operands[0].detach().clone(),)

    def back(self, arriving: Tensor, *kept: Tensor) -> Sequence[Tensor]:
        """Each value's part of the averages that it went into."""
        with torch.enable_grad():
            terms = self.composite.sums(kept[0].to(wide(kept[0]))).requires_grad_()
            total = self.average(terms)
            share = arriving.to(total.dtype) / stabilised(total.detach(), self.composite.stabiliser)
            back = torch.autograd.grad((total * share).sum(), terms)[0]
        return (back * terms.detach(),)


def wide(values: Tensor) -> torch.dtype:
    """The precision that relevance is computed in: float32 at least."""
    return torch.promote_types(values.dtype, torch.float32)
