"""Pictures that stand for "nothing to see", from which methods measure what a picture adds."""

from typing import Literal

import torch
from torch.nn.functional import conv2d, pad

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
    planes = inputs.flatten(0, 1)[:, None]
    for axis in (2, 3):
        reach = min(round(2.5 * sigma), planes.shape[axis] - 1)  # the mirror needs one pixel more
        bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=planes.device) / sigma) ** 2)
        kernel = (bell / bell.sum()).to(planes).reshape([-1 if each == axis else 1 for each in range(4)])
        margins = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        planes = conv2d(pad(planes, margins, "reflect"), kernel)
    return planes.reshape(inputs.shape)
