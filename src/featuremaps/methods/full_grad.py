"""FullGrad: the whole score as a sum of what the picture and every bias put into it, drawn over the picture."""

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.methods.channel_weights import divided
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, PixelMap, Propagate, Remark, Score
from featuremaps.plotting.rendering import enlarged
from featuremaps.rules.biases import Biases


@method(
    paper="Srinivas & Fleuret 2019, Full-gradient representation, eq. 5-8, rescaled as in the authors' code",
    level="pixel",
)
def full_grad(inputs: Inputs, propagate: Propagate, score: Score, remark: Remark) -> PixelMap:
    """Where the picture and the biases of all layers make the score: input times gradient plus bias times gradient.

    The absolute value of each layer's term is scaled to 0..1 per picture, enlarged and added up, so the map is not
    negative. Before that, the terms of a network of ReLUs add up to its score; what is missing is remarked as
    "completeness error".
    """
    rule = Biases()
    product = inputs * propagate(rule)
    with torch.no_grad():
        expected = score(inputs)
    remark("completeness error", product.flatten(1).sum(1) + rule.totals() - expected)
    total = _rescaled(product)
    for term in rule.maps(inputs.ndim):
        total = total + enlarged(_rescaled(term), tuple(inputs.shape[2:]))
    return total[:, None]


def _rescaled(term: Float[Tensor, "batch channel *grid"]) -> Float[Tensor, "batch *grid"]:
    """The absolute value, scaled to 0..1 over each picture's channels and positions, summed over the channels."""
    strength, every = term.abs(), tuple(range(1, term.ndim))
    above = strength - strength.amin(every, keepdim=True)
    return divided(above, above.amax(every, keepdim=True)).sum(1)
