"""LeGrad: which patches a vision transformer's score is sensitive to, through its attention maps."""

from collections.abc import Sequence

import torch

from featuremaps.methods.attention_flow import cut_off, not_usable
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
    out, and windows are laid back over the picture. The paper scores each layer's own tokens with the head; here the
    model's own score is sent back once, which needs one backward pass. Raises `MethodError` for a model that does not
    attend to places of the picture, and for one that lets no gradient through to some of its attention.
    """
    on_the_way = [each for each in attentions if each.gradients is not None]
    if reason := next(cut_off(attentions, on_the_way), None):
        raise not_usable("legrad", attentions, reason, by_layer=False)
    maps = [
        enlarged(on_grid(each.gradients.relu().mean((2, 3)), each.info.keys), tuple(inputs.shape[2:]))
        for each in on_the_way
        if each.gradients is not None and each.info.keys.between == "places"
    ]
    if not maps:
        raise not_usable("legrad", attentions)
    return torch.stack(maps).mean(0)[:, None]
