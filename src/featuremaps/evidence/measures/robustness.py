"""Robustness: does the map stay when the picture, its place or the seed changes in a way that should not matter?"""

from collections.abc import Iterator
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import MethodError
from featuremaps.evidence.copies import CHUNK, in_chunks, precise
from featuremaps.evidence.measured import Measured, mean_of, usable
from featuremaps.evidence.registry import measure
from featuremaps.evidence.shapes import ExplainAgain, ExplainSeeded, Heatmap, Inputs
from featuremaps.evidence.similarity import rank_correlation
from featuremaps.methods.chunking import checked
from featuremaps.methods.random_numbers import uniform

AGAIN = "the map of a slightly changed picture has values that are not finite"
RADIUS, SAMPLES = 0.02, 10


@measure(
    paper="Yeh et al. 2019, On the (in)fidelity of explanations, definition 3.1",
    better="lower",
    unit="ratio",
    family="robustness",
)
def max_sensitivity(
    heatmap: Heatmap,
    inputs: Inputs,
    explain_again: ExplainAgain,
    generator: torch.Generator,
    *,
    radius: float = RADIUS,
    samples: int = SAMPLES,
    chunk: int = CHUNK,
) -> Measured:
    """The largest change of the map, as a share of its own length, among pictures that differ by at most `radius`.

    The noise is uniform from −`radius` to `radius` in the units of the preprocessed picture. 0 for the gradient of a
    linear model. Undefined for a map that is constant or not finite, now or then.
    """
    changes = _changes(heatmap, inputs, explain_again, generator, radius, samples, chunk)
    return usable(heatmap).where(changes.isfinite().all(1), AGAIN).of(changes.amax(1))


@measure(
    paper="Bhatt et al. 2020, Evaluating and aggregating explanations, section 3",
    better="lower",
    unit="ratio",
    family="robustness",
)
def average_sensitivity(
    heatmap: Heatmap,
    inputs: Inputs,
    explain_again: ExplainAgain,
    generator: torch.Generator,
    *,
    radius: float = RADIUS,
    samples: int = SAMPLES,
    chunk: int = CHUNK,
) -> Measured:
    """The mean change of the map, as a share of its own length, among pictures that differ by at most `radius`.

    The pictures are those of `max_sensitivity`. Undefined where that is.
    """
    changes = _changes(heatmap, inputs, explain_again, generator, radius, samples, chunk)
    return usable(heatmap).where(changes.isfinite().all(1), AGAIN).of(changes.mean(1))


@measure(
    paper="Crabbé & van der Schaar 2023, equivariance", better="higher", unit="rank correlation", family="robustness"
)
def flip_agreement(heatmap: Heatmap, inputs: Inputs, explain_again: ExplainAgain) -> Measured:
    """Spearman's correlation between the map and that of the mirrored picture, mirrored back.

    Undefined where either map is constant or not finite.
    """
    if inputs.ndim < 4:
        raise MethodError(
            f"flip_agreement mirrors pictures (batch, colour, height, width), and the model's input has shape "
            f"{tuple(inputs.shape)}, which backwards is another signal. Use shift_agreement."
        )
    return rank_correlation(heatmap, explain_again(inputs.flip(-1)).detach().flip(-1))


@measure(
    paper="Crabbé & van der Schaar 2023, equivariance", better="higher", unit="rank correlation", family="robustness"
)
def shift_agreement(
    heatmap: Heatmap, inputs: Inputs, explain_again: ExplainAgain, *, shift: float = 1 / 32, chunk: int = CHUNK
) -> Measured:
    """The mean Spearman's correlation between the map and those of shifted pictures, where both show the same.

    The picture moves by `shift` of each side, at least one place, forth and back along each axis, and its border is
    repeated. Undefined where a map is constant or not finite.
    """
    checked("shift", shift, "the share of each side by which pictures move", least=0, most=0.5)
    steps = {axis: max(1, round(shift * inputs.shape[axis])) for axis in range(2, inputs.ndim)}
    moves = [(axis, by) for axis, step in steps.items() for by in (step, -step) if step < inputs.shape[axis]]
    maps = torch.cat(list(in_chunks((_moved(inputs, *move) for move in moves), explain_again, chunk)), 1).unbind(1)
    return mean_of([_shared(heatmap, moved, *move) for moved, move in zip(maps, moves, strict=True)])


@measure(paper="none; what a user sees who asks twice", better="higher", unit="rank correlation", family="robustness")
def seed_stability(explain_seeded: ExplainSeeded, *, seeds: int = 3) -> Measured:
    """The mean Spearman's correlation between every two of the maps made with so many seeds.

    1 for a method without randomness. Undefined where a map is constant or not finite.
    """
    checked("seeds", seeds, "how many seeds the map is made with", least=2)
    maps = [explain_seeded(seed).detach() for seed in range(seeds)]
    return mean_of([rank_correlation(*pair) for pair in combinations(maps, 2)])


def _changes(
    heatmap: Heatmap,
    inputs: Inputs,
    explain_again: ExplainAgain,
    generator: torch.Generator,
    radius: float,
    samples: int,
    chunk: int,
) -> Float[Tensor, "batch sample"]:
    """How far the map of each slightly changed picture is from the map, as a share of the map's length."""
    checked("samples", samples, "how many changed pictures are explained", least=1)
    checked("radius", radius, "by how much a place changes at most", least=0, above=True)

    def noisy() -> Iterator[Tensor]:
        for _ in range(samples):
            yield inputs + radius * (2 * uniform(inputs.shape[1:], generator).to(inputs) - 1)

    norm, first = torch.linalg.vector_norm, precise(heatmap)
    maps = (precise(part) for part in in_chunks(noisy(), explain_again, chunk))
    changes = torch.cat([norm((part - first[:, None]).flatten(2), dim=2) for part in maps], 1)
    return changes.div(norm(first.flatten(1), dim=1, keepdim=True))


def _moved(inputs: Inputs, axis: int, by: int) -> Inputs:
    size = inputs.shape[axis]
    return inputs.index_select(axis, (torch.arange(size, device=inputs.device) - by).clamp(0, size - 1))


def _shared(heatmap: Heatmap, moved: Heatmap, axis: int, by: int) -> Measured:
    """The rank correlation where both maps show the same: all but the strip that left, and the one that came in."""
    left = heatmap.shape[axis - 1] - abs(by)
    return rank_correlation(heatmap.narrow(axis - 1, max(0, -by), left), moved.narrow(axis - 1, max(0, by), left))
