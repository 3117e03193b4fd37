"""A survey in memory, with what the questions ask of one: made up, or read off a real model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import featuremaps as fm
from featuremaps.anatomy import Anatomy
from featuremaps.errors import OptionError
from featuremaps.projecting import receptive_box
from featuremaps.sight import see
from map_samples import real_scope


@dataclass(frozen=True)
class Layer:
    channels: int
    whole: bool = True
    receptive_field: tuple[float, ...] | None = None
    start: tuple[float, ...] | None = None
    stride: tuple[float, ...] | None = None
    input_size: tuple[int, ...] | None = None


@dataclass(frozen=True, eq=False)
class Table:
    names: tuple[str, ...]
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Said:
    indices: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class Ranked:
    rank: int
    value: float
    row: int
    y: int
    x: int


@dataclass(frozen=True, eq=False)
class StandIn:
    """`values[layer]` is (mean, largest) per picture and channel, (picture, channel) each."""

    layers: Mapping[str, Layer]
    values: Mapping[str, tuple[np.ndarray, np.ndarray]]
    pictures: Table
    classes: tuple[str, ...] | None = None
    model_classes: tuple[str, ...] | None = None
    said: Said | None = None
    images: Sequence[Image.Image] = ()
    places: Mapping[str, np.ndarray] = field(default_factory=dict)
    block: int = 7
    kept: int = 5

    def vectors(self, layer: str, pool: str = "mean", channels: Sequence[int] | None = None) -> np.ndarray:
        values = self.values[layer][pool == "max"]
        return values if channels is None else values[:, list(channels)]

    def blocks(self, layer: str, pool: str = "mean") -> Iterator[tuple[slice, np.ndarray]]:
        values = self.vectors(layer, pool)
        for start in range(0, len(values), self.block):
            yield slice(start, min(start + self.block, len(values))), values[start : start + self.block]

    def predictions(self) -> Said | None:
        return self.said

    def picture(self, row: int) -> Image.Image:
        return self.images[row]

    def top(self, unit: str, n: int = 9, *, by: str = "max", end: str = "strongest") -> list[Ranked]:
        if n > self.kept:
            raise OptionError(f"this survey keeps {self.kept}; {n} were asked for.")
        layer, _, channel = unit.rpartition(":")
        values = self.vectors(layer, by)[:, int(channel)]
        rows = np.argsort(-values if end == "strongest" else values, kind="stable")[:n]
        places = self.places[layer][rows, int(channel)]
        found = zip(rows.tolist(), values[rows].tolist(), places.tolist(), strict=True)
        return [Ranked(rank, value, row, y, x) for rank, (row, value, (y, x)) in enumerate(found)]


def made_up(vectors: object, labels: Sequence[int], classes: Sequence[str] | None = None, **more) -> StandIn:
    """One layer called "conv" with these values, mean and largest alike."""
    values = np.asarray(vectors, np.float32)
    names = tuple(f"{row}.png" for row in range(len(values)))
    table = Table(names, np.asarray(labels, np.int64))
    known = None if classes is None else tuple(classes)
    return StandIn({"conv": Layer(values.shape[1])}, {"conv": (values, values)}, table, known, **more)


def surveyed(scope: fm.Scope, pictures: object, layers: Sequence[str], labels: Sequence[int], **more) -> StandIn:
    """What a pass of a real model over pictures of one size finds."""
    seen = see(pictures, scope.preprocessing).seen
    infos = Anatomy(scope.model, scope.preprocessing).walk(seen[0].input[None])
    maps: dict[str, list[np.ndarray]] = {layer: [] for layer in layers}
    logits = []
    for start in range(0, len(seen), 16):
        inputs = torch.stack([one.input for one in seen[start : start + 16]])
        record = scope.record(inputs, list(layers), gradients=False)
        logits.append(record.logits)
        for layer in layers:
            maps[layer].append(record.activations[layer].numpy())
    values, places, kept = {}, {}, {}
    for layer in layers:
        every = np.concatenate(maps[layer])
        width = every.shape[3]
        flat = every.reshape(*every.shape[:2], -1)
        values[layer] = (flat.mean(2).astype(np.float16).astype(np.float32), flat.max(2).astype(np.float32))
        places[layer] = np.stack(np.divmod(flat.argmax(2), width), 2)
        info = infos[layer]
        kept[layer] = Layer(
            every.shape[1], info.whole, info.receptive_field, info.start, info.stride, tuple(seen[0].input.shape[1:])
        )
        assert receptive_box(kept[layer], (0, 0), seen[0].size)
    probabilities = torch.cat(logits).softmax(1).max(1)
    table = Table(tuple(one.picture.name for one in seen), np.asarray(labels, np.int64))
    said = Said(probabilities.indices.numpy(), probabilities.values.numpy())
    images = [one.picture.image for one in seen]
    return StandIn(
        kept,
        values,
        table,
        model_classes=None if scope.classes is None else tuple(scope.classes),
        said=said,
        images=images,
        places=places,
        **more,
    )


@cache
def cats_and_ships(shared: Path) -> StandIn:
    """SqueezeNet over 40 cats and 40 ships of CIFAR-10, at its layer features.9."""
    names = ("cat", "ship")
    paths = [path for name in names for path in sorted((shared / "images" / "cifar10" / name).glob("*.jpg"))[:40]]
    return surveyed(real_scope(shared), paths, ["features.9"], [0] * 40 + [1] * 40, classes=names)
