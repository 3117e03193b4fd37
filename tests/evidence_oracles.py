"""Slow, plain ways of taking places out of one picture, and of scoring what is left; a linear model of exact answers."""

from collections.abc import Callable

import torch
from torch import Tensor

from evidence_samples import random

Score = Callable[[Tensor], Tensor]


def order_of(heatmap: Tensor) -> list[int]:
    """The places of one map, the highest value first, equal values in reading order."""
    values = heatmap.flatten().tolist()
    return sorted(range(len(values)), key=lambda place: (-values[place], place))


def gone_after(heatmap: Tensor, share: float, order: str) -> Tensor:
    """Which places of one map are out when this share of them is: the first of the order, or the last."""
    places = order_of(heatmap) if order == "most" else order_of(heatmap)[::-1]
    count = int(share * len(places) + 1e-9)
    gone = torch.zeros(heatmap.numel(), dtype=torch.bool)
    for place in places[:count]:
        gone[place] = True
    return gone.reshape(heatmap.shape)


def curve_of(picture: Tensor, empty: Tensor, heatmap: Tensor, score: Score, order: str, steps: int) -> list[float]:
    """The score of one picture after each step, each copy made and scored alone."""
    heights = []
    for step in range(steps + 1):
        gone = gone_after(heatmap, step / steps, order)
        heights.append(float(score(torch.where(gone, empty, picture)[None])))
    return heights


def area(heights: list[float]) -> float:
    steps = len(heights) - 1
    return sum((heights[step] + heights[step + 1]) / 2 for step in range(steps)) / steps


class Linear:
    """Score = weights · picture + offset, the same for every picture, its gradient and its contributions."""

    def __init__(self, *size: int) -> None:
        self.weights = random(*size, seed=11)

    def score(self, x: Tensor) -> Tensor:
        return (x * self.weights).flatten(1).sum(1) + 0.7

    def contributions(self, x: Tensor) -> Tensor:
        return (x * self.weights).sum(1)

    def gradient(self, x: Tensor) -> Tensor:
        return self.weights.sum(0).expand(len(x), *self.weights.shape[1:]).clone()
