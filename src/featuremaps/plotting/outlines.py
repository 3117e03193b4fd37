"""Lines around regions and boxes of a picture, which are seen on bright and on dark ground."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import max_pool2d

DARK, BRIGHT = (10, 10, 14), (255, 255, 255)
"""A bright line with a dark one outside it."""
BOX, BOX_RIM = "#00e5ff", "#062a30"
"""Of boxes: cyan is in neither of the colour maps that maps are drawn in."""
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


def boxed(image: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """The picture with a box (left, top, right, bottom) in its pixels, its line along the edge from within."""
    drawn = image.convert("RGB")
    drawn = drawn.copy() if drawn is image else drawn
    width = max(1, round(min(image.size) / 160))
    pen = ImageDraw.Draw(drawn)
    left, top, right, bottom = (round(edge) for edge in box)
    right, bottom = max(left + 1, right) - 1, max(top + 1, bottom) - 1  # the last pixel inside
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=BOX_RIM)
    pen.rectangle((left, top, right, bottom), outline=BOX, width=width)
    inner = (left + width, top + width, right - width, bottom - width)
    if inner[2] > inner[0] and inner[3] > inner[1]:
        pen.rectangle(inner, outline=BOX_RIM)
    drawn.info.update(image.info)
    return drawn
