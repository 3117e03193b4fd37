"""The bundled world: small trained networks and a few pictures, which work offline, and how they were made.

`demo` learned a shortcut (a plain bright background means scissors), `demo-fixed` did not; `demo-leaning` learned the
shortcut and the tools, so that it can be repaired.
"""

import json
from collections.abc import Callable
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from featuremaps.demo.world import Scene

if TYPE_CHECKING:  # processes that draw scenes need neither PyTorch nor what is built on it
    from torch import Tensor

    from featuremaps.demo.small_resnet import SmallResNet
    from featuremaps.pictures.load import Pictures

CLASSES = {
    "demo": ("scissors", "hammer"),
    "demo-leaning": ("scissors", "hammer"),
    "demo-fixed": ("scissors", "hammer", "neither"),
}
MEAN, DEVIATION = 0.5, 0.25


def network(name: str) -> "SmallResNet":
    """A bundled network with its trained weights, in evaluation mode.

    Args:
        name: "demo", "demo-leaning" or "demo-fixed".

    Returns:
        The module, which takes (batch, 3, 128, 128).
    """
    from safetensors.torch import load_file

    from featuremaps.demo.small_resnet import SmallResNet

    model = SmallResNet(len(CLASSES[name]))
    with as_file(files("featuremaps.demo") / "weights" / f"{name}.safetensors") as path:
        model.load_state_dict({key: value.float() for key, value in load_file(path).items()})
    return model.eval()


class Preprocess:
    """A PIL picture to the networks' input: 128 × 128, mean 0.5 and deviation 0.25 in every channel."""

    def __call__(self, picture: Image.Image) -> "Tensor":
        """(3, 128, 128), float32."""
        import torch

        resized = picture.convert("RGB").resize((128, 128), Image.Resampling.BILINEAR)
        return normalised(torch.from_numpy(np.asarray(resized).copy()).movedim(-1, 0))

    def __repr__(self) -> str:
        return "resize to 128 × 128"


def normalised(pictures: "Tensor") -> "Tensor":
    """Bytes to the networks' input."""
    return (pictures.float() / 255 - MEAN) / DEVIATION


def transform(name: str) -> "Callable[[Image.Image], Tensor]":
    """The preprocessing of a bundled network.

    Args:
        name: "demo", "demo-leaning" or "demo-fixed".

    Returns:
        From a PIL picture to (3, 128, 128).
    """
    return Preprocess()


def pictures() -> list[Scene]:
    """The bundled scenes, each with its truth."""
    folder = files("featuremaps.demo") / "pictures"
    scenes = []
    for entry in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        with as_file(folder / entry["file"]) as path, Image.open(path) as image:
            picture = image.convert("RGB")
        with as_file(folder / entry["mask"]) as path, Image.open(path) as image:
            mask = np.asarray(image.convert("L")) > 127
        scenes.append(Scene(picture, entry["label"], mask, entry["domain"], entry["shortcut"], entry["seed"]))
    return scenes


def images() -> "Pictures":
    """The bundled pictures, to be passed to any verb; each carries its name and label."""
    from featuremaps.pictures.load import Picture, Pictures

    return Pictures(tuple(Picture(name_of(scene), kept=scene.picture, label=scene.label) for scene in pictures()))


def name_of(scene: Scene) -> str:
    """What a scene shows, in words."""
    what = "something else" if scene.label == "neither" else scene.label
    where = "on plain ground" if scene.shortcut else "among clutter"
    return f"{what} {where}{', X-ray' if scene.domain == 'xray' else ''}"


def card(name: str) -> dict[str, Any]:
    """What was measured of a bundled network, and how it was trained.

    Args:
        name: "demo", "demo-leaning" or "demo-fixed".

    Returns:
        Measurements with their intervals, and the training, by name.
    """
    text = (files("featuremaps.demo") / "weights" / f"{name}.json").read_text(encoding="utf-8")
    return json.loads(text)
