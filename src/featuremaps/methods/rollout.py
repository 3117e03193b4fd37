"""Attention rollout and relevance: what attention carries from the patches through all layers to the score."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.methods.attention_flow import Carried, Rows, laid, score_rows, steps_of
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, PixelMap
from featuremaps.runtime.attention import Attended

Heads = Literal["mean", "max", "min"]


@method(
    paper="Abnar & Zuidema 2020, Quantifying attention flow in transformers, section 3, eq. 1",
    level="pixel",
    collapse="max_abs",
)
def attention_rollout(
    inputs: Inputs,
    attentions: Sequence[Attended],
    *,
    heads: Heads = "mean",
    discard: float = 0.0,
    residual: float = 0.5,
) -> PixelMap:
    """How much of each patch attention carries to the tokens that the score is read from, whatever the class.

    Every layer's attention, fused over the heads by their "mean", "max" or "min", is mixed with the identity (the
    residual connection, which has the share `residual`), its rows scaled to sum to 1, and multiplied with those of the
    layers before. `discard` is the share of the smallest attentions of each layer that is left out first. Read at the
    class token, at pooled patches equally, or at whatever else the score is read from. Raises `MethodError` where the
    layers do not attend between the same tokens: in windows, to pooled keys, between channels.
    """
    for name, value, most in (("discard", discard, "below 1"), ("residual", residual, "from 0 to 1")):
        if not 0 <= value <= 1 or (name == "discard" and value == 1):
            raise OptionError(f"option {name!r} of attention_rollout is a share {most}; got {value}.")
    steps = steps_of("attention_rollout", attentions)
    carried = Carried.at_first(steps)
    for step in steps:
        weights = (1 - residual) * _kept(_fused(step.probabilities, heads), discard)
        scale = (weights.sum(2, keepdim=True) + residual).clamp(min=torch.finfo(weights.dtype).tiny)
        carried.go(step, weights / scale, residual / scale, lambda weights, known: weights @ known.picture)
    shares = score_rows(steps)
    read = (shares > 0).to(shares)
    return laid(read / read.sum(1, keepdim=True), carried, steps, inputs)


@method(
    paper="Chefer et al. 2021, Generic attention-model explainability, ICCV, eq. 5-10, with the score of any target",
    level="pixel",
    collapse="max_abs",
)
def generic_attention(inputs: Inputs, attentions: Sequence[Attended]) -> PixelMap:
    """Chefer's relevance: attention times its positive gradient, carried through all layers to the score.

    A layer's map is the mean over heads of attention × gradient where that is positive; each adds what it attends to
    to the relevance R of its tokens, R ← R + Ā·R, and attention from one kind of tokens to another goes by equation 10.
    Read at the class token, at pooled patches by how much the score depends on each, or at whatever else it is read
    from. The authors' CVPR paper has relevance in the place of attention: `transformer_attribution`. Raises
    `MethodError` as `attention_rollout` does.
    """
    steps = steps_of("generic_attention", attentions)
    carried = Carried.at_first(steps)
    for step in steps:
        weights = (step.probabilities * step.gradients).relu().mean(1)
        carried.go(step, weights, 1.0, _between_kinds)
    return laid(score_rows(steps), carried, steps, inputs)


def _between_kinds(weights: Rows, known: Carried) -> Rows:
    """Equation 10: attention from one kind of tokens to the other, with what each knows of its own."""
    return _normalised(known.own).mT @ weights @ _normalised(known.picture)


def _normalised(relevance: Rows) -> Rows:
    """Equations 8 and 9: what a token has taken in, scaled to sum to 1, beside itself."""
    identity = torch.eye(relevance.shape[1]).to(relevance)
    taken = relevance - identity
    total = taken.sum(2, keepdim=True)
    return taken / total.where(total != 0, 1) + identity


def _fused(probabilities: Float[Tensor, "batch head query key"], heads: Heads) -> Rows:
    """One attention of all heads."""
    if heads == "mean":
        return probabilities.mean(1)
    return probabilities.amax(1) if heads == "max" else probabilities.amin(1)


def _kept(fused: Rows, discard: float) -> Rows:
    """Attention without the share `discard` of its smallest values, per picture."""
    flat = fused.flatten(1)
    count = int(discard * flat.shape[1])
    smallest = flat.argsort(dim=1, stable=True)[:, :count]
    return flat.scatter(1, smallest, 0.0).view_as(fused)
