"""Networks of other layouts, and pictures, that the tests of feature maps share."""

from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

import featuremaps as fm
from featuremaps.maps.feature_maps import FeatureMaps
from featuremaps.pictures.load import Picture
from method_samples import IMAGENET, Little, squeezenet

PNG = b"\x89PNG\r\n\x1a\n"
TWO = [[[[1.0, 0.0]], [[0.0, 4.0]], [[3.0, 3.0]]], [[[5.0, 0.0]], [[0.0, 0.0]], [[2.0, 0.0]]]]


class Twice(nn.Module):
    """The same maps in three layouts: `first` (channels first), `last` (channels last) and `tokens` with a class token."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(3, 6, 4, 4)
        self.last = nn.Linear(6, 6, bias=False)
        self.tokens = nn.Linear(6, 6, bias=False)
        with torch.no_grad():
            self.last.weight.copy_(torch.eye(6))
            self.tokens.weight.copy_(torch.eye(6))
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.first(x)
        patches = self.last(maps.movedim(1, -1)).flatten(1, 2)
        tokens = self.tokens(torch.cat([patches.new_full((len(x), 1, 6), 99.0), patches], 1))
        return self.fc(tokens[:, 0])


def tiny_vit() -> nn.Module:
    torch.manual_seed(0)
    return torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32).eval()


def real_scope(shared: Path) -> fm.Scope:
    steps = [
        v2.Resize(227),
        v2.CenterCrop(227),
        v2.ToImage(),
        v2.ToDtype(torch.float32, True),
        v2.Normalize(**IMAGENET),
    ]
    return fm.Scope(squeezenet(shared), v2.Compose(steps), name="SqueezeNet")


def chelsea() -> Picture:
    import skimage.data

    return Picture("chelsea.png", kept=Image.fromarray(skimage.data.chelsea()))


def pictures(*sizes: tuple[int, int], seed: int = 0) -> list[Image.Image]:
    """Noise of these sizes (width, height)."""
    random = np.random.default_rng(seed)
    return [Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)) for width, height in sizes]


def texts(figure) -> str:
    """Everything written in a figure."""
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in figure.findobj(Text))


def little(
    layer: object = "features", sizes: tuple[tuple[int, int], ...] = ((24, 16), (24, 16)), **options
) -> FeatureMaps:
    return fm.Scope(Little()).maps(pictures(*sizes), layer, **options)


def made(values: object = TWO, **options) -> FeatureMaps:
    """Three channels of one layer with known values, over pictures of 8 × 4."""
    seen = fm.Scope(Little()).see(pictures(*[(8, 4)] * len(values))).seen
    tensor = torch.tensor(values)
    ranges = {"conv": (float(tensor.min()), float(tensor.max()))}
    return FeatureMaps(tuple(tensor), ("conv:0", "conv:1", "conv:2"), "conv", seen, ranges, **options)
