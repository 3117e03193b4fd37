"""Canvases to test, and slow gradients of them."""

from collections.abc import Callable

import torch
from torch import Tensor

from featuremaps.draw.canvas import Canvas, Shape

SHAPES: list[Shape] = [(3, 16, 16), (3, 7, 5), (1, 6, 11), (5, 9, 4), (3, 12, 30)]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weighted(canvas: Canvas, shape: Shape, rows: int) -> Callable[[tuple[Tensor, ...]], Tensor]:
    """One number for all pictures together, each pixel with a weight of its own."""
    weights = torch.randn((rows, *shape), dtype=torch.float64, generator=seeded(3))
    return lambda parameters: (canvas.picture(parameters, shape) * weights).sum()


def slow_gradient(value: Callable[[tuple[Tensor, ...]], Tensor], parameters: tuple[Tensor, ...]) -> list[Tensor]:
    """Central differences, one number after the other."""
    found = []
    step = 1e-5
    for parameter in parameters:
        gradient = torch.zeros_like(parameter)
        flat, out = parameter.view(-1), gradient.view(-1)
        for i in range(flat.numel()):
            before = float(flat[i])
            flat[i] = before + step
            above = float(value(parameters))
            flat[i] = before - step
            below = float(value(parameters))
            flat[i] = before
            out[i] = (above - below) / (2 * step)
        found.append(gradient)
    return found
