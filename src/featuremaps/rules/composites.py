"""Composites: which relevance rule a linear operation gets, by its position and kind. As data, a line each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from featuremaps.rules.lrp_linear import (
    STABILISER,
    LinearRule,
    Part,
    alpha_beta_rule,
    contrast_rule,
    epsilon_rule,
    flat_rule,
    gamma_rule,
    positive,
    same,
    winning_rule,
    z_box_rule,
    z_plus_rule,
)

CompositeName = Literal[
    "epsilon_gamma_box",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_alpha2_beta1",
    "epsilon",
    "gamma",
    "z_plus",
    "attn_lrp",
    "cp_lrp",
]
PixelBound = float | Tensor | None


@dataclass(frozen=True)
class Composite:
    """Rules by position. `first` is for operations that see the input, `last` for the one nearest to the score.

    Sums, means and average pooling share by the `sums` part of their terms; `stabiliser` keeps their divisors off zero.
    `holds_attention`: attention's probabilities are constants, so that queries and keys take nothing.
    """

    convolution: LinearRule
    dense: LinearRule
    first: LinearRule | None = None
    last: LinearRule | None = None
    sums: Part = same
    stabiliser: float = STABILISER
    holds_attention: bool = False

    @property
    def signed(self) -> bool:
        """Whether shares may be negative, as the rules of attention, of layer norm and of added constants need."""
        return self.sums is same

    @property
    def by_sign(self) -> bool:
        """Whether a rule of inner operations asks for the sign of contributions."""
        return self.convolution.by_sign or self.dense.by_sign

    def rule_for(self, kind: str, first: bool) -> LinearRule:
        """The rule for a linear operation of this kind."""
        if first and self.first is not None:
            return self.first
        return self.dense if kind == "linear" else self.convolution


@dataclass(frozen=True, eq=False)
class LrpSettings:
    """What the rules of a composite take. Without `low` or `high`, the lowest or highest value per colour is taken."""

    epsilon: float = 1e-6
    gamma: float = 0.25
    low: PixelBound = None
    high: PixelBound = None


COMPOSITES: Mapping[CompositeName, Callable[[LrpSettings], Composite]] = {
    "epsilon": lambda given: replace(_alike(epsilon_rule(given.epsilon)), stabiliser=given.epsilon),
    "gamma": lambda given: _alike(gamma_rule(given.gamma)),
    "z_plus": lambda _: _alike(z_plus_rule()),
    "epsilon_plus": lambda given: Composite(z_plus_rule(), epsilon_rule(given.epsilon)),
    "epsilon_plus_flat": lambda given: Composite(z_plus_rule(), epsilon_rule(given.epsilon), flat_rule()),
    "epsilon_alpha2_beta1": lambda given: Composite(alpha_beta_rule(2.0, 1.0), epsilon_rule(given.epsilon)),
    "epsilon_gamma_box": lambda given: Composite(
        gamma_rule(given.gamma),
        epsilon_rule(given.epsilon),
        z_box_rule(_bound(given.low, lowest), _bound(given.high, highest)),
    ),
    "attn_lrp": lambda given: _for_transformers(given, holds_attention=False),
    "cp_lrp": lambda given: _for_transformers(given, holds_attention=True),
}


def winning(contrastive: bool) -> Composite:
    """The rules of excitation backprop; contrastive: the last operation's less those of the opposite weights."""
    rule = winning_rule()
    last = contrast_rule() if contrastive else None
    return Composite(rule, rule, winning_rule(lambda x: x - lowest(x)), last, positive, rule.epsilon)


def lowest(x: Tensor) -> Tensor:
    """The lowest value of each picture and colour; of each picture, where there are no positions."""
    return x.amin(_positions(x), keepdim=True)


def highest(x: Tensor) -> Tensor:
    """As `lowest`, the highest."""
    return x.amax(_positions(x), keepdim=True)


def _positions(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2 if x.ndim > 2 else 1, x.ndim))


def _bound(given: PixelBound, otherwise: Part) -> Part:
    """The bound in the input's shape: a number, one a colour, or anything that broadcasts."""

    def bound(x: Tensor) -> Tensor:
        if given is None:
            return otherwise(x).expand_as(x)
        value = torch.as_tensor(given).to(x)
        return (value.reshape(-1, *[1] * (x.ndim - 2)) if value.ndim == 1 else value).expand_as(x)

    return bound


def _for_transformers(given: LrpSettings, holds_attention: bool) -> Composite:
    """γ for convolutions and a fifth of it for dense layers, which tames the noise that small outputs make."""
    return Composite(gamma_rule(given.gamma), gamma_rule(given.gamma / 5), holds_attention=holds_attention)


def _alike(rule: LinearRule) -> Composite:
    return Composite(rule, rule)
