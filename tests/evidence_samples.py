"""A small model of exact derivatives, and everything that measures may name, for pictures, signals and volumes."""

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor

from featuremaps.evidence.curves import Curves
from featuremaps.evidence.measured import Measured
from featuremaps.evidence.registry import MEASURES

CLASSES, HIDDEN = 3, 5
CONSTANT, BROKEN = 1, 2  # the pictures whose maps are made useless


def random(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Network:
    """Two layers with a sine between, in double precision, for inputs (batch, colour, *space) of any size."""

    def __init__(self, size: tuple[int, ...], seed: int = 7) -> None:
        self.size = size
        self.first, self.second = self.weights(seed)

    def weights(self, seed: int) -> tuple[Tensor, Tensor]:
        count = prod(self.size)
        return random(HIDDEN, count, seed=seed) / count**0.5, 2 * random(CLASSES, HIDDEN, seed=seed + 1)

    def logits(self, x: Tensor) -> Tensor:
        return (2 * x.flatten(1) @ self.first.T).sin() @ self.second.T

    def explain(self, x: Tensor, target: Tensor) -> Tensor:
        """Input times gradient."""
        x = x.detach().requires_grad_()
        with torch.enable_grad():
            score = self.logits(x).gather(1, target[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, x)
        return (x * gradient).sum(1).detach()

    def randomised(self, layers: set[str]) -> "Network":
        other = Network(self.size)
        first, second = self.weights(99)
        other.first = first if "first" in layers else self.first
        other.second = second if "second" in layers else self.second
        return other


def examined(
    pictures: Tensor,
    *,
    scale: float = 1,
    chunk: int = 32,
    change: Callable[[Tensor], Tensor] = lambda maps: maps,
    masks: Tensor | None = None,
) -> dict[str, Any]:
    """Everything that a measure may name; `change` edits every heatmap of the pictures, `scale` multiplies all maps."""
    network, batch = Network(tuple(pictures.shape[1:])), len(pictures)
    target = network.logits(pictures).argmax(1)

    def repeated(x: Tensor, classes: Tensor) -> Tensor:
        return classes.repeat_interleave(len(x) // batch)

    def score(x: Tensor) -> Tensor:
        return network.logits(x).gather(1, repeated(x, target)[:, None])[:, 0]

    def probability(x: Tensor) -> Tensor:
        return network.logits(x).softmax(1).gather(1, repeated(x, target)[:, None])[:, 0]

    def explain_again(x: Tensor) -> Tensor:
        return scale * network.explain(x, repeated(x, target))

    def explain_seeded(seed: int) -> Tensor:
        heatmap = explain_again(pictures)
        return change(heatmap + scale * 0.05 * random(*heatmap.shape[1:], seed=seed))

    def explain_randomised(order: str) -> Iterator[tuple[str, Tensor]]:
        for layers in ({"second"}, {"first"} if order == "single" else {"first", "second"}):
            yield min(layers), scale * network.randomised(layers).explain(pictures, target)

    heatmap = change(explain_again(pictures))
    inside = half(heatmap) if masks is None else masks
    return {
        "heatmap": heatmap,
        "inputs": pictures,
        "score": score,
        "probability": probability,
        "curve": Curves(pictures, probability, chunk=chunk).of(heatmap),
        "masks": inside,
        "explain_again": explain_again,
        "explain_seeded": explain_seeded,
        "explain_class": lambda classes: scale * network.explain(pictures, classes),
        "explain_randomised": explain_randomised,
        "random_label_heatmap": scale * network.randomised({"first"}).explain(pictures, target),
        "mosaic": heatmap,
        "cells": inside,
        "target": target,
        "classes": CLASSES,
        "generator": torch.Generator().manual_seed(3),
    }


def lowered(needs: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """The same in this precision: the model still computes in double, and takes and gives what is lowered."""

    def cast(value: Any, to: torch.dtype = dtype) -> Any:
        return value.to(to) if torch.is_tensor(value) and value.is_floating_point() else value

    def through(function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given: cast(function(*(cast(value, torch.float64) for value in given)))

    changed = {name: through(value) if callable(value) else cast(value) for name, value in needs.items()}
    changed["curve"] = Curves(changed["inputs"], changed["probability"]).of(changed["heatmap"])
    randomised = needs["explain_randomised"]
    changed["explain_randomised"] = lambda order: ((name, cast(maps)) for name, maps in randomised(order))
    return changed


def half(heatmap: Tensor) -> Tensor:
    """The first half of the first axis, the same for every picture."""
    masks = torch.zeros_like(heatmap, dtype=torch.bool)
    masks[:, : heatmap.shape[1] // 2] = True
    return masks


def measured(name: str, needs: dict[str, Any], **options: Any) -> Measured:
    """What a measure says of what is examined."""
    measure = MEASURES[name]
    result: Measured = measure.formula(*(needs[need] for need in measure.needs), **options)
    return result
