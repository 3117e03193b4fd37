"""A small survey with a channel that belongs to each of two classes, its model, and a second domain."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

import featuremaps as fm

COUNT = 14


def colour_model() -> nn.Sequential:
    """Channel 0 is red, 1 is green, 2 never fires, 3 is brightness; then two outputs, red and green."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, bias=True), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model[0].weight[0, 0] = model[0].weight[1, 1] = 1.0
        model[0].weight[3] = 0.5
        model[4].weight[0, 0] = model[4].weight[1, 1] = 1.0
    return model.eval()


def write_world(folder: Path, swapped: int = 0, seed: int = 0) -> Path:
    """Red and green squares on dark noise; the first `swapped` red pictures look green."""
    noise = np.random.default_rng(seed)
    for label, colour in (("red", 0), ("green", 1)):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(COUNT):
            pixels = noise.integers(0, 40, (24, 24, 3)).astype(np.uint8)
            pixels[6:16, 6:16, 1 if i < swapped else colour] = 150 + 5 * i
            Image.fromarray(pixels).save(folder / label / f"{label}{i:02d}.png")
    return folder


def colour_scope() -> fm.Scope:
    return fm.Scope(colour_model(), classes=["red", "green"], name="colours")


def colour_survey(folder: Path, swapped: int = 1, seed: int = 0, name: str = "survey") -> fm.Survey:
    world = write_world(folder / f"{name}-world", swapped, seed)
    return colour_scope().survey(world, "1", folder / name, workers=0, predictions=True)
