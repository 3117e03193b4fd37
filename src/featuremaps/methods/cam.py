"""Class activation maps from one forward and one backward pass: a weight per channel, or per channel and position.

Every formula returns the signed map (batch, height, width) at the layer's resolution; the ReLU that most papers end
with is a way of looking at it. `combine="principal"` replaces the sum over the channels by their first principal
component (eigen-smoothing).
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from featuremaps.errors import MethodError
from featuremaps.methods.channel_weights import Combine, at_least_one, combined, divided, spatial_mean
from featuremaps.methods.random_numbers import normal, uniform
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import LINEAR, Inputs, Map, Maps, Score, SpatialMap, SpatialMaps


@method(paper="Selvaraju et al. 2017, Grad-CAM, eq. 1-2")
def grad_cam(activations: Maps, gradients: Maps, *, combine: Combine = "sum") -> Map:
    """Channels weighted by their mean gradient."""
    return combined(spatial_mean(gradients) * activations, combine)


@method(paper="Zhou et al. 2016, Learning deep features for discriminative localization, eq. 2")
def cam(activations: Maps, gradients: Maps, tail: Score, *, combine: Combine = "sum") -> Map:
    """The class's own weights in a linear head after global average pooling, as a map.

    The head is recognised by what it does: its score is linear in the maps and alike at every position, so that
    its weights are its gradients. Any other head raises `MethodError`.
    """
    weights = spatial_mean(gradients)
    scale = gradients.abs().amax((1, 2, 3), keepdim=True)
    alike = bool(((gradients - weights).abs() <= 1e-4 * scale).all())
    with torch.enable_grad():
        here, halved = (values.detach().requires_grad_() for values in (activations, activations / 2))
        changed = _derivative(tail(here), here) - _derivative(tail(halved), halved)
    linear = bool((changed.abs() <= 1e-4 * scale).all())
    if not (alike and linear):
        fault = "its score is not linear in this layer" if alike else "positions of the layer count differently"
        raise MethodError(
            f"cam needs a head that averages this layer over its positions and is linear after that; here {fault}. "
            "Use the last layer before the pooling and a class score as the target, or grad_cam, which needs neither."
        )
    positions = activations.shape[2] * activations.shape[3]
    return combined(weights * positions * activations, combine)


@method(paper="Chattopadhay et al. 2018, Grad-CAM++, eq. 10-12 and 19")
def grad_cam_pp(activations: Maps, gradients: Maps, *, normalise_alpha: bool = False, combine: Combine = "sum") -> Map:
    """Channels weighted by their positive gradients, each position by α = g² / (2g² + ΣA·g³).

    `normalise_alpha` divides α by its sum over the positions with a positive gradient, as the authors' code does
    (which also multiplies the map by exp(score), one factor per picture, left out here).
    """
    return combined(_plus_plus_weights(activations, gradients, normalise_alpha) * activations, combine)


@method(paper="Fu et al. 2020, XGrad-CAM, eq. 8")
def xgrad_cam(activations: Maps, gradients: Maps, *, combine: Combine = "sum") -> Map:
    """Channels weighted by their activation-weighted mean gradient, Σ(A·g) / ΣA.

    Where positive and negative activations cancel (|ΣA| below 5% of Σ|A|) that mean is not defined, and the plain
    mean gradient is taken: the paper's case is the output of a ReLU.
    """
    total = activations.sum((2, 3), keepdim=True)
    weighted = divided((activations * gradients).sum((2, 3), keepdim=True), total)
    cancels = total.abs() < 0.05 * activations.abs().sum((2, 3), keepdim=True)
    return combined(torch.where(cancels, spatial_mean(gradients), weighted) * activations, combine)


@method(paper="Jiang et al. 2021, LayerCAM, eq. 6-7")
def layer_cam(activations: Maps, gradients: Maps, *, combine: Combine = "sum") -> Map:
    """Each position weighted by its own positive gradient: relu(g)·A."""
    return combined(gradients.relu() * activations, combine)


@method(paper="Draelos & Carin 2020, HiResCAM, eq. 4")
def hires_cam(activations: Maps, gradients: Maps, *, combine: Combine = "sum") -> Map:
    """Each position weighted by its own gradient: g·A. Exact for models that are linear after the layer."""
    return combined(gradients * activations, combine)


@method(paper="Selvaraju et al. 2017 with element-wise weights; Draelos & Carin 2020, section 3")
def elementwise_cam(activations: Maps, gradients: Maps, *, combine: Combine = "sum") -> Map:
    """The positive contributions of gradient times activation: relu(g·A)."""
    return combined((gradients * activations).relu(), combine)


@method(paper="Cai 2025, CAMs as Shapley value-based explainers, eq. 12")
def shapley_cam(activations: Maps, tail: Score, *, combine: Combine = "sum") -> Map:
    """Channels weighted by the mean of g − ½·H·A: Grad-CAM with a second-order term, which approximates Shapley values.

    H is the Hessian of the target's score. It is zero for class scores of piecewise linear models (ReLU), where the
    map equals Grad-CAM's; give `Probability` as the target to see the difference.
    """
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
        maps = activations.detach().requires_grad_()
        first = _derivative(tail(maps), maps, create_graph=True)
        product = _hessian_product(first, maps, activations)
    return combined(spatial_mean(first.detach() - product / 2) * activations, combine)


@method(paper="Zhang et al. 2025, Finer-CAM, eq. 5-7")
def finer_cam(
    activations: Maps,
    logits: Float[Tensor, "batch classes"],
    target: Tensor,
    tail_logits: Score,
    *,
    strength: float = 1.0,
    comparisons: int = 3,
    combine: Combine = "sum",
) -> Map:
    """Grad-CAM of what sets the class apart from the classes most like it.

    The score is the mean of y_target − strength·y_other over the `comparisons` classes with the nearest class
    scores, weighted by their probabilities.
    """
    at_least_one(comparisons=comparisons)
    count = min(comparisons, logits.shape[1] - 1)
    if count < 1:
        raise MethodError("finer_cam compares classes, and the model gives a single class score. Use grad_cam.")
    chosen = target[:, None]
    distance = (logits - logits.gather(1, chosen)).abs().scatter(1, chosen, torch.inf)
    others = distance.argsort(dim=1, stable=True)[:, :count]
    with torch.enable_grad():
        maps = activations.detach().requires_grad_()
        scores = tail_logits(maps)
        rivals = scores.gather(1, others)
        finer = (rivals.softmax(1) * (scores.gather(1, chosen) - strength * rivals)).sum(1)
        gradients = _derivative(finer, maps)
    return combined(spatial_mean(gradients) * activations, combine)


@method(paper="Omeiza et al. 2019, Smooth Grad-CAM++, eq. 5-7")
def smooth_grad_cam_pp(
    activations: Maps,
    inputs: Inputs,
    observe: Callable[[Tensor], tuple[Tensor, Tensor]],
    generator: torch.Generator,
    *,
    samples: int = 8,
    noise: float = 0.3,
    combine: Combine = "sum",
) -> Map:
    """Grad-CAM++ whose gradient powers g, g² and g³ are means over `samples` noisy copies of the picture.

    `noise` is the standard deviation in preprocessed units. The noise is the same for every picture of a batch.
    """
    at_least_one(samples=samples)
    moments = [torch.zeros_like(activations) for _ in range(3)]
    for _ in range(samples):
        shift = normal(inputs.shape[1:], generator).to(inputs)
        gradients = observe(inputs + noise * shift)[1]
        for power, moment in enumerate(moments, start=1):
            moment += gradients**power / samples
    total = activations.sum((2, 3), keepdim=True)
    alpha = divided(moments[1], 2 * moments[1] + total * moments[2])
    weights = (alpha * moments[0].relu()).sum((2, 3), keepdim=True)
    return combined(weights * activations, combine)


@method(paper="Domeniconi et al. 2026, How to evaluate and refine your CAM (RefineCAM)")
def refine_cam(
    unfolded_activations: SpatialMaps,
    gradients: Maps,
    deeper_activations: tuple[Tensor, ...],
    deeper_gradients: tuple[Tensor, ...],
) -> SpatialMap:
    """Grad-CAM++ at this layer's resolution, kept only where the deeper layers agree: the product over the layers.

    Each layer's map is cut at zero, enlarged to this layer's size and divided by its maximum. The deeper layers are
    the last one of every coarser map size. The map is not negative anywhere. Of a volume it is enlarged along its depth
    too; gradients are (batch, channel, height, width) with its slices below each other.
    """
    layers = zip((unfolded_activations, *deeper_activations), (gradients, *deeper_gradients), strict=True)
    size = unfolded_activations.shape[2:]
    product = torch.ones_like(unfolded_activations[:, :1])
    for maps, grads in layers:
        positive = grad_cam_pp(maps.reshape(grads.shape), grads).relu().reshape(len(maps), 1, *maps.shape[2:])
        enlarged = torch.nn.functional.interpolate(positive, size, mode=LINEAR[len(size)], align_corners=False)
        product = product * divided(enlarged, enlarged.amax(tuple(range(2, enlarged.ndim)), keepdim=True))
    return product[:, 0]


@method(paper="A control: channels weighted at random, as a method that knows nothing")
def random_cam(activations: Maps, generator: torch.Generator, *, combine: Combine = "sum") -> Map:
    """Channels with random weights in [−1, 1], the same for every picture: what any method must beat."""
    weights = uniform((activations.shape[1],), generator).to(activations) * 2 - 1
    return combined(weights[:, None, None] * activations, combine)


def _plus_plus_weights(activations: Maps, gradients: Maps, normalise_alpha: bool) -> Tensor:
    """Σ α·relu(g) per channel; α is written without the g² that cancels, which would underflow for small gradients."""
    total = activations.sum((2, 3), keepdim=True)
    positive = gradients > 0
    alpha = torch.where(positive, divided(torch.ones_like(gradients), 2 + total * gradients), 0.0)
    if normalise_alpha:
        alpha = divided(alpha, alpha.sum((2, 3), keepdim=True))
    return (alpha * gradients.relu()).sum((2, 3), keepdim=True)


def _derivative(scores: Tensor, maps: Tensor, *, create_graph: bool = False) -> Tensor:
    """The gradient of the sum of the scores; zero where they do not depend on the maps."""
    if not scores.requires_grad:
        return torch.zeros_like(maps)
    return torch.autograd.grad(scores.sum(), maps, create_graph=create_graph, materialize_grads=True)[0]


def _hessian_product(first: Tensor, maps: Tensor, vector: Tensor) -> Tensor:
    """H·vector, zero where the first derivative is constant."""
    if not first.requires_grad:
        return torch.zeros_like(vector)
    return torch.autograd.grad(first, maps, vector, materialize_grads=True)[0]
