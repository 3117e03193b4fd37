"""Pictures that stand for "nothing to see", from which methods measure what a picture adds."""

import math
from typing import Literal

import torch

from featuremaps.methods.random_numbers import uniform
from featuremaps.methods.shapes import Inputs

Baseline = Literal["zero", "blur", "mean"]
RandomBaseline = Literal["zero", "blur", "mean", "uniform"]


def baseline_of(inputs: Inputs, kind: RandomBaseline, generator: torch.Generator | None = None) -> Inputs:
    """A baseline for each input.

    `"zero"` is 0 after the preprocessing, the mean colour of the training pictures where that normalises; `"mean"` the
    picture's own mean colour; `"blur"` the picture under a strong blur (a Gaussian of a tenth of its shortest side);
    `"uniform"` noise between each colour's lowest and highest value, the same noise for every picture.
    """
    if kind == "zero":
        return torch.zeros_like(inputs)
    space = tuple(range(2, inputs.ndim))
    if kind == "mean":
        return inputs.mean(space, keepdim=True).expand_as(inputs).contiguous()
    if kind == "uniform":
        noise = uniform(inputs.shape[1:], generator).to(inputs)
        low, high = inputs.amin(space, keepdim=True), inputs.amax(space, keepdim=True)
        return low + noise * (high - low)
    return _blurred(inputs, min(inputs.shape[2:]) / 10)


def _blurred(inputs: Inputs, sigma: float) -> Inputs:
    """A Gaussian blur, along one axis after the other; beyond its border a picture goes on as in a mirror."""
    from torchvision.transforms.functional import gaussian_blur

    blurred = inputs
    for axis in range(inputs.ndim - 1, 1, -1):
        length = inputs.shape[axis]
        reach = 2 * min(round(2.5 * sigma), length - 1) + 1  # as far as the mirror goes
        last = axis == inputs.ndim - 1
        planes = (-1, length) if last else (length, math.prod(inputs.shape[axis + 1 :]))
        before = inputs.shape[1:2] if last else (math.prod(inputs.shape[1:axis]),)
        rows = blurred.reshape(len(inputs), *before, *planes)
        kernel = [reach, 1] if last else [1, reach]
        blurred = gaussian_blur(rows, kernel, [sigma, sigma]).reshape(inputs.shape)
    return blurred
