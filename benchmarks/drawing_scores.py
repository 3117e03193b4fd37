"""How good a drawing is: what the model says of it, fine grain, and clipping. Nothing here is our own code.

The model is the real SqueezeNet that lies beside the project; a drawing is looked at as an 8-bit picture, once,
undistorted, at the size that the model was trained for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
WEIGHTS = SHARED / "models" / "squeezenet1_0_imagenet_fp16.safetensors"
PHOTOGRAPHS = SHARED / "images" / "imagenet"
SIZE = 227
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LUMINANCE = (0.2126, 0.7152, 0.0722)
FINE = 0.25  # cycles per pixel; half of what a picture can hold
AT_ONCE = 25

normalise = transforms.Normalize(MEAN, DEVIATION)
photograph = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(SIZE), transforms.ToTensor(), normalise])


@dataclass(frozen=True, eq=False)
class Judge:
    """A model, the layer whose channels are drawn, and each channel's highest mean over the real photographs."""

    model: nn.Module
    layer: str
    best: Tensor

    def activations(self, pictures: Tensor) -> Tensor:
        """Each channel's mean over its map, (picture, channel), for pictures as `eight_bit` made them."""
        return _means(self.model, self.layer, normalise(shown(pictures)))

    def scores(self, pictures: Tensor, channels: Sequence[int]) -> Tensor:
        """One picture for each channel: what it reaches, over the best of the photographs."""
        reached = self.activations(pictures)[torch.arange(len(pictures)), list(channels)]
        return reached / self.best[list(channels)]

    def probabilities(self, pictures: Tensor) -> Tensor:
        """What the model answers to each picture."""
        with torch.inference_mode():
            answers: Tensor = self.model(normalise(shown(pictures))).softmax(1)
        return answers


def squeezenet() -> nn.Module:
    """The real SqueezeNet, in evaluation mode."""
    from safetensors.torch import load_file

    if not WEIGHTS.is_file():
        raise FileNotFoundError(f"the real model is not at {WEIGHTS}: drawings are judged with it.")
    model = torchvision.models.squeezenet1_0()
    model.load_state_dict(load_file(WEIGHTS))
    return model.float().eval()


def judge(layer: str) -> Judge:
    """The judge of one layer, from all photographs beside the project."""
    model = squeezenet()
    inputs = [photograph(Image.open(path).convert("RGB")) for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]
    return Judge(model, layer, _means(model, layer, torch.stack(inputs)).amax(0))


def _means(model: nn.Module, layer: str, inputs: Tensor) -> Tensor:
    kept: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *given: kept.append(given[2].mean((2, 3))))
    try:
        with torch.inference_mode():
            for batch in inputs.split(AT_ONCE):
                model(batch)
    finally:
        handle.remove()
    return torch.cat(kept)


def eight_bit(pictures: Tensor) -> Tensor:
    """Pictures of values 0 to 1 as they are saved."""
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8)


def shown(pictures: Tensor) -> Tensor:
    """8-bit pictures as the model is shown them: values 0 to 1, at its own size, antialiased where that is smaller."""
    values = pictures.float() / 255
    if values.shape[-2:] == (SIZE, SIZE):
        return values
    return F.interpolate(values, (SIZE, SIZE), mode="bilinear", align_corners=False, antialias=True)


def fine_share(pictures: Tensor) -> Tensor:
    """The share of luminance's energy above `FINE` cycles per pixel, the mean left out, as the model is shown them."""
    grey = (shown(pictures) * torch.tensor(LUMINANCE)[:, None, None]).sum(1).double()
    energy = torch.fft.fft2(grey - grey.mean((1, 2), keepdim=True)).abs() ** 2
    along = torch.fft.fftfreq(SIZE, dtype=torch.float64)
    fine = (along[:, None] ** 2 + along**2).sqrt() > FINE
    total = energy.sum((1, 2))
    return torch.where(total > 0, (energy * fine).sum((1, 2)) / total.clamp_min(1e-30), 0.0)


def clipped_share(pictures: Tensor) -> Tensor:
    """The share of 8-bit values that are 0 or 255."""
    return ((pictures == 0) | (pictures == 255)).float().mean((1, 2, 3))


def spread(last: int, count: int) -> list[int]:
    """`count` whole numbers from 0 to `last`, evenly spread."""
    return np.linspace(0, last, count).round().astype(int).tolist()
