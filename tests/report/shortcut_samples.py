"""A search for shortcuts with known numbers, made up: what a report shows of it."""

import numpy as np
import torch
from PIL import Image
from report_samples import drawn

from featuremaps.editing.edits import Removal
from featuremaps.repair.decodable import Decodable
from featuremaps.repair.repair import Repair, Tried
from featuremaps.shortcuts.attributes import Attribute
from featuremaps.shortcuts.estimates import Difference
from featuremaps.shortcuts.power import Power
from featuremaps.shortcuts.shortcut import ExampleRows, Intervention, Shortcut
from featuremaps.shortcuts.shortcuts import Shortcuts
from featuremaps.survey.measures.auc import Area
from featuremaps.survey.measures.proportions import Interval, Rate

PICTURES = 20
REMOVAL = Removal("layer4", torch.tensor([[1.0, 0.0]]), torch.zeros(1), "without it")


def change(value: float, low: float, high: float) -> Difference:
    return Difference(value, Interval(low, high), (10, 10))


def shortcut(label: str = "cat", *, holds: bool = True) -> Shortcut:
    """Cats 0 to 9 have it but for two; of the dogs after them two have it, and are called cat."""
    present = np.array([True] * 8 + [False] * 2 + [True] * 2 + [False] * 8)
    out, put = (-0.9, 0.8) if holds else (-0.01, 0.01)
    examples = ExampleRows((0, 1, 2), (8, 9), (10, 11))
    return Shortcut(
        label,
        Attribute("conv1:3, mean", 5.0, present, present.astype(np.float64)),
        "layer4",
        Rate(8, 10),
        Rate(2, 10),
        change(0.9, 0.8, 1.0),
        change(0.8, 0.6, 0.9),
        Rate(8, 8),
        Rate(0, 2),
        Rate(2, 2),
        Rate(0, 8),
        Intervention(0.95, 0.95 + out, change(out, out - 0.03, out + 0.03), 0.05, 8, -1),
        Intervention(0.1, 0.1 + put, change(put, put - 0.05, put + 0.05), 0.04, 8, 1),
        0.001,
        examples,
        REMOVAL,
        {0: "cat", 1: "cat", 2: "cat", 8: "dog", 9: "dog", 10: "cat", 11: "cat"},
        "survey",
        np.arange(PICTURES),
        np.array([1.0, 0.0]),
        0.5,
    )


def picture(row: int) -> Image.Image:
    return drawn(colour="steelblue" if row < 10 else "indianred")


def label_of(row: int) -> str:
    return "cat" if row < 10 else "dog"


def found(*proven: Shortcut, unproven: tuple[Shortcut, ...] = (), **changes: object) -> Shortcuts:
    power = tuple(Power(name, share, drop) for name in ("cat", "dog") for share, drop in ((0.05, None), (0.25, 0.8)))
    fields: dict[str, object] = {"open": picture, "label_of": label_of, "notes": ("left out: bird",)}
    return Shortcuts(proven, unproven, ("cat", "dog"), (10, 10), "layer4", 7, power, **(fields | changes))


def repair(*, works: bool = True) -> Repair:
    """Cats without it are called right in none of ten pictures, and after it in nine, or in four."""
    before = {("cat", True): Rate(10, 10), ("cat", False): Rate(0, 10), ("dog", False): Rate(10, 10)}
    after = before | {("cat", False): Rate(9 if works else 4, 10)}
    tried = Tried("balanced_head", "the last layer trained anew", "penalty 0.1", after, Rate(29, 30))
    told = tuple(
        Decodable(f"layer{number}", Area(value, Interval(value - 0.1, value + 0.05), 0.01))
        for number, value in enumerate((0.7, 0.9), 3)
    )
    return Repair("cat", "conv1:3, mean", before, Rate(20, 30), (tried,), change(0.9, 0.5, 1.0), told, REMOVAL)
