"""Small sections with known numbers in them: a layer walk, channels and filters."""

import torch
from PIL import Image
from report_samples import drawn
from torch import Tensor

from featuremaps.report.channels import BrowsedLayer, ChannelsSection
from featuremaps.report.data import LayeredPicture
from featuremaps.report.filters import FiltersSection, FilterTile
from featuremaps.report.layer_walk import LayerWalkSection, TopMap, WalkedLayer

CHANNELS = torch.stack(
    [
        torch.tensor([[0.0, 1.0], [2.0, 1.0]]),
        torch.zeros(2, 2),
        torch.tensor([[0.0, 0.0], [0.0, 8.0]]),
        torch.tensor([[-1.0, 2.0], [2.0, 2.0]]),
    ]
)
"""Means 1, 0, 2, 1.25; maxima 2, 0, 8, 2: by mean 2 3 0 1, by maximum 2 0 3 1."""


def noise(count: int, height: int, width: int, seed: int = 0) -> Tensor:
    return torch.randn(count, height, width, generator=torch.Generator().manual_seed(seed))


def browsed(name: str = "cat.png", *layers: BrowsedLayer) -> LayeredPicture:
    given = layers or (BrowsedLayer("conv1", noise(6, 64, 64), "Conv2d"), BrowsedLayer("layer4", CHANNELS, "ReLU"))
    return LayeredPicture(name, drawn(), given)


def channels_section(*pictures: LayeredPicture, **changes: object) -> ChannelsSection:
    return ChannelsSection(pictures or (browsed(), browsed("dog.png")), **changes)


def walked_layer(layer: str, zeros: float, silent: float = 0.0, type: str = "ReLU", size: int = 8) -> WalkedLayer:
    maps = noise(3, size, size).relu()
    top = tuple(TopMap(10 + place, 3.0 - place, maps[place]) for place in range(3))
    return WalkedLayer(layer, type, (16, size, size), "7×7 px", zeros, silent, 0.5, top)


def deep_layers(blocks: int = 5, inner: int = 4) -> tuple[WalkedLayer, ...]:
    """Convolutions without zeros and activations ever sparser with depth, `inner` layers a block and its output."""
    layers = []
    for block in range(blocks):
        share = block / blocks
        for part in range(inner):
            rectified = part % 2 == 1
            zeros = share if rectified else 0.0
            layers.append(walked_layer(f"layer{block}.{part}", zeros, type="ReLU" if rectified else "Conv2d"))
        layers.append(walked_layer(f"layer{block}", share, share / 2, "Block", max(1, 8 - block)))
    return tuple(layers)


def walk_section(*layers: WalkedLayer, name: str = "cat.png", **changes: object) -> LayerWalkSection:
    return LayerWalkSection((LayeredPicture(name, drawn(), layers or deep_layers()),), **changes)


def filter_tile(number: int, norm: float, **changes: object) -> FilterTile:
    fields: dict[str, object] = {"picture": Image.new("RGB", (3, 3), (40 * number, 100, 200))}
    return FilterTile(number, norm, **(fields | changes))


def filters_section(*tiles: FilterTile, **changes: object) -> FiltersSection:
    given = tiles or (
        filter_tile(0, 1.0, response=torch.eye(4)),
        filter_tile(1, 0.001, dead=True, response=torch.zeros(4, 4)),
        filter_tile(2, 3.0, twin=0, likeness=0.97, response=torch.ones(4, 4)),
    )
    return FiltersSection("conv1", given, "Each filter scaled by itself", **changes)
