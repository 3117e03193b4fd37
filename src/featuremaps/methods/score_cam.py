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
from featuremaps.methods.shapes import Inputs, Map, Maps, Score
from featuremaps.progress import track

Weighting = Literal["probability", "score", "softmax"]


@method(paper="Wang et al. 2020, Score-CAM, eq. 5-8, with the authors' weights")
def score_cam(
    activations: Maps,
    inputs: Inputs,
    score: Score,
    probability: Score,
    *,
    baseline: Baseline = "zero",
    weighting: Weighting = "probability",
    chunk: int = 0,
    combine: Combine = "sum",
) -> Map:
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

    weights = _mask_weights(activations, gains, measure(empty), of_each(inputs, chunk), weighting)
    return combined(weights * activations, combine)


@method(paper="Wang et al. 2020, SS-CAM, eq. 5-7, smoothing on the feature maps")
def ss_cam(
    activations: Maps,
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
) -> Map:
    """Score-CAM whose gains are means over `samples` noisy copies of each channel.

    `noise` is the standard deviation as a share of the channel's range (the paper gives it in units of the
    activations, which differ between models). The noise is the same for every channel and picture.
    """
    at_least_one(samples=samples)
    measure = probability if weighting == "probability" else score
    shifts = normal((samples, *activations.shape[2:]), generator).to(activations)

    def gains(maps: Tensor) -> Tensor:
        spread = noise * (maps.amax((2, 3), keepdim=True) - maps.amin((2, 3), keepdim=True))
        return torch.stack([measure(_masked(inputs, maps + spread * shift)) for shift in shifts]).mean(0)

    weights = _mask_weights(activations, gains, measure(torch.zeros_like(inputs)), of_each(inputs, chunk), weighting)
    return combined(weights * activations, combine)


@method(paper="Naidu et al. 2020, IS-CAM, eq. 3-5, read as a mean over the path")
def is_cam(
    activations: Maps,
    inputs: Inputs,
    score: Score,
    probability: Score,
    *,
    steps: int = 10,
    weighting: Weighting = "probability",
    chunk: int = 0,
    combine: Combine = "sum",
) -> Map:
    """Score-CAM whose gains are means over masks scaled by 1/steps, 2/steps, … 1: an integral from blank to masked."""
    at_least_one(steps=steps)
    measure = probability if weighting == "probability" else score

    def gains(maps: Tensor) -> Tensor:
        masked = _masked(inputs, maps)
        return torch.stack([measure(masked * (step / steps)) for step in range(1, steps + 1)]).mean(0)

    weights = _mask_weights(activations, gains, measure(torch.zeros_like(inputs)), of_each(inputs, chunk), weighting)
    return combined(weights * activations, combine)


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
    activations: Maps, gains: Score, floor: Float[Tensor, " batch"], together: int, weighting: Weighting
) -> Float[Tensor, "batch channel 1 1"]:
    """What each channel's mask gains over the empty picture; 0 for channels without a mask."""
    gained = activations.new_full(activations.shape[:2], -torch.inf)
    varies = activations.flatten(2).amax(2) > activations.flatten(2).amin(2)
    with torch.no_grad():
        for channels in _chunks(varies.any(0).nonzero()[:, 0], together, "masking with channels"):
            gained[:, channels] = gains(activations[:, channels]).reshape(len(activations), -1) - floor[:, None]
    gained = torch.where(varies, gained, -torch.inf)
    weights = gained.softmax(1) if weighting == "softmax" else gained
    return torch.where(varies, weights, 0.0)[..., None, None]


def _masked(inputs: Inputs, maps: Maps) -> Tensor:
    """Copies of the pictures (batch·channel, colour, height, width) behind each of the maps as a mask."""
    return (_unit_masks(maps, inputs) * inputs[:, None]).flatten(0, 1)


def _unit_masks(maps: Maps, inputs: Inputs) -> Float[Tensor, "batch channel 1 input_height input_width"]:
    """The maps enlarged to the picture, then scaled to 0..1 each."""
    size = tuple(inputs.shape[2:])
    if len(size) != 2:
        raise MethodError(
            "masking with channels is for pictures (batch, channel, height, width), and the model's input has shape "
            f"{tuple(inputs.shape)}. Use grad_cam or ablation_cam."
        )
    enlarged = torch.nn.functional.interpolate(maps, size, mode="bilinear", align_corners=False)
    lowest = enlarged.amin((2, 3), keepdim=True)
    return divided(enlarged - lowest, enlarged.amax((2, 3), keepdim=True) - lowest)[:, :, None]


def _chunks(channels: Tensor, size: int, doing: str) -> Iterator[Tensor]:
    return track(torch.split(channels, size) if len(channels) else (), doing)
