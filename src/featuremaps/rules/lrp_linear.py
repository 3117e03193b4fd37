"""Relevance rules of linear operations as data: which inputs and weights share what arrives at an output.

A rule is a few terms; one function, `shared`, sends relevance back by any of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from featuremaps.rules.affine import Affine

Part = Callable[[Tensor], Tensor]
STABILISER = 1e-6


def same(values: Tensor) -> Tensor:
    """All of it."""
    return values


def positive(values: Tensor) -> Tensor:
    """The positive part."""
    return values.clamp_min(0)


def negative(values: Tensor) -> Tensor:
    """The negative part."""
    return values.clamp_max(0)


@dataclass(frozen=True)
class Term:
    """Contributions of modified inputs by modified weights; without a `bias` part, the bias is left out."""

    input: Part = same
    weight: Part = same
    bias: Part | None = same
    sign: int = 1

    @property
    def plain(self) -> bool:
        """Whether the operation's own output is what it contributes."""
        return self.input is same and self.weight is same and self.bias is same


@dataclass(frozen=True)
class Share:
    """Terms that share `factor` of what arrives, in proportion to their contributions.

    `where` says from the operation's own output which of its outputs this holds for; all, where it is None.
    """

    terms: tuple[Term, ...]
    factor: float = 1.0
    where: Part | None = None


@dataclass(frozen=True)
class LinearRule:
    """How relevance passes a linear operation; `epsilon` keeps the divisions stable, and takes its share with it."""

    shares: tuple[Share, ...]
    epsilon: float = STABILISER

    @property
    def needs_output(self) -> bool:
        """Whether the operation's own output has to be kept for the way back."""
        return any(share.where or any(term.plain for term in share.terms) for share in self.shares)

    @property
    def by_sign(self) -> bool:
        """Whether contributions count by their own sign, so that the opposite of an operation shares otherwise."""
        return any(
            share.where is None and any(term.weight is not same for term in share.terms) for share in self.shares
        )


_PLUS = (Term(positive, positive, positive), Term(negative, negative, None))
_MINUS = (Term(positive, negative, negative), Term(negative, positive, None))


def epsilon_rule(epsilon: float) -> LinearRule:
    """Every contribution by its own share (Bach et al. 2015, eq. 58)."""
    return LinearRule((Share((Term(),)),), epsilon)


def gamma_rule(gamma: float) -> LinearRule:
    """Contributions of the output's own sign count 1 + γ times (Montavon et al. 2019, section 10.2.2).

    In the form for inputs of any sign (Andéol et al. 2021, appendix), equal to the former for positive ones.
    """
    more, less = _raised(gamma, positive), _raised(gamma, negative)
    above = Share((Term(positive, more, more), Term(negative, less, None)), where=lambda output: output > 0)
    below = Share((Term(positive, less, less), Term(negative, more, None)), where=lambda output: output < 0)
    return LinearRule((above, below))


def alpha_beta_rule(alpha: float, beta: float) -> LinearRule:
    """Positive contributions share α times, negative ones −β times what arrives (Bach et al. 2015, eq. 60)."""
    return LinearRule((Share(_PLUS, alpha), Share(_MINUS, -beta)))


def z_plus_rule() -> LinearRule:
    """Only positive contributions (Montavon et al. 2017, eq. 9): α = 1, β = 0."""
    return LinearRule((Share(_PLUS),))


def z_box_rule(low: Part, high: Part) -> LinearRule:
    """For inputs that lie between `low` and `high` (Montavon et al. 2017, eq. 10); the bias takes no share."""
    return LinearRule((Share((Term(), Term(low, positive, positive, -1), Term(high, negative, negative, -1))),))


def flat_rule() -> LinearRule:
    """To all inputs alike (Lapuschkin et al. 2019, supplement)."""
    return LinearRule((Share((Term(torch.ones_like, torch.ones_like, None),)),))


def winning_rule(part: Part = positive) -> LinearRule:
    """The marginal winning probability (Zhang et al. 2018, eq. 8): non-negative inputs by positive weights, no bias."""
    return LinearRule((Share((Term(part, positive, None),)),), epsilon=1e-12)


def contrast_rule(part: Part = positive) -> LinearRule:
    """The winning probability less that of a unit with the opposite weights (Zhang et al. 2018, section 3.4)."""
    return LinearRule(
        (Share((Term(part, positive, None),)), Share((Term(part, negative, None),), factor=-1.0)), epsilon=1e-12
    )


def shared(rule: LinearRule, layer: Affine, x: Tensor, output: Tensor | None, arriving: Tensor) -> Tensor:
    """What a linear operation's input receives of the relevance that arrives at its output.

    Computed in float32 at least. A term whose input is zero everywhere costs nothing, so that the terms for negative
    inputs are free after a ReLU.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    weight, bias = layer.parameters(dtype)
    values, sent = x.to(dtype), arriving.to(dtype)
    own = None if output is None else output.to(dtype)
    received = torch.zeros_like(values)
    for share in rule.shares:
        parts = _contributions(share, layer, (values, weight, bias), own)
        if not parts:
            continue
        total = stabilised(sum(term.sign * found for term, _, found in parts), rule.epsilon)
        fraction = share.factor * sent / total
        if share.where is not None and own is not None:
            fraction = fraction * share.where(own)
        for term, part, _ in parts:
            received += term.sign * part * layer.transposed(fraction, values.shape, term.weight(weight))
    return received.to(x.dtype)


def stabilised(total: Tensor | int, epsilon: float = STABILISER) -> Tensor:
    """A divisor moved away from zero by epsilon, to the side on which it lies; what is still zero divides to zero."""
    divisor = torch.as_tensor(total)
    if epsilon == 0:
        return divisor.masked_fill(divisor == 0, torch.inf)
    return torch.full_like(divisor, epsilon).copysign_(divisor).add_(divisor)  # quicker than a choice between two sums


def _contributions(
    share: Share, layer: Affine, given: tuple[Tensor, Tensor, Tensor | None], own: Tensor | None
) -> list[tuple[Term, Tensor, Tensor]]:
    """Of each term that is not zero everywhere: itself, its part of the input, and what it contributes."""
    x, weight, bias = given
    found = []
    for term in share.terms:
        if term.plain and own is not None:
            found.append((term, x, own))
            continue
        part = term.input(x)
        offset = None if bias is None or term.bias is None else term.bias(bias)
        if offset is not None or bool(part.any()):
            found.append((term, part, layer(part, term.weight(weight), offset)))
    return found


def _raised(gamma: float, part: Part) -> Part:
    return lambda values: values + gamma * part(values)
