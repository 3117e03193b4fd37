"""LeGrad: which patches a vision transformer's score is sensitive to, through its attention maps."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from featuremaps.errors import MethodError
from featuremaps.layers.layout import Layout
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Pictures, PixelMap, Propagate
from featuremaps.rules.attention import AttentionMaps


@method(paper="Bousselham et al. 2024, LeGrad, eq. 5-8, with the final score for every layer", level="pixel")
def legrad(inputs: Pictures, propagate: Propagate, token_layouts: Mapping[int, Layout]) -> PixelMap:
    """Where more attention would raise the score: positive gradients of the attention maps, mean over all layers.

    Per layer the mean over heads and query tokens, at the patches' own places; class and register tokens are left
    out. The paper scores each layer's own tokens with the head; here the model's own score is sent back once, which
    needs one backward pass. Raises `MethodError` for a model without attention over the whole picture.
    """
    rule = AttentionMaps()
    propagate(rule)
    maps = [patches for each in rule.gradients() if (patches := _patches(each, token_layouts)) is not None]
    if not maps:
        raise MethodError(_nothing_found(rule))
    return torch.stack([interpolate(map, inputs.shape[2:], mode="bilinear", align_corners=False) for map in maps]).mean(
        0
    )


def _patches(gradient: Float[Tensor, "batch head query key"], layouts: Mapping[int, Layout]) -> PixelMap | None:
    """What each patch adds through one layer; None where the keys are not patches of the picture."""
    layout = layouts.get(gradient.shape[3])
    if layout is None:
        return None
    patches = gradient.relu().mean((1, 2))[:, layout.prefix : gradient.shape[3] - layout.suffix]
    return patches.reshape(len(gradient), 1, *layout.size)


def _nothing_found(rule: AttentionMaps) -> str:
    instead = "Choose a method that reads any layer, such as 'layer_cam' or 'grad_cam'."
    if rule.watched:
        keys = ", ".join(sorted({str(watched.shape[-1]) for watched in rule.watched}))
        return (
            f"legrad found attention over {keys} tokens, which are not known to be a grid of patches of the picture. "
            f"{instead}"
        )
    if rule.windowed:
        return (
            f"legrad needs attention between all patches of a picture; this model attends inside windows only "
            f"({rule.windowed} attentions). {instead}"
        )
    return f"legrad reads a vision transformer's attention maps, and this model has no softmax attention. {instead}"
