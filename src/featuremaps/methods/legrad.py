"""LeGrad: which patches a vision transformer's score is sensitive to, through its attention maps."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.methods.attention_flow import cut_off, in_parts, not_usable
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, PixelMap
from featuremaps.plotting.rendering import enlarged
from featuremaps.runtime.attention import Attended, on_grid


@method(
    paper="Bousselham et al. 2024, LeGrad, eq. 5-8, with the final score for every layer",
    level="pixel",
    collapse="max_abs",
)
def legrad(inputs: Inputs, attentions: Sequence[Attended]) -> PixelMap:
    """Where more attention would raise the score: positive gradients of the attention maps, mean over all layers.

    Per layer the mean over heads and query tokens, at the patches' own places; class and register tokens are left
    out, and windows are laid back over the picture. What a module works out in parts, for some queries or one head at a
    time, is one layer. The paper scores each layer's own tokens with the head; here the model's own score is sent back
    once, which needs one backward pass. Raises `MethodError` for a model that does not attend to places of the picture,
    and for one that lets no gradient through to some of its attention.
    """
    on_the_way = [each for each in attentions if each.gradients is not None]
    if reason := next(cut_off(attentions, on_the_way), None):
        raise not_usable("legrad", attentions, reason, by_layer=False)
    layers = in_parts([each for each in on_the_way if each.info.keys.between == "places"])
    if not layers:
        raise not_usable("legrad", attentions)
    return torch.stack([_map(parts, inputs) for parts in layers]).mean(0)[:, None]


def _map(parts: Sequence[Attended], inputs: Inputs) -> Float[Tensor, "batch *space"]:
    """One layer's map, of all heads and queries of its parts."""
    gradients = [each.gradients for each in parts if each.gradients is not None]
    total = sum((each.relu().sum((2, 3)) for each in gradients[1:]), gradients[0].relu().sum((2, 3)))
    count = sum(each.shape[2] * each.shape[3] for each in gradients)
    return enlarged(on_grid(total / count, parts[0].info.keys), tuple(inputs.shape[2:]))
