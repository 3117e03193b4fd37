"""Pictures that stand for "nothing to see", from which methods measure what a picture adds."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import MethodError

Inputs = Float[Tensor, "batch colour *space"]
Baseline = Literal["zero", "blur"]
RandomBaseline = Literal["zero", "blur", "uniform"]


def baseline_of(inputs: Inputs, kind: RandomBaseline, generator: torch.Generator | None = None) -> Inputs:
    """A baseline for each input.

    `"zero"` is 0 after the preprocessing, the mean colour where that normalises; `"blur"` is the picture blurred
    beyond recognition (Gaussian, 20 pixels); `"uniform"` is noise between each colour's lowest and highest value,
    the same noise for every picture.
    """
    if kind == "zero":
        return torch.zeros_like(inputs)
    if kind == "uniform":
        noise = torch.rand(inputs.shape[1:], generator=generator).to(inputs)
        space = tuple(range(2, inputs.ndim))
        low, high = inputs.amin(space, keepdim=True), inputs.amax(space, keepdim=True)
        return low + noise * (high - low)
    if inputs.ndim != 4:
        raise MethodError(
            f"a blurred baseline is for pictures (batch, colour, height, width), and the model's input has shape "
            f"{tuple(inputs.shape)}. Use baseline='zero'."
        )
    from torchvision.transforms.functional import gaussian_blur

    blurred: Tensor = gaussian_blur(inputs, [51, 51], [20.0, 20.0])
    return blurred
