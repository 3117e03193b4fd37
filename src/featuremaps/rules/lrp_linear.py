"""Relevance rules of linear operations as data: which inputs and weights share what arrives at an output.

A rule is a few terms; one function, `shared`, sends relevance back by any of them.
"""

from collections.abc import Callable, Iterable, Sequence
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
    """Contributions of modified inputs by modified weights; without a `bias` part, the bias is left out.

    They count `factor` times, and with `by_sign` also times the sign of the operation's own output.
    """

    input: Part = same
    weight: Part = same
    bias: Part | None = same
    factor: float = 1.0
    by_sign: bool = False

    @property
    def plain(self) -> bool:
        """Whether the operation's own output is what it contributes."""
        return self.input is same and self.weight is same and self.bias is same

    def signed(self, values: Tensor, output: Tensor | None) -> Tensor:
        """Values of the outputs, times the output's sign where that counts."""
        return values * output.sign() if self.by_sign and output is not None else values


@dataclass(frozen=True)
class Share:
    """Terms that share `factor` of what arrives, in proportion to their contributions."""

    terms: tuple[Term, ...]
    factor: float = 1.0


@dataclass(frozen=True)
class LinearRule:
    """How relevance passes a linear operation; `epsilon` keeps the divisions stable, and takes its share with it."""

    shares: tuple[Share, ...]
    epsilon: float = STABILISER

    @property
    def needs_output(self) -> bool:
        """Whether the operation's own output has to be kept for the way back."""
        return any(term.plain for share in self.shares for term in share.terms)

    @property
    def by_sign(self) -> bool:
        """Whether contributions count by their own sign, so that the opposite of an operation shares otherwise."""
        return any(term.weight not in (same, torch.abs) for share in self.shares for term in share.terms)


_PLUS = (Term(positive, positive, positive), Term(negative, negative, None))
_MINUS = (Term(positive, negative, negative), Term(negative, positive, None))


def epsilon_rule(epsilon: float) -> LinearRule:
    """Every contribution by its own share (Bach et al. 2015, eq. 58)."""
    return LinearRule((Share((Term(),)),), epsilon)


def gamma_rule(gamma: float) -> LinearRule:
    """Contributions of the output's own sign count 1 + γ times (Montavon et al. 2019, section 10.2.2).

    In the form for inputs of any sign (Andéol et al. 2021, appendix), equal to the former for positive ones. Of
    contributions c that sum to z, those of z's sign are (c + sign(z)·|c|) / 2, and |c| = |x|·|w|: one more product on
    the way there, and one on the way back. All is divided by 1 + γ/2. Where z is exactly 0, all share by their size.
    """
    if gamma == 0:
        return epsilon_rule(STABILISER)
    sizes = Term(torch.abs, torch.abs, torch.abs, gamma / (2 + gamma))
    return LinearRule((Share((Term(by_sign=True), sizes)),), STABILISER / (1 + gamma / 2))


def alpha_beta_rule(alpha: float, beta: float) -> LinearRule:
    """Positive contributions share α times, negative ones −β times what arrives (Bach et al. 2015, eq. 60)."""
    return LinearRule((Share(_PLUS, alpha), Share(_MINUS, -beta)))


def z_plus_rule() -> LinearRule:
    """Only positive contributions (Montavon et al. 2017, eq. 9): α = 1, β = 0."""
    return LinearRule((Share(_PLUS),))


def z_box_rule(low: Part, high: Part) -> LinearRule:
    """For inputs that lie between `low` and `high` (Montavon et al. 2017, eq. 10); the bias takes no share."""
    return LinearRule((Share((Term(), Term(low, positive, positive, -1.0), Term(high, negative, negative, -1.0))),))


def flat_rule() -> LinearRule:
    """To all inputs alike (Lapuschkin et al. 2019, supplement)."""
    return LinearRule((Share((Term(torch.ones_like, torch.ones_like, None),)),))


def winning_rule(part: Part = positive) -> LinearRule:
    """The marginal winning probability (Zhang et al. 2018, eq. 8): non-negative inputs by positive weights, no bias."""
    return LinearRule((Share((Term(part, positive, None),)),), epsilon=1e-12)


def contrast_rule() -> LinearRule:
    """The winning probability less that of a unit with the opposite weights (Zhang et al. 2018, section 3.4)."""
    return LinearRule(
        (Share((Term(positive, positive, None),)), Share((Term(positive, negative, None),), factor=-1.0)),
        epsilon=1e-12,
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
    received: Tensor | None = None
    for share in rule.shares:
        terms = [(term, part) for term in share.terms if _counts(term, part := term.input(values), bias)]
        if not terms:
            continue
        weights = [term.weight(weight) for term, _ in terms]
        divisor = stabilised(_total(layer, terms, weights, bias, own), rule.epsilon)
        fraction = torch.div(sent if share.factor == 1 else sent * share.factor, divisor, out=divisor)
        for factor, part, back in _sent_back(layer, terms, weights, fraction, own):
            back.mul_(part)
            if received is None:
                received = back if factor == 1 else back.mul_(factor)
            else:
                received.add_(back, alpha=factor)
    return torch.zeros_like(x) if received is None else received.to(x.dtype)


def _counts(term: Term, part: Tensor, bias: Tensor | None) -> bool:
    """Whether a term contributes anything."""
    return term.plain or (bias is not None and term.bias is not None) or bool(part.any())


def _total(
    layer: Affine,
    terms: Sequence[tuple[Term, Tensor]],
    weights: Sequence[Tensor],
    bias: Tensor | None,
    own: Tensor | None,
) -> Tensor:
    """What all terms contribute to each output."""
    known = [own.abs() if term.by_sign else own for term, _ in terms if term.plain and own is not None]
    others = [(*pair, by) for pair, by in zip(terms, weights, strict=True) if own is None or not pair[0].plain]
    if not others:
        return known[0]
    parts = [part if term.factor == 1 else part * term.factor for term, part, _ in others]
    offsets = [term.bias(bias) * term.factor for term, _, _ in others if term.bias is not None and bias is not None]
    total = layer.summed(parts, [by for _, _, by in others], sum(offsets[1:], offsets[0]) if offsets else None)
    return total.add_(known[0]) if known else total


def _sent_back(
    layer: Affine,
    terms: Sequence[tuple[Term, Tensor]],
    weights: Sequence[Tensor],
    fraction: Tensor,
    own: Tensor | None,
) -> Iterable[tuple[float, Tensor, Tensor]]:
    """For each term how often it counts, its part of the input, and Wᵀ·fraction; all in one where they are alike."""
    fractions = [term.signed(fraction, own) for term, _ in terms]
    factors, parts = [term.factor for term, _ in terms], [part for _, part in terms]
    shape = parts[0].shape
    if not _all_equal(fractions):
        back: Sequence[Tensor] = [
            layer.transposed(*each) for each in zip(fractions, [shape] * len(terms), weights, strict=True)
        ]
    elif len(terms) > 1 and _all_equal(parts):  # sizes of inputs that are all positive
        joined = weights[0] if factors[0] == 1 else weights[0] * factors[0]
        for factor, by in zip(factors[1:], weights[1:], strict=True):
            joined = torch.add(joined, by, alpha=factor)
        return [(1.0, parts[0], layer.transposed(fraction, shape, joined))]
    else:
        back = layer.each_transposed(fraction, shape, weights)
    return zip(factors, parts, back, strict=True)


def _all_equal(tensors: Sequence[Tensor]) -> bool:
    return all(other is tensors[0] or torch.equal(tensors[0], other) for other in tensors[1:])


def stabilised(total: Tensor | int, epsilon: float = STABILISER) -> Tensor:
    """A divisor moved away from zero by epsilon, to the side on which it lies; what is still zero divides to zero."""
    divisor = torch.as_tensor(total)
    if epsilon == 0:
        return divisor.masked_fill(divisor == 0, torch.inf)
    return torch.copysign(divisor.new_tensor(epsilon), divisor).add_(divisor)  # quicker than a choice between two sums
