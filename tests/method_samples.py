"""Small networks and real models that the tests of the methods share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jaxtyping
import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from benchmarks.resnet20 import ResNet20, resnet20
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.transforms import v2

import featuremaps as fm

# What is to hold for any number of copies: these options make tens or a few hundred of a picture, and not thousands.
FEWER: dict[str, dict[str, object]] = {
    "rise": {"masks": 120},
    "lime": {"samples": 150, "segments": 16},
    "kernel_shap": {"samples": 150, "segments": 16},
    "occlusion": {"window": 5, "stride": 3},
}

IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


class Features(nn.Module):
    """Three convolutions; `relu` says how the ReLU between them is written."""

    def __init__(self, relu: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 7, 3, 2, 1)
        self.conv3 = nn.Conv2d(7, 8, 3, 2, 1)
        self.act = F.relu if relu == "functional" else nn.ReLU(inplace=relu == "inplace")

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.conv3(self.act(self.conv2(self.act(self.conv1(x))))))


class Little(nn.Module):
    """A classifier of four classes that averages its last maps; layers `features.conv2` (signed) and `features`."""

    def __init__(self, relu: str = "module", seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.features = Features(relu)
        self.head = nn.Linear(8, 4)
        for conv in (self.features.conv1, self.features.conv2, self.features.conv3):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        with torch.no_grad():
            self.head.weight.normal_()
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))


class Curved(Little):
    """As `Little`, but smooth and not linear after its last maps, so that second derivatives matter."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.features(x)).pow(2).mean((2, 3)))


def noise(batch: int = 2, size: tuple[int, int] = (16, 16), seed: int = 0) -> Tensor:
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(seed))


def squeezenet(shared: Path, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The real SqueezeNet in evaluation mode."""
    model = torchvision.models.squeezenet1_0()
    model.load_state_dict(load_file(str(shared / "models" / "squeezenet1_0_imagenet_fp16.safetensors")))
    return model.to(dtype).eval()


def cifar_model(shared: Path) -> ResNet20:
    """The real CIFAR ResNet-20 in evaluation mode."""
    return resnet20(shared / "models" / "resnet20_cifar10.safetensors")


def photographs(shared: Path, classes: tuple[int, ...] = (0, 280), size: int = 227) -> Tensor:
    """ImageNet photographs of these classes, preprocessed for SqueezeNet, (batch, 3, size, size)."""
    convert = v2.Compose(
        [v2.Resize(size), v2.CenterCrop(size), v2.ToImage(), v2.ToDtype(torch.float32, True), v2.Normalize(**IMAGENET)]
    )
    paths = [next((shared / "images" / "imagenet").glob(f"{index:03d}_*.jpg")) for index in classes]
    return torch.stack([convert(Image.open(path).convert("RGB")) for path in paths])


def small_photographs(shared: Path, classes: tuple[str, ...] = ("cat", "ship")) -> Tensor:
    """CIFAR-10 test pictures, preprocessed for ResNet-20, (batch, 3, 32, 32)."""
    convert = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, True), v2.Normalize(**IMAGENET)])
    folders = [shared / "images" / "cifar10" / name for name in classes]
    return torch.stack([convert(Image.open(sorted(folder.glob("*.jpg"))[0]).convert("RGB")) for folder in folders])


def explained(model: nn.Module, pictures: Tensor, method: str, layer: str = "last", **options: object) -> Tensor:
    return fm.Scope(model).explain(pictures, method, layer=layer, **options).tensor


@contextmanager
def unchecked() -> Iterator[None]:
    """As on a user's machine: argument types are not checked, so that our own messages are reached."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def principal(contributions: np.ndarray) -> np.ndarray:
    """First principal component of (channel, height, width), by SVD; the sign is that of the mean channel's."""
    points = contributions.reshape(len(contributions), -1).T.astype(np.float64)
    centred = points - points.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False)[2]
    projection = centred @ axes[0]
    sign = -1.0 if (projection * centred.mean(1)).sum() < 0 else 1.0
    return (sign * projection).reshape(contributions.shape[1:])
