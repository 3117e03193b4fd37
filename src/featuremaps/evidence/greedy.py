"""The best map that a measure lets be built: in each round the cells are taken whose removal serves it most."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.evidence.copies import CHUNK, of_each
from featuremaps.evidence.curves import Order
from featuremaps.evidence.fills import Fill, Filling
from featuremaps.evidence.shapes import Heatmap, Inputs, Score

CELLS, ROUNDS = 7, 4


def greedy_map(
    inputs: Inputs, filling: Filling, probability: Score, order: Order, fill: Fill, *, chunk: int = CHUNK
) -> Heatmap:
    """A map of 7 cells along each side whose curve of `order` and `fill` is as good as a greedy search makes it.

    In each of 4 rounds every cell that is left is tried alone, beside those gone before, and a quarter of all goes: for
    "most" those without which the probability is lowest, for "least" highest. Places taken first for "most" have the
    highest values, for "least" the lowest. 124 passes for each picture.
    """
    cells = cells_of(tuple(inputs.shape[2:]), CELLS).to(inputs.device)
    count = int(cells.max()) + 1
    each_round = -(-count // ROUNDS)
    together = of_each(len(inputs), chunk)
    taken = torch.zeros(len(inputs), count, dtype=torch.bool, device=inputs.device)
    values = torch.zeros(len(inputs), count, device=inputs.device)
    rank = 0
    while rank < count:
        scores = _tried(taken, cells, filling, fill, probability, together)
        scores = (scores if order == "most" else -scores).masked_fill(taken, torch.inf)
        chosen = scores.sort(dim=1, stable=True).indices[:, : min(each_round, count - rank)]
        for place, cell in enumerate(chosen.unbind(1)):
            worth = count - rank - place
            values.scatter_(1, cell[:, None], float(worth if order == "most" else -worth))
        taken = taken.scatter(1, chosen, True)
        rank += chosen.shape[1]
    return values[:, cells.flatten()].reshape(len(inputs), *cells.shape)


def _tried(
    taken: Bool[Tensor, "batch cell"],
    cells: Int[Tensor, "*space"],
    filling: Filling,
    fill: Fill,
    probability: Score,
    together: int,
) -> Float[Tensor, "batch cell"]:
    """The probability with each cell gone beside those that are; infinite for these themselves, which are not run."""
    left = int((~taken[0]).sum())
    tried = (~taken).to(torch.int8).sort(dim=1, descending=True, stable=True).indices[:, :left]
    scores = torch.full(taken.shape, torch.inf, device=taken.device)
    for part in tried.split(together, 1):
        gone = taken[:, None].expand(-1, part.shape[1], -1).scatter(2, part[:, :, None], True)
        removed = gone[:, :, cells.flatten()].reshape(*gone.shape[:2], *cells.shape)
        with torch.no_grad():
            new = probability(filling(removed, fill).flatten(0, 1)).float().reshape(len(taken), -1)
        scores.scatter_(1, part, new)
    return scores


def cells_of(space: tuple[int, ...], cells: int) -> Int[Tensor, "*space"]:
    """The number of the cell that each place lies in, on a grid of so many cells along each side, or fewer."""
    numbers = torch.zeros(space, dtype=torch.long)
    for axis, side in enumerate(space):
        along = min(cells, side)
        index = torch.arange(side) * along // side
        numbers = numbers * along + index.reshape(-1, *[1] * (len(space) - axis - 1))
    return numbers
