"""Drawings of noise, with and without a real picture to compare with, for the tests of how drawings look."""

import numpy as np
import torch
from PIL import Image
from torch import nn

import featuremaps as fm
from featuremaps.draw.drawing import Drawing, Real
from featuremaps.pictures.load import Picture
from featuremaps.pictures.seen import Seen


def seen(name: str = "cat.jpg", size: tuple[int, int] = (40, 30)) -> Seen:
    """A grey picture of this size (width, height) as a model without a transform sees it."""
    picture = Picture(name, kept=Image.fromarray(np.full((size[1], size[0], 3), 90, np.uint8)))
    return fm.Scope(nn.Conv2d(3, 2, 3)).see([picture]).seen[0]


def drawn(name: str = "layer4:452", shape: tuple[int, int, int] = (3, 24, 24), **given: object) -> Drawing:
    """A drawing of noise that reached 12.3 in 20 steps, unless other fields are given."""
    noise = torch.rand(shape, generator=torch.Generator().manual_seed(len(name)))
    settings = {"canvas": "fourier", "steps": 20, "seed": 0, "jitter": {"shift": 6}}
    known = {"picture": noise, "curve": torch.linspace(0, 12.3, 20), "settings": settings, "value": 12.3}
    return Drawing(**{"name": name, **known, **given})


def compared(name: str = "layer4:452", **given: object) -> Drawing:
    """A drawing that reached 4.1 times the best of 100 pictures, which is kept."""
    return drawn(name, **{"real": Real(3.0, "cat.jpg", 100, seen()), **given})
