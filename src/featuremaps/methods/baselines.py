"""Pictures that stand for "nothing to see", from which methods measure what a picture adds."""

from typing import Literal

import torch
from torch import Tensor

from featuremaps.errors import MethodError
from featuremaps.methods.random_numbers import uniform
from featuremaps.methods.shapes import Inputs

Baseline = Literal["zero", "blur", "mean"]
RandomBaseline = Literal["zero", "blur", "mean", "uniform"]


def baseline_of(inputs: Inputs, kind: RandomBaseline, generator: torch.Generator | None = None) -> Inputs:
    """A baseline for each input.

    `"zero"` is 0 after the preprocessing, the mean colour of the training pictures where that normalises; `"mean"` the
    picture's own mean colour; `"blur"` the picture under a strong blur (a Gaussian of a tenth of its shorter side);
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
    if inputs.ndim != 4:
        raise MethodError(
            f"a blurred baseline is for pictures (batch, colour, height, width), and the model's input has shape "
            f"{tuple(inputs.shape)}. Use baseline='zero'."
        )
    return _blurred(inputs, min(inputs.shape[2:]) / 10)


def _blurred(inputs: Inputs, sigma: float) -> Inputs:
    """A Gaussian blur, along one axis after the other; beyond its border a picture goes on as in a mirror."""
    from torchvision.transforms.functional import gaussian_blur

    down, across = (2 * min(round(2.5 * sigma), size - 1) + 1 for size in inputs.shape[2:])  # as far as the mirror goes
    blurred: Tensor = gaussian_blur(gaussian_blur(inputs, [across, 1], [sigma, sigma]), [1, down], [sigma, sigma])
    return blurred
