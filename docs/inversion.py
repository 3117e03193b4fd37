"""Draws what each layer of SqueezeNet remembers of a picture: `python docs/inversion.py` writes docs/inversion.png.

Needs torchvision's SqueezeNet weights; a path to other weights may be given.
"""

import sys
from pathlib import Path

import skimage.data
import torch
import torchvision
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from safetensors.torch import load_file
from torchvision.transforms import v2

from featuremaps.draw.invert import InvertOptions, invert
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import see

LAYERS = ["features.3", "features.5", "features.8", "features.10", "features.12"]
PICTURES = ("chelsea", "coffee")
TRANSFORM = v2.Compose(
    [
        *(v2.Resize(256), v2.CenterCrop(227), v2.ToImage(), v2.ToDtype(torch.float32, True)),
        v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)


def main(weights: str | None = None) -> None:
    model = torchvision.models.squeezenet1_0(weights=None if weights else "DEFAULT")
    if weights:
        model.load_state_dict(load_file(weights))
    preprocessing = Preprocessing(TRANSFORM)
    studied = StudiedModel(model.eval(), preprocessing)
    figure = Figure(figsize=(10.4, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    for name, axes in zip(PICTURES, figure.subplots(len(PICTURES), 1 + len(LAYERS)), strict=True):
        seen = see(Image.fromarray(getattr(skimage.data, name)()), preprocessing).seen[0]
        panels = [(seen.image, f"{name}, as the model sees it")]
        for layer, drawing in zip(LAYERS, invert(studied, seen, LAYERS, InvertOptions()), strict=True):
            panels.append((drawing.image, f"{layer}: distance {drawing.value:.2f}"))
        for panel, (image, title) in zip(axes, panels, strict=True):
            panel.imshow(image)
            panel.set_title(title, fontsize=8)
            panel.axis("off")
    figure.suptitle("Pictures with the same features: what SqueezeNet keeps, early to deep", fontsize=9, color="#555")
    path = Path(__file__).parent / "inversion.png"
    figure.savefig(path, dpi=105)
    Image.open(path).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT).save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
