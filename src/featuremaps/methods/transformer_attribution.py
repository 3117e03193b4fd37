"""Transformer attribution: relevance times gradient of attention, multiplied through the layers to the score."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from featuremaps.methods.attention_flow import Carried, Step, laid, score_rows, steps_of
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, PixelMap, Propagate
from featuremaps.rules.attention_relevance import AttentionRelevance
from featuremaps.rules.composites import COMPOSITES, LrpSettings
from featuremaps.runtime.attention import Attended, at_least_single

Composite = Literal["z_plus", "epsilon", "gamma", "attn_lrp"]


@method(
    paper="Chefer et al. 2021, Transformer interpretability beyond attention visualization, CVPR, eq. 13-15, with the "
    "relevance of Achtibat et al. 2024, AttnLRP",
    level="pixel",
    collapse="max_abs",
)
def transformer_attribution(
    inputs: Inputs, attentions: Sequence[Attended], propagate: Propagate, *, composite: Composite = "z_plus"
) -> PixelMap:
    """Chefer's attribution: layer-wise relevance at attention times its gradient, multiplied through all layers.

    A layer's map is the identity plus the mean over heads of relevance × gradient where that is positive. The product
    of all layers is read as in `generic_attention`, which has attention in the place of relevance. Attention from one
    kind of tokens to another, which the paper has not, is multiplied in as well.

    The relevance is that of `lrp`, from 1 at the score. With "z_plus" dense layers and convolutions have the paper's
    rule (eq. 4), but that a positive bias keeps its share; the other names of `composite` are those of `lrp`. In
    products of queries, keys and values each factor takes half, which is what the paper's normalisation (eq. 10) gives.
    The rest are AttnLRP's rules and not the paper's: for softmax and layer norm, which relevance passes unchanged in
    the authors' code, and for skip connections, whose two terms they scale by their sums.

    Takes one forward and one backward pass beside those that are shared. Raises `MethodError` as `attention_rollout`
    does.
    """
    steps = steps_of("transformer_attribution", attentions)
    rule = AttentionRelevance(COMPOSITES[composite](LrpSettings()))
    propagate(rule)
    carried = Carried.at_first(steps)
    for step in steps:
        weights = (step.gradients * _relevance(step, rule.at_attention)).relu().mean(1)
        carried.go(step, weights, 1.0, lambda weights, known: weights @ known.picture)
    return laid(score_rows(steps), carried, steps, inputs)


def _relevance(step: Step, at_attention: dict[int, Tensor]) -> Tensor:
    """The relevance of one attention's probabilities (batch, head, query, key): nothing where none arrived."""
    probabilities = step.probabilities
    relevance = at_attention.get(step.attended.number)
    if relevance is None:
        return torch.zeros_like(probabilities)
    split = step.attended.info.split(at_least_single(relevance), len(probabilities))
    return split[:, 0].to(probabilities.dtype)
