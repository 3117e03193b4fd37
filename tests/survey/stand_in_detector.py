"""A survey held in memory, made by running a real model over drawn scenes, with what the questions ask of one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

from featuremaps import demo
from featuremaps.demo.world import scene
from featuremaps.survey.weights import fingerprint
from method_samples import unchecked

LABELS = ("scissors", "hammer", "neither")
FRESH = 7_000_000


@dataclass(frozen=True, eq=False)
class StandIn:
    path: Path
    layers: Mapping[str, SimpleNamespace]
    classes: tuple[str, ...] | None
    model_classes: tuple[str, ...] | None
    pictures: SimpleNamespace
    pooled: Mapping[tuple[str, str], np.ndarray]
    predicted: np.ndarray | None = None
    manifest: SimpleNamespace | None = None
    asked: list[object] = field(default_factory=list)

    def vectors(self, layer: str, pool: str = "mean", channels: list[int] | None = None) -> np.ndarray:
        self.asked.append(channels)
        found = self.pooled[layer, pool]
        return (found if channels is None else found[:, channels]).astype(np.float32)

    def blocks(self, layer: str, pool: str = "mean") -> Iterator[tuple[slice, np.ndarray]]:
        found = self.pooled[layer, pool].astype(np.float32)
        for start in range(0, len(found), 64):
            yield slice(start, start + 64), found[start : start + 64]

    def predictions(self) -> SimpleNamespace | None:
        return None if self.predicted is None else SimpleNamespace(indices=self.predicted)


def made(
    pooled: np.ndarray,
    labels: Sequence[int],
    classes: tuple[str, ...] | None = LABELS,
    *,
    predicted: Sequence[int] | None = None,
    model_classes: tuple[str, ...] | None = None,
    name: str = "made",
    names: Sequence[str] | None = None,
) -> StandIn:
    """A survey of one layer, "conv", with these pooled values."""
    values = np.asarray(pooled, np.float16)
    return StandIn(
        Path(name),
        {"conv": SimpleNamespace(name="conv", channels=values.shape[1])},
        classes,
        model_classes,
        pictures_of(names or [f"{i:04}.png" for i in range(len(values))], labels),
        {("conv", "mean"): values, ("conv", "max"): values * 2},
        None if predicted is None else np.asarray(predicted),
    )


def pictures_of(names: Sequence[str], labels: Sequence[int]) -> SimpleNamespace:
    return SimpleNamespace(
        names=tuple(names),
        paths=tuple(None for _ in names),
        labels=np.asarray(labels, np.int64),
        numbers=np.arange(len(names)),
        bad=[],
    )


@cache
def drawn(domain: str, each: int = 40, first: int = FRESH, plain: bool | None = None) -> tuple[Tensor, tuple[int, ...]]:
    """Scenes of every label, half of them on a plain background unless `plain` says, preprocessed, and their labels."""
    convert = demo.transform("demo")
    cases = [(n, label, i) for n, label in enumerate(LABELS) for i in range(each)]
    with unchecked():  # the drawing is checked where it is tested
        scenes = [
            scene(label, domain, bool(i % 2) if plain is None else plain, seed=first + i + 1000 * n)
            for n, label, i in cases
        ]
    return torch.stack([convert(one.picture) for one in scenes]), tuple(n for n, _, _ in cases)


@cache
def surveyed(
    name: str, domain: str, each: int = 40, first: int = FRESH, layers: tuple[str, ...] = ("layer2", "layer4")
) -> StandIn:
    """A survey of a bundled network over drawn scenes."""
    inputs, labels = drawn(domain, each, first)
    names = [f"{LABELS[label]}/{i:03}.png" for i, label in enumerate(labels)]
    return of_model(demo.network(name), inputs, names, labels, layers, LABELS, demo.CLASSES[name], f"{name}-{domain}")


def of_model(
    model: nn.Module,
    inputs: Tensor,
    names: Sequence[str],
    labels: Sequence[int],
    layers: Sequence[str],
    classes: tuple[str, ...] | None,
    model_classes: tuple[str, ...] | None,
    name: str,
) -> StandIn:
    """A survey of any model, by plain hooks, in float16 as on disk."""
    kept: dict[str, Tensor] = {}

    def keep(layer: str) -> object:
        return lambda module, args, output: kept.__setitem__(layer, output.detach().clone())

    pooled: dict[tuple[str, str], list[np.ndarray]] = {}
    predicted = []
    handles = [model.get_submodule(layer).register_forward_hook(keep(layer)) for layer in layers]
    with torch.inference_mode():
        for batch in inputs.split(32):
            predicted += model(batch).argmax(1).tolist()
            for layer in layers:
                pooled.setdefault((layer, "mean"), []).append(kept[layer].mean((2, 3)).half().numpy())
                pooled.setdefault((layer, "max"), []).append(kept[layer].amax((2, 3)).half().numpy())
    for handle in handles:
        handle.remove()
    whole = {key: np.concatenate(parts) for key, parts in pooled.items()}
    return StandIn(
        Path(name),
        {layer: SimpleNamespace(name=layer, channels=whole[layer, "mean"].shape[1]) for layer in layers},
        classes,
        model_classes,
        pictures_of(names, labels),
        whole,
        np.array(predicted),
        SimpleNamespace(fingerprint={"model": fingerprint(model)}),
    )
