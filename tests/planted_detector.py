"""A detector that finds things by evidence planted beside them, in every form that detections come in.

Whatever is red in a cell of 8 pixels is a "cat" in a box two cells further right, whatever is green in a cell of 16 is a
"dog" above it: neither box holds any of its evidence. The two are read off maps of two strides.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

import featuremaps as fm

Form = Literal["listed", "queries", "rows", "columns"]
FORMS: tuple[Form, ...] = ("listed", "queries", "rows", "columns")
NAMES = ("cat", "dog", "cup")
SIDE = 64
LEAST = 0.05


@dataclass(frozen=True)
class Plant:
    """What is in the picture: the label, where its evidence is, and where the detector puts its box, in pixels."""

    label: str
    evidence: tuple[int, int, int, int]
    box: tuple[float, float, float, float]
    level: str


CAT = Plant("cat", (8, 40, 16, 48), (20.0, 36.0, 36.0, 52.0), "fine")
DOG = Plant("dog", (32, 32, 48, 48), (28.0, 2.0, 52.0, 22.0), "coarse")
PLANTS = (CAT, DOG)


class PlantedDetector(nn.Module):
    """Colours averaged over cells of two sizes, and for each cell a class score and a box beside it."""

    def __init__(self, form: Form = "listed", least: float = LEAST) -> None:
        super().__init__()
        self.form, self.least = form, least
        self.stem = nn.Sequential(nn.Conv2d(3, 3, 4, 4, groups=3, bias=False), nn.ReLU())
        self.fine = nn.Sequential(nn.Conv2d(3, 4, 2, 2, bias=False), nn.ReLU())
        self.coarse = nn.Sequential(nn.Conv2d(4, 4, 2, 2, bias=False), nn.ReLU())
        self.heads = nn.ModuleList([nn.Conv2d(4, 3, 1), nn.Conv2d(4, 3, 1)])
        with torch.no_grad():
            self.stem[0].weight.fill_(1 / 16)
            self.fine[0].weight.zero_()
            self.fine[0].weight[:3] = torch.eye(3)[:, :, None, None] / 4
            self.fine[0].weight[3] = 1 / 12  # a channel of mere brightness, which no head reads
            self.coarse[0].weight.copy_((torch.eye(4) / 4)[:, :, None, None])
            for head, (label, colour) in zip(self.heads, ((0, 0), (1, 1)), strict=True):
                head.weight.zero_()
                head.bias.fill_(-6.0)
                head.weight[label, colour] = 12.0
                head.weight[label, 2 if label else 1] = -4.0
        self.register_buffer("boxes", torch.cat([_boxes(8, (16, 0), (16, 16)), _boxes(16, (0, -28), (24, 20))]))

    def forward(self, x: Tensor) -> Any:
        fine = self.fine(self.stem(x))
        maps = [fine, self.coarse(fine)]
        logits = torch.cat([head(each).flatten(2) for head, each in zip(self.heads, maps, strict=True)], 2).mT
        return self.given(logits)

    def given(self, logits: Tensor) -> Any:
        """The scores (batch, cell, class) in this detector's form."""
        shares, boxes = logits.sigmoid(), self.boxes.expand(len(logits), -1, -1).to(logits)
        if self.form == "queries":
            nothing = -torch.logsumexp(logits, 2, keepdim=True)
            return {"logits": torch.cat([logits, nothing], 2), "pred_boxes": _middles(boxes) / SIDE}
        if self.form == "rows":
            objectness = 1 - (1 - shares).prod(2, keepdim=True)
            return torch.cat([_middles(boxes), objectness, shares], 2), [logits]
        if self.form == "columns":
            return torch.cat([_middles(boxes), shares], 2).mT
        return [self._listed(*each) for each in zip(boxes, shares, strict=True)]

    def _listed(self, boxes: Tensor, shares: Tensor) -> dict[str, Tensor]:
        scores, labels = shares.max(1)
        kept = (scores > self.least).nonzero()[:, 0]
        kept = kept[batched_nms(boxes[kept], scores[kept], labels[kept], 0.5)]
        return {"boxes": boxes[kept], "labels": labels[kept], "scores": scores[kept]}


def _boxes(stride: int, shift: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """A box beside each cell, row by row."""
    middles = torch.arange(SIDE // stride) * stride + stride / 2
    y, x = torch.meshgrid(middles + shift[1], middles + shift[0], indexing="ij")
    middle, half = torch.stack([x, y], -1).reshape(-1, 2), torch.tensor(size) / 2
    return torch.cat([middle - half, middle + half], 1)


def _middles(boxes: Tensor) -> Tensor:
    return torch.cat([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], -1)


def scene(*plants: Plant, seed: int = 0) -> Tensor:
    """A picture (colour, height, width) with the evidence of these, in noise."""
    picture = 0.1 * torch.rand(3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    for plant in plants:
        left, top, right, bottom = plant.evidence
        picture[NAMES.index(plant.label), top:bottom, left:right] = 0.8
    return picture


def scope_of(form: Form = "listed", **settings: Any) -> fm.Scope:
    """The detector under study, its labels named."""
    return fm.Scope(PlantedDetector(form, **settings).eval(), classes=NAMES)


def inside(box: tuple[float, float, float, float], size: tuple[int, int] = (SIDE, SIDE)) -> Tensor:
    """Which pixels of the picture lie in a box, 1 or 0."""
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    return ((x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])).float()
