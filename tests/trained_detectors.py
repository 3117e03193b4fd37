"""Two detectors trained in seconds on squares planted beside the boxes, in pictures of any proportions.

What is red is a "cat" whose box lies to its right, what is green, and twice as large, a "dog" whose box lies above it;
nothing is drawn in the boxes. Pictures are letterboxed by the library's own preprocessing, as whoever trains would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.ops import nms

import featuremaps as fm

NAMES = ("cat", "dog")
SIDE = 64
"""The side of the detectors' input."""
SIZES = ((97, 61), (64, 64), (70, 133), (160, 90), (128, 101))
"""Pictures (width, height) that were trained on."""
SQUARES, WANTED, SHIFTS = (8, 16), ((16, 12), (20, 16)), ((18, 0), (0, -20))
"""In pixels of the input, of each class: the side of its evidence, its box's width and height, and the way from the
middle of the one to that of the other."""
Corners = tuple[float, float, float, float]
Answer = Literal["rows", "listed", "agnostic"]


@dataclass(frozen=True)
class Letterboxed:
    """How a picture of a size (width, height) lies in the input: original = (input − corner) · size / inner."""

    size: tuple[int, int]

    @property
    def scale(self) -> float:
        return max(self.size) / SIDE

    @property
    def inner(self) -> tuple[int, ...]:
        """How large the picture is in the input, in whole pixels."""
        return tuple(round(side / self.scale) for side in self.size)

    @property
    def corner(self) -> tuple[int, ...]:
        return tuple((SIDE - side) // 2 for side in self.inner)

    def on_original(self, edges: Sequence[float]) -> tuple[float, ...]:
        """Edges in pixels of the input, those of columns and rows in turn, in pixels of the original."""
        ways = [(self.corner[axis], self.size[axis] / self.inner[axis]) for axis in (0, 1)]
        return tuple((edge - ways[i % 2][0]) * ways[i % 2][1] for i, edge in enumerate(edges))


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, and for each thing in it the label, the evidence and the box, both in pixels of the original."""

    image: Image.Image
    labels: tuple[int, ...]
    evidence: tuple[Corners, ...]
    boxes: tuple[Corners, ...]


def around(middle: Sequence[float], size: Sequence[float]) -> Corners:
    (x, y), (width, height) = middle, size
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def scene(
    size: tuple[int, int], labels: Sequence[int], seed: int, middles: Sequence[tuple[float, float]] | None = None
) -> Scene:
    """Things of these labels in noise; `middles` are those of their evidence, in the picture as it is in the input."""
    random, scale = np.random.default_rng(seed), Letterboxed(size).scale
    picture = random.integers(90, 140, (size[1], size[0], 3)).astype(np.uint8)
    evidence, boxes = [], []
    for number, label in enumerate(labels):
        drawn = _middle(label, [side / scale for side in size], random)
        x, y = drawn if middles is None else middles[number]
        square = _scaled(around((x, y), (SQUARES[label], SQUARES[label])), scale)
        left, top, right, bottom = (max(0, round(edge)) for edge in square)
        picture[top:bottom, left:right] = 60
        picture[top:bottom, left:right, label] = 230
        evidence.append(square)
        boxes.append(_scaled(around((x + SHIFTS[label][0], y + SHIFTS[label][1]), WANTED[label]), scale))
    return Scene(Image.fromarray(picture), tuple(labels), tuple(evidence), tuple(boxes))


def _middle(label: int, inner: Sequence[float], random: np.random.Generator) -> tuple[float, float]:
    """Somewhere in a picture (width, height) where the evidence lies in it, and the box, as far as there is room."""
    half = SQUARES[label] / 2
    low, high = [half, half], [side - half for side in inner]
    if label == 0:
        high[0] -= SHIFTS[0][0] + WANTED[0][0] / 2 - half
    else:
        low[1] -= SHIFTS[1][1] - WANTED[1][1] / 2 + half
    x, y = (random.uniform(*pair) for pair in zip(low, map(max, low, high), strict=True))
    return x, y


def _scaled(box: Corners, scale: float) -> Corners:
    left, top, right, bottom = (edge * scale for edge in box)
    return left, top, right, bottom


def in_input(box: Corners, size: tuple[int, int]) -> Tensor:
    """A box of the original in pixels of the input."""
    way = Letterboxed(size)
    return torch.tensor([edge / way.scale + way.corner[i % 2] for i, edge in enumerate(box)])


class Backbone(nn.Module):
    """Maps of strides 8 and 16."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 12, 4, 4), nn.ReLU())
        self.fine = nn.Sequential(nn.Conv2d(12, 16, 3, 2, 1), nn.ReLU())
        self.coarse = nn.Sequential(nn.Conv2d(16, 16, 3, 2, 1), nn.ReLU())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(self.stem(x))
        return fine, self.coarse(fine)


class Yolo(nn.Module):
    """Heads on two strides: for each cell a box, an objectness and class scores; or what is left without overlaps."""

    strides = (8, 16)

    def __init__(self) -> None:
        super().__init__()
        self.answer: Answer = "rows"
        self.backbone = Backbone()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(16, 24, 3, 1, 1), nn.ReLU(), nn.Conv2d(24, 5 + len(NAMES), 3, 1, 1))
            for _ in self.strides
        )

    def raw(self, x: Tensor) -> Tensor:
        """(batch, rows, 5 + classes) before the sigmoid, boxes by their middles and sizes in pixels."""
        rows = []
        for head, map, stride in zip(self.heads, self.backbone(x), self.strides, strict=True):
            y, x_ = (torch.arange(length) + 0.5 for length in map.shape[2:])
            cells = torch.stack(torch.meshgrid(x_, y, indexing="xy")) * stride
            out = head(map)
            middles, sizes = cells + out[:, :2] * stride, out[:, 2:4].exp() * stride
            rows.append(torch.cat([middles, sizes, out[:, 4:]], 1).flatten(2).mT)
        return torch.cat(rows, 1)

    def forward(self, x: Tensor) -> Any:
        raw = self.raw(x)
        rows = torch.cat([raw[..., :4], raw[..., 4:].sigmoid()], 2)
        return rows if self.answer == "rows" else [self.without_overlaps(each) for each in rows]

    def without_overlaps(self, rows: Tensor) -> Any:
        """Whatever its class, of rows that overlap the surest: (row, 6), or a dict."""
        half = rows[:, 2:4] / 2
        boxes = torch.cat([rows[:, :2] - half, rows[:, :2] + half], 1)
        scores, labels = (rows[:, 4:5] * rows[:, 5:]).max(1)
        sure = (scores > 0.05).nonzero()[:, 0]
        kept = sure[nms(boxes[sure], scores[sure], 0.4)]
        boxes, scores, labels = boxes[kept], scores[kept], labels[kept]
        if self.answer == "listed":
            return {"boxes": boxes, "labels": labels, "scores": scores}
        return torch.cat([boxes, scores[:, None], labels[:, None].to(boxes)], 1)

    def loss(self, x: Tensor, boxes: Tensor, present: Tensor) -> Tensor:
        """Each class has the cells of its stride whose middles lie in the middle of its box."""
        raw = self.raw(x)
        counts = [(SIDE // stride) ** 2 for stride in self.strides]
        total = raw.new_zeros(())
        for label, rows in enumerate(raw.split(counts, 1)):
            stride, wanted = self.strides[label], boxes[:, None, label]
            cells = torch.arange(SIDE // stride) * stride + stride / 2
            middles = torch.stack(torch.meshgrid(cells, cells, indexing="xy"), -1).reshape(1, -1, 2)
            near = ((middles - wanted[..., :2]).abs() <= stride / 2).all(2) & present[:, None, label]
            total = total + F.binary_cross_entropy_with_logits(rows[..., 4], near.float(), reduction="sum")
            classes = F.one_hot(torch.tensor(label), len(NAMES)).float()
            if bool(near.any()):
                own = rows[near]
                total = total + F.binary_cross_entropy_with_logits(
                    own[:, 5:], classes.expand(len(own), -1), reduction="sum"
                )
                total = total + (own[:, :4] - wanted.expand(-1, rows.shape[1], -1)[near]).abs().sum() / 4
        return total / len(x)


class Detr(nn.Module):
    """Queries that attend to the places of a map, each with class scores, "no object" last, and a box in shares."""

    def __init__(self, width: int = 32, queries: int = 3) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.ReLU(), nn.Conv2d(16, width, 3, 2, 1), nn.ReLU())
        self.places = nn.Linear(4, width)
        x, y = torch.meshgrid(*[torch.linspace(-1, 1, SIDE // 8)] * 2, indexing="xy")
        self.register_buffer("grid", torch.stack([x, y, x * x, y * y], -1).reshape(1, -1, 4))
        self.queries = nn.Parameter(0.5 * torch.randn(1, queries, width))
        self.attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.mixed = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, width))
        self.classes, self.boxes = nn.Linear(width, len(NAMES) + 1), nn.Linear(width, 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        map = self.backbone(x).flatten(2).mT
        queries = self.queries.expand(len(x), -1, -1)
        placed = map + self.places(self.grid)
        read, _ = self.attention(queries, placed, placed, need_weights=False)
        read = queries + read
        read = read + self.mixed(read)
        return {"logits": self.classes(read), "pred_boxes": self.boxes(read).sigmoid()}

    def loss(self, x: Tensor, boxes: Tensor, present: Tensor) -> Tensor:
        """Query n is of class n, where it is there, the last query of nothing."""
        outputs = self(x)
        nothing = len(NAMES)
        labels = torch.where(present, torch.arange(nothing), nothing)
        labels = torch.cat([labels, torch.full((len(x), 1), nothing)], 1)
        apart = (outputs["pred_boxes"][:, :nothing] - boxes / SIDE).abs().sum(2)
        return F.cross_entropy(outputs["logits"].flatten(0, 1), labels.flatten()) + 5 * apart[present].mean()


def transform() -> Any:
    return fm.preprocess(size=SIDE, mode="letterbox", mean=0.45, std=0.2)


@cache
def trained(kind: Literal["yolo", "detr"]) -> nn.Module:
    """The detector after a few seconds on 160 pictures of several proportions."""
    torch.manual_seed(0)
    model: Any = Yolo() if kind == "yolo" else Detr()
    prepared = transform()
    kinds: list[tuple[int, ...]] = [(0,), (1,), (0, 1), (0, 1)]
    scenes = [scene(SIZES[i % len(SIZES)], kinds[i % 4], i) for i in range(160)]
    pictures = torch.stack([prepared(each.image) for each in scenes])
    boxes, present = torch.zeros(len(scenes), len(NAMES), 4), torch.zeros(len(scenes), len(NAMES), dtype=torch.bool)
    for i, each in enumerate(scenes):
        for label, box in zip(each.labels, each.boxes, strict=True):
            left, top, right, bottom = in_input(box, each.image.size)
            boxes[i, label] = torch.stack([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
            present[i, label] = True
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    steps = 250 if kind == "yolo" else 350
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        rows = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(step))[:32]
        optimizer.zero_grad()
        model.loss(pictures[rows], boxes[rows], present[rows]).backward()
        optimizer.step()
        schedule.step()
    return model.eval()


def scope_of(kind: Literal["yolo", "detr"], answer: Answer = "rows") -> fm.Scope:
    """The trained detector under study, its answer given in this form."""
    model: Any = trained(kind)
    if kind == "yolo":
        model.answer = answer
    return fm.Scope(model, transform(), classes=NAMES)
