"""Detectors and segmenters whose surveys are known: evidence planted in boxes, and the slow way to what lies in them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import featuremaps as fm
from planted_detector import CAT, DOG, NAMES, Form, Plant, PlantedDetector, _boxes, scene

Box = tuple[float, float, float, float]
CLASSES = ("ground", "red", "green")


class BoxedDetector(PlantedDetector):
    """The planted detector, with each box where its evidence is: what fires in it is what it was found by."""

    def __init__(self, form: Form = "listed") -> None:
        super().__init__(form)
        self.boxes.copy_(torch.cat([_boxes(8, (0, 0), (8, 8)), _boxes(16, (0, 0), (16, 16))]))


class Segmenter(nn.Module):
    """Channel 0 is red, 1 green, 2 brightness; a place is given the colour that it has, else it is ground."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 3, 4, 4, groups=3, bias=False), nn.ReLU())
        self.head = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            self.stem[0].weight.fill_(1 / 16)
            self.head.weight.copy_(torch.tensor([[0.0, 0, 0], [9, -4, -4], [-4, 9, -4]])[:, :, None, None])
            self.head.bias.copy_(torch.tensor([2.0, 0, 0]))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.head(self.stem(x)), scale_factor=4.0, mode="nearest")


def moved(plant: Plant, right: int, down: int) -> Plant:
    """The same elsewhere, its box around the evidence."""
    left, top, *_ = plant.evidence
    side = plant.evidence[2] - left
    evidence = (left + right, top + down, left + right + side, top + down + side)
    return replace(plant, evidence=evidence, box=tuple(map(float, evidence)))


def plants(number: int) -> tuple[Plant, ...]:
    """What is in a picture: a cat on the left, a dog on the right, both, or neither, in places that differ."""
    cat, dog = moved(CAT, 8 * (number % 3), -8 * (number % 5)), moved(DOG, 16 * (number % 2), -16 * (number % 3))
    return ((cat,), (dog,), (cat, dog), ())[number % 4]


def write_scenes(folder: Path, count: int) -> list[Path]:
    """Scenes as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        paths.append(folder / f"{number:02}.png")
        pixels = (scene(*plants(number), seed=number) * 255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(np.ascontiguousarray(pixels)).save(paths[-1])
    return paths


def tensor_of(path: Path) -> Tensor:
    """A picture as these models take it, (1, colour, height, width)."""
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1)[None] / 255


def scope_of(model: nn.Module, classes: Sequence[str] | None = NAMES) -> fm.Scope:
    return fm.Scope(model.eval(), fm.preprocess(), classes)


def maps_alone(model: nn.Module, layers: Sequence[str], x: Tensor) -> tuple[dict[str, Tensor], object]:
    """Each layer's maps (channel, height, width), and the outputs, for one picture alone."""
    maps: dict[str, Tensor] = {}
    handles = [
        model.get_submodule(name).register_forward_hook(
            lambda *given, name=name: maps.update({name: given[2][0].clone()})
        )
        for name in layers
    ]
    with torch.no_grad():
        outputs = model(x)
    for handle in handles:
        handle.remove()
    return maps, outputs


def in_box(y: int, x: int, step: Sequence[float], box: Box) -> float:
    """The share of a cell that lies in a box."""
    sides = [(x * step[1], (x + 1) * step[1], box[0], box[2]), (y * step[0], (y + 1) * step[0], box[1], box[3])]
    share = 1.0
    for start, end, low, high in sides:
        share *= max(0.0, min(end, high) - max(start, low)) / (end - start)
    return share


def values_in(map: Tensor, shares: Mapping[tuple[int, int], float]) -> tuple[Tensor, Tensor]:
    """Mean and maximum of each channel over the places that at least half lie in a region, or the one that most does."""
    inside = [place for place, share in shares.items() if share >= 0.5 - 1e-9]
    inside = inside or [max(shares, key=lambda place: shares[place])]
    values = torch.stack([map[:, y, x] for y, x in inside], 1)
    return values.mean(1), values.amax(1)


def shares_in(map: Tensor, step: Sequence[float], box: Box) -> dict[tuple[int, int], float]:
    """How much of each place of a map lies in a box."""
    return {(y, x): in_box(y, x, step, box) for y in range(map.shape[1]) for x in range(map.shape[2])}


def shares_of(map: Tensor, step: int, mask: Tensor) -> dict[tuple[int, int], float]:
    """How much of each place of a map lies in a region of pixels."""
    height, width = map.shape[1:]
    return {
        (y, x): float(mask[y * step : (y + 1) * step, x * step : (x + 1) * step].double().mean())
        for y in range(height)
        for x in range(width)
    }


def detector() -> tuple[nn.Module, object, tuple[str, ...]]:
    """The boxed detector as the command line takes it."""
    return BoxedDetector("rows").eval(), fm.preprocess(), NAMES


def segmenter() -> tuple[nn.Module, object, tuple[str, ...]]:
    """The segmenter as the command line takes it."""
    return Segmenter().eval(), fm.preprocess(), CLASSES
