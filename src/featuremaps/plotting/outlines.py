"""A line around a region of a picture, which is seen on bright and on dark ground."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import max_pool2d

DARK, BRIGHT = (10, 10, 14), (255, 255, 255)
"""A bright line with a dark one outside it."""
SIDE = 400
"""For so many pixels of the shorter side the lines are one pixel wider."""


def outlined(image: Image.Image, inside: Bool[Tensor, "height width"]) -> Image.Image:
    """The picture with a bright line around a region and a dark one around that; what is inside stays as it is."""
    width = 1 + min(image.size) // SIDE
    shown = np.array(image.convert("RGB"))
    shown[_rim(inside, 2 * width).numpy()] = DARK
    shown[_rim(inside, width).numpy()] = BRIGHT
    return Image.fromarray(shown)


def _rim(region: Bool[Tensor, "height width"], width: int) -> Bool[Tensor, "height width"]:
    """The places outside a region that lie so near to it."""
    near = max_pool2d(region[None, None].float(), 2 * width + 1, 1, width)[0, 0] > 0
    return near & ~region


def nearest(region: Float[Tensor, "*grid"], size: tuple[int, ...]) -> Float[Tensor, "*size"]:
    """A region of an output's places in the places of the input, or the other way: each as the nearest one."""
    if tuple(region.shape) == tuple(size):
        return region
    return torch.nn.functional.interpolate(region[None, None].float(), size, mode="nearest-exact")[0, 0]
