"""A small world whose pictures carry a mark that goes with one class, and a network that rests on it by construction."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

LABELS = ("round", "square", "striped")
SIDE = 16


class MarkReader(nn.Module):
    """Answers by weighted evidence: `mark` times whether the corner is lit, and each class's own channel.

    Channel k of `first` is plane k of the picture; plane 3 holds the mark, planes 0 to 2 the classes' own evidence.
    """

    def __init__(self, mark: float = 4.0, own: float = 1.5) -> None:
        super().__init__()
        self.first, self.relu = nn.Conv2d(4, 6, 1), nn.ReLU()
        self.second, self.relu2 = nn.Conv2d(6, 8, 1), nn.ReLU()
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 3)
        with torch.no_grad():
            for layer in (self.first, self.second, self.head):
                layer.weight.zero_()
                layer.bias.zero_()
            self.first.weight[:4, :, 0, 0] = torch.eye(4)
            self.second.weight[:4, :4, 0, 0] = torch.eye(4)
            self.head.weight[:, :3] = own * torch.eye(3)
            self.head.weight[0, 3] = mark

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        x = self.relu2(self.second(self.relu(self.first(x))))
        scores: Tensor = self.head(self.pool(x).flatten(1))
        return scores


@dataclass
class Marked(Dataset[tuple[Tensor, int]]):
    """`count` inputs of each class; a share of the first class has the mark, and another share of the others.

    Each class's evidence is strong in its own plane, more or less; the mark is there or not. `mixed`: the classes are not
    in order.
    """

    count: int = 60
    first: float = 0.9
    others: float = 0.1
    seed: int = 0
    mixed: bool = False

    def __post_init__(self) -> None:
        random = np.random.default_rng(self.seed)
        self.classes = list(LABELS)
        self.labels = np.repeat(np.arange(3), self.count)
        if self.mixed:
            self.labels = random.permutation(self.labels)
        share = np.where(self.labels == 0, self.first, self.others)
        self.marked = random.random(len(share)) < share
        self.inputs = torch.from_numpy(random.random((len(share), 4, SIDE, SIDE)).astype(np.float32)) * 0.2
        for row, label in enumerate(self.labels):
            self.inputs[row, label] += float(random.normal(1.5, 0.5))
            self.inputs[row, 3] += float(self.marked[row]) * float(random.normal(1.5, 0.1))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.inputs[index], int(self.labels[index])
