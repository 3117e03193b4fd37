"""Surveys beside FeatureMapVisualizer: the same specialists from the same files, and how long both take.

Its procedure: for each class the 25 channels most often among the 25 strongest of its pictures, less those of others.
"""

import shutil
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from benchmarks import drawing_peers as peers
from benchmarks.drawing_scores import SHARED, squeezenet

SIDE = 224
Precision = Literal["float32", "bfloat16"]
Channels = Mapping[str, Sequence[int]]


def by_peer(model: nn.Module, pictures: Path, classes: Sequence[str]) -> tuple[Channels, float]:
    """The channels of the last block of `model.layer4` that it finds for each class, and the seconds it takes.

    Hooks that stay on the model, one for each picture, are removed.
    """
    peers.require("FeatureMapVisualizer")
    from FeatureMapVisualizer.visualizer import FeatureMapVisualizer  # type: ignore[import-not-found,import-untyped,unused-ignore]

    many = {name: len(list((pictures / name).iterdir())) for name in classes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = time.perf_counter()
        visualizer = FeatureMapVisualizer(model, use_cuda=False)
        found = visualizer.find_unique_filters(-1, f"{pictures}/", list(classes), many)
        seconds = time.perf_counter() - begun
    for module in model.modules():
        module._forward_hooks.clear()
    return {name: [int(channel) for channel in found[name]] for name in classes}, seconds


def by_survey(model: nn.Module, layer: str, pictures: Path, precision: Precision) -> tuple[Channels, float]:
    """The channels that a survey of the same pictures finds, and the seconds it takes, its files written."""
    import featuremaps as fm

    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        survey = fm.Scope(model, transform()).survey(
            str(pictures), [layer], out, precision=precision, predictions=False
        )
        found = survey.specialists().channels
    return found, time.perf_counter() - begun


def overlap(found: Channels, wanted: Channels) -> float:
    """The share of the wanted channels that were found, over all classes."""
    both = sum(len({*found[name]} & {*wanted[name]}) for name in wanted)
    return both / max(1, sum(map(len, wanted.values())))


def transform() -> Any:
    """The transform that FeatureMapVisualizer has built in."""
    from torchvision.transforms import v2

    return v2.Compose([v2.Resize((SIDE, SIDE)), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])


def trained() -> nn.Module:
    """The real SqueezeNet, with its last maps where FeatureMapVisualizer looks for them."""
    model = squeezenet()
    model.layer4 = nn.Sequential(model.features[12])
    return model


def photographs(folder: Path, classes: Sequence[str], most: int) -> Path:
    """Real pictures of some classes, so many of each."""
    for name in classes:
        (folder / name).mkdir()
        for path in sorted((SHARED / "images" / "cifar10" / name).glob("*.jpg"))[:most]:
            shutil.copy(path, folder / name)
    return folder
