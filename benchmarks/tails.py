"""How much of a model each tail leaves out: one row per family of models, at an early, a middle and the last layer."""

import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.cases import made
from benchmarks.table import aligned
from benchmarks.timing import timed

PLACES = ("early", "middle", "last")
FAMILIES = {
    "resnet50": ("layer1.0.conv1", "layer2", "layer4"),
    "vgg16": ("features.0", "features.16", "features"),
    "squeezenet1_0": ("features.0", "features.7", "features"),
    "densenet121": ("features.conv0", "features.denseblock3.denselayer2.conv2", "features"),
    "inception_v3": ("Conv2d_1a_3x3", "Mixed_6b.branch7x7_1", "Mixed_7c"),
    "mobilenet_v3_large": ("features.0", "features.8", "features"),
    "efficientnet_b0": ("features.0", "features.4", "features"),
    "convnext_tiny": ("features.0", "features.5.4.block.0", "features"),
    "regnet_y_400mf": ("stem", "trunk_output.block3", "trunk_output"),
}


@dataclass(frozen=True)
class TailRow:
    """One tail: the share of the model's operations, and of its time, that it does without, and how it runs."""

    family: str
    place: str
    layer: str
    way: str
    operations_skipped: float
    time_skipped: float

    def as_dict(self) -> dict[str, Any]:
        """The row for a JSON file."""
        return asdict(self)


def measured(device: torch.device, repeats: int) -> Iterator[TailRow]:
    """A row for each family and place."""
    for family, layers in FAMILIES.items():
        yield from _of_family(family, layers, device, repeats)


def _of_family(family: str, layers: tuple[str, ...], device: torch.device, repeats: int) -> Iterator[TailRow]:
    from featuremaps.session import preserved
    from featuremaps.tail import Tail

    model = made(family, device)
    side = 299 if family == "inception_v3" else 224
    pictures = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1)).to(device)
    with preserved(model), torch.no_grad():
        for place, layer in zip(PLACES, layers, strict=True):
            tail = Tail(model, layer, pictures)

            def whole() -> list[torch.Tensor]:
                return [model(pictures)]

            def part(tail: Tail = tail) -> list[torch.Tensor]:
                return [tail(tail.output)]

            turns = [(timed(whole, device)[0], timed(part, device)[0]) for _ in range(repeats + 1)][1:]
            share = statistics.median(after / all_of_it for all_of_it, after in turns)
            yield TailRow(family, place, layer, tail.way, 1 - tail.share, 1 - share)


def as_table(rows: list[TailRow]) -> str:
    """A line per family: operations and time left out at each place, and the way the tail runs."""
    lines = []
    for family in dict.fromkeys(row.family for row in rows):
        own = {row.place: row for row in rows if row.family == family}
        lines.append([family, *(_cell(own[place]) for place in PLACES)])
    head = ["tail of", *(f"{place} layer: operations, time skipped" for place in PLACES)]
    return aligned(head, lines)


def _cell(row: TailRow) -> str:
    return f"{row.layer}: {row.operations_skipped:.1%}, {max(0.0, row.time_skipped):.0%} ({row.way})"
