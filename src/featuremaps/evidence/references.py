"""Maps that no method made, beside which methods are measured: chance, the middle of the picture, and its edges."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from featuremaps.evidence.shapes import Heatmap, Inputs
from featuremaps.methods.random_numbers import uniform
from featuremaps.plotting.rendering import enlarged

REFERENCE = "reference"
"""What stands for the layer in the key of a reference."""
CHANCE = "random"
"""The reference that every explanation of a model must beat."""
CELLS = 7
"""So many cells along each side has a coarse random map, as the last maps of many networks do."""
Reference = Callable[[Inputs], Heatmap]


def references(rows: Sequence[int], seed: int) -> Mapping[str, Reference]:
    """The references for pictures of these numbers: functions from inputs to heatmaps.

    A random map is drawn anew each time, for each picture from its own number and the seed, whatever the batch.
    """
    calls = [0]
    return {
        CHANCE: partial(_random, rows, seed, calls, coarse=True),
        "random pixels": partial(_random, rows, seed, calls, coarse=False),
        "centre": centre,
        "edges": edges,
    }


def _random(rows: Sequence[int], seed: int, calls: list[int], inputs: Inputs, *, coarse: bool) -> Heatmap:
    """Chance: independent numbers on a coarse grid, enlarged as a layer's map is, or for every pixel."""
    calls[0] += 1
    space = tuple(inputs.shape[2:])
    shape = tuple(min(CELLS, side) for side in space) if coarse else space
    drawn = [uniform(shape, torch.Generator().manual_seed(hash((seed, row, calls[0], coarse)) % 2**62)) for row in rows]
    return enlarged(torch.stack(drawn), space).to(inputs)


def centre(inputs: Inputs) -> Heatmap:
    """A round spot in the middle, whatever the picture: a Gaussian of a quarter of each side."""
    axes = [torch.linspace(-2, 2, side, device=inputs.device, dtype=torch.float32) for side in inputs.shape[2:]]
    distance = sum(axis.square() for axis in torch.meshgrid(*axes, indexing="ij"))
    return torch.exp(-torch.as_tensor(distance) / 2).expand(len(inputs), *inputs.shape[2:]).to(inputs).contiguous()


def edges(inputs: Inputs) -> Heatmap:
    """Where the picture changes, whatever the model: the length of its brightness's gradient, smoothed."""
    brightness = inputs.float().mean(1)
    axes = [axis for axis in range(1, brightness.ndim) if brightness.shape[axis] > 1]
    changes = torch.gradient(brightness, dim=axes) if axes else (torch.zeros_like(brightness),)
    length = torch.stack([change.square() for change in changes]).sum(0).sqrt()
    pool = {1: torch.nn.functional.avg_pool1d, 2: torch.nn.functional.avg_pool2d, 3: torch.nn.functional.avg_pool3d}
    smooth: Tensor = pool[length.ndim - 1](length[:, None], 3, 1, 1)[:, 0]
    return smooth.to(inputs)
