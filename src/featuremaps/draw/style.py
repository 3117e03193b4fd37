"""What tells content from style: features where they are, and Gram matrices, which forget where; their losses.

Gatys, Ecker & Bethge 2016, "Image style transfer using convolutional neural networks".
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.choices import Weights
from featuremaps.draw.priors import total_variation
from featuremaps.errors import ModelError

LayerMaps = Float[Tensor, "channel height width"]
Features = Mapping[str, Float[Tensor, "_channel _height _width"]]


def gram(maps: LayerMaps) -> Float[Tensor, "channel channel"]:
    """G_ij = Σ_k F_ik F_jk over the M places k of a layer (equation 3), divided by M."""
    flat = maps.flatten(1)
    return flat @ flat.mT / flat.shape[1]


def content_loss(maps: LayerMaps, content: LayerMaps) -> Float[Tensor, ""]:
    """½ Σ (F − P)² (equation 1), divided by the number of values, so that it does not grow with the picture."""
    return (maps - content).square().mean() / 2


def style_loss(maps: LayerMaps, style: Float[Tensor, "channel channel"]) -> Float[Tensor, ""]:
    """Σ (G − A)² / (4 N² M²) for N channels (equation 4); M is in the Gram matrices, so pictures may differ in size."""
    return (gram(maps) - style).square().sum() / (4 * len(style) ** 2)


@dataclass(frozen=True, eq=False)
class Wish:
    """What is asked of a picture: features of the content, Gram matrices of the style, and how much of each.

    All are of maps divided by their layer's mean magnitude in the pictures given (`scales`). The paper scales its
    network's weights to the same end, a mean activation of 1: layers and models count alike.
    """

    content: Features
    style: Mapping[str, Float[Tensor, "_channel _channel"]]
    scales: Mapping[str, float]
    weights: Weights

    @classmethod
    def of(cls, content: Features, style: Features, weights: Weights) -> "Wish":
        """To have the content of some features and the style of others; `ModelError` for a layer that is silent."""
        scales = {}
        for layer in (*content, *style):
            given = [maps.abs().flatten() for maps in (content.get(layer), style.get(layer)) if maps is not None]
            scales[layer] = sum(float(values.mean()) for values in given) / len(given)
            if not 0 < scales[layer] < float("inf"):
                what = "is silent" if scales[layer] == 0 else "has values that are not finite"
                raise ModelError(f"layer {layer!r} {what} for these pictures. Choose an earlier one.")
        return cls(
            {layer: maps / scales[layer] for layer, maps in content.items()},
            {layer: gram(maps / scales[layer]) for layer, maps in style.items()},
            scales,
            weights,
        )

    def __call__(
        self,
        maps: Mapping[str, Float[Tensor, "1 _channel _height _width"]],
        picture: Float[Tensor, "1 channel height width"],
    ) -> Float[Tensor, "1"]:
        """α·content + β·style (equation 7), each the mean over its layers (equation 5), and the total variation."""
        cost = self.weights.smooth * total_variation(picture) / picture.numel()
        for layer, features in self.content.items():
            scaled = maps[layer][0] / self.scales[layer]
            cost = cost + self.weights.alpha / len(self.content) * content_loss(scaled, features)
        for layer, matrix in self.style.items():
            scaled = maps[layer][0] / self.scales[layer]
            cost = cost + self.weights.beta / len(self.style) * style_loss(scaled, matrix)
        return cost
