"""Class activation maps without gradients: what happens to the score when a channel masks the picture, or is taken out.

Each channel costs a pass, so the masked copies are made and scored in chunks. All pictures of a batch go through
together, picture by picture.
"""

from collections.abc import Iterator
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import MethodError
from featuremaps.methods.baselines import Baseline, baseline_of
from featuremaps.methods.channel_weights import Combine, at_least_one, combined, divided
from featuremaps.methods.chunking import of_each
from featuremaps.methods.random_numbers import normal
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import LINEAR, Inputs, Map, Maps, Score, SpatialMap, SpatialMaps
from featuremaps.progress import track

Weighting = Literal["probability", "score", "softmax"]


@method(paper="Wang et al. 2020, Score-CAM, eq. 5-8, with the authors' weights")
def score_cam(
    spatial_activations: SpatialMaps,
    inputs: Inputs,
    score: Score,
    probability: Score,
    *,
    baseline: Baseline = "zero",
    weighting: Weighting = "probability",
    chunk: int = 0,
    combine: Combine = "sum",
) -> SpatialMap:
    """Channels weighted by what the class gains when the channel masks the picture.

    The masks are the enlarged channels scaled to 0..1; a channel that is constant over the picture has no mask and
    weight 0. `weighting` says what is gained over the baseline: the class probability (the authors' code), the
    target's score, or the score after a softmax over the channels. `chunk` copies of the picture run at a time
    (0: chosen for the device).
    """
    measure = probability if weighting == "probability" else score
    empty = baseline_of(inputs, baseline)

    def gains(maps: Tensor) -> Tensor:
        masks = _unit_masks(maps, inputs)
        return measure(torch.addcmul(empty[:, None], masks, (inputs - empty)[:, None]).flatten(0, 1))

    weights = _mask_weights(spatial_activations, gains, measure(empty), of_each(inputs, chunk), weighting)
    return combined(weights * spatial_activations, combine)


@method(paper="Wang et al. 2020, SS-CAM, eq. 5-7, smoothing on the feature maps")
def ss_cam(
    spatial_activations: SpatialMaps,
    inputs: Inputs,
    score: Score,
    probability: Score,
    generator: torch.Generator,
    *,
    samples: int = 10,
    noise: float = 0.2,
    weighting: Weighting = "probability",
    chunk: int = 0,
    combine: Combine = "sum",
) -> SpatialMap:
    """Score-CAM whose gains are means over `samples` noisy copies of each channel.

    `noise` is the standard deviation as a share of the channel's range (the paper gives it in units of the
    activations, which differ between models). The noise is the same for every channel and picture.
    """
    at_least_one(samples=samples)
    measure = probability if weighting == "probability" else score
    shifts = normal((samples, *spatial_activations.shape[2:]), generator).to(spatial_activations)

    def gains(maps: Tensor) -> Tensor:
        spread = noise * (_highest(maps) - _lowest(maps))
        return torch.stack([measure(_masked(inputs, maps + spread * shift)) for shift in shifts]).mean(0)

    weights = _mask_weights(
        spatial_activations, gains, measure(torch.zeros_like(inputs)), of_each(inputs, chunk), weighting
    )
    return combined(weights * spatial_activations, combine)


@method(paper="Naidu et al. 2020, IS-CAM, eq. 3-5, read as a mean over the path")
def is_cam(
    spatial_activations: SpatialMaps,
    inputs: Inputs,
    score: Score,
    probability: Score,
    *,
    steps: int = 10,
    weighting: Weighting = "probability",
    chunk: int = 0,
    combine: Combine = "sum",
) -> SpatialMap:
    """Score-CAM whose gains are means over masks scaled by 1/steps, 2/steps, … 1: an integral from blank to masked."""
    at_least_one(steps=steps)
    measure = probability if weighting == "probability" else score

    def gains(maps: Tensor) -> Tensor:
        masked = _masked(inputs, maps)
        return torch.stack([measure(masked * (step / steps)) for step in range(1, steps + 1)]).mean(0)

    weights = _mask_weights(
        spatial_activations, gains, measure(torch.zeros_like(inputs)), of_each(inputs, chunk), weighting
    )
    return combined(weights * spatial_activations, combine)


@method(paper="Desai & Ramaswamy 2020, Ablation-CAM, eq. 4-5")
def ablation_cam(
    activations: Maps, tail: Score, tail_without: Score, *, chunk: int = 64, combine: Combine = "sum"
) -> Map:
    """Channels weighted by the share of the score that is lost without them, (y − yₖ) / |y|.

    The channel is set to zero. Dividing by |y| keeps the sign where the score is negative: a positive weight always
    means that the channel speaks for the class. Channels that are zero already are not run.
    """
    with torch.no_grad():
        whole = tail(activations)
        weights = activations.new_zeros(activations.shape[:2])
        alive = (activations != 0).flatten(2).any(2).any(0).nonzero()[:, 0]
        for channels in _chunks(alive, max(1, chunk // len(activations)), "ablating channels"):
            weights[:, channels] = whole[:, None] - tail_without(channels)
    return combined(divided(weights, whole.abs()[:, None])[..., None, None] * activations, combine)


def _mask_weights(
    activations: SpatialMaps, gains: Score, floor: Float[Tensor, " batch"], together: int, weighting: Weighting
) -> Float[Tensor, "batch channel *ones"]:
    """What each channel's mask gains over the empty picture; 0 for channels without a mask."""
    gained = activations.new_full(activations.shape[:2], -torch.inf)
    varies = activations.flatten(2).amax(2) > activations.flatten(2).amin(2)
    with torch.no_grad():
        for channels in _chunks(varies.any(0).nonzero()[:, 0], together, "masking with channels"):
            gained[:, channels] = gains(activations[:, channels]).reshape(len(activations), -1) - floor[:, None]
    gained = torch.where(varies, gained, -torch.inf)
    weights = gained.softmax(1) if weighting == "softmax" else gained
    return torch.where(varies, weights, 0.0)[(...,) + (None,) * (activations.ndim - 2)]


def _masked(inputs: Inputs, maps: SpatialMaps) -> Tensor:
    """Copies of the pictures (batch·channel, colour, *space) behind each of the maps as a mask."""
    return (_unit_masks(maps, inputs) * inputs[:, None]).flatten(0, 1)


def _unit_masks(maps: SpatialMaps, inputs: Inputs) -> Float[Tensor, "batch channel 1 *space"]:
    """The maps enlarged to the picture, signal or volume, then scaled to 0..1 each."""
    size = tuple(inputs.shape[2:])
    if maps.ndim != inputs.ndim:
        raise MethodError(
            f"masking with channels lays each over the model's input, which has shape {tuple(inputs.shape)}, and the "
            f"layer's maps have shape {tuple(maps.shape)}: other axes. Use grad_cam or ablation_cam, or another layer."
        )
    enlarged = torch.nn.functional.interpolate(maps, size, mode=LINEAR[len(size)], align_corners=False)
    return divided(enlarged - _lowest(enlarged), _highest(enlarged) - _lowest(enlarged))[:, :, None]


def _lowest(maps: SpatialMaps) -> Tensor:
    return maps.amin(tuple(range(2, maps.ndim)), keepdim=True)


def _highest(maps: SpatialMaps) -> Tensor:
    return maps.amax(tuple(range(2, maps.ndim)), keepdim=True)


def _chunks(channels: Tensor, size: int, doing: str) -> Iterator[Tensor]:
    return track(torch.split(channels, size) if len(channels) else (), doing)
