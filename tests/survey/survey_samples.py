"""A small dataset on disk, a small model, and a survey of one by the other."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.survey.engine.options import SurveyOptions
from featuremaps.survey.run import run_survey
from featuremaps.survey.survey import Survey

LAYERS = ["1", "3"]


def small_model() -> nn.Sequential:
    """Two convolutions, the last channel of layer "3" never fires; then a classifier of three."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )
    with torch.no_grad():
        model[2].bias[5] = -100.0
    return model.eval()


def write_pictures(
    folder: Path, classes: dict[str, int], size: tuple[int, int] = (16, 16), seed: int = 0
) -> list[Path]:
    """Noise, brighter from class to class, as PNG files in a folder for each class."""
    noise = np.random.default_rng(seed)
    paths = []
    for label, (name, count) in enumerate(classes.items()):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            paths.append(folder / name / f"{i}.png")
            pixels = noise.integers(0, 120, (*size, 3)) + 60 * label
            Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
    return paths


def survey_of(dataset: Any, out: Path, layers: Any = LAYERS, model: nn.Module | None = None, **options: Any) -> Survey:
    """A survey with little shards, read in this thread."""
    classes = options.pop("classes", None)
    studied = StudiedModel(
        model or small_model(),
        options.pop("preprocessing", Preprocessing()),
        None if classes is None else tuple(classes),
        options.pop("model_name", ""),
    )
    options = {"shard": 4, "batch_size": 3, "workers": 0, "keep": 5} | options
    named = {name: options.pop(name) for name in ("image", "label", "labels") if name in options}
    return run_survey(studied, dataset, layers, out, SurveyOptions(**options), **named)


def maps_of(image: Image.Image, model: nn.Module | None = None) -> dict[str, Tensor]:
    """The maps of both layers for one picture, (channel, height, width): the slow way."""
    model = model or small_model()
    x = torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None] / 255
    found = {}
    with torch.no_grad():
        for name, module in model.named_children():
            x = module(x)
            found[name] = x[0].clone()
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
