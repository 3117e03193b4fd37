"""Pixel maps from many gradients: along a path from a baseline to the picture, or around the picture in noise.

The copies of the pictures are made and differentiated in chunks, so memory does not grow with their number.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from featuremaps.methods.baselines import RandomBaseline, baseline_of
from featuremaps.methods.channel_weights import at_least_one
from featuremaps.methods.random_numbers import normal, uniform
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, Remark, Score
from featuremaps.progress import track


@method(paper="Sundararajan et al. 2017, Axiomatic attribution, eq. 1", level="pixel")
def integrated_gradients(
    inputs: Inputs,
    gradients_at: Score,
    score: Score,
    generator: torch.Generator,
    remark: Remark,
    *,
    baseline: RandomBaseline = "zero",
    baselines: int = 1,
    steps: int = 32,
    chunk: int = 16,
) -> Inputs:
    """The gradient averaged on the straight way from a baseline to the picture, times their difference.

    The values add up to the score's gain over the baseline; how far they are from that is remarked as "completeness
    error". The integral is a Gauss-Legendre sum of `steps` terms; `baselines` many are averaged, which is of use for
    baseline="uniform". `chunk` pictures run at a time.
    """
    at_least_one(steps=steps, baselines=baselines, chunk=chunk)
    nodes, weights = (torch.from_numpy(values).to(inputs) / 2 for values in np.polynomial.legendre.leggauss(steps))
    total, gained = torch.zeros_like(inputs), inputs.new_zeros(len(inputs))
    for start in (baseline_of(inputs, baseline, generator) for _ in range(baselines)):
        way = inputs - start
        mean = torch.zeros_like(inputs)
        for rows in _rows(steps, chunk, len(inputs), "integrating gradients"):
            points = start[:, None] + _along(nodes[rows] + 0.5, way) * way[:, None]
            gradients = gradients_at(points.flatten(0, 1)).unflatten(0, (len(inputs), len(rows)))
            mean += (_along(weights[rows], way) * gradients).sum(1)
        total += way * mean
        gained += score(inputs) - score(start)
    remark("completeness error", total.flatten(1).sum(1) / baselines - gained / baselines)
    return total / baselines


@method(paper="Smilkov et al. 2017, SmoothGrad, eq. 1", level="pixel", collapse="max_abs")
def smooth_grad(
    inputs: Inputs,
    gradients_at: Score,
    generator: torch.Generator,
    *,
    samples: int = 25,
    noise: float = 0.15,
    chunk: int = 16,
) -> Inputs:
    """The mean gradient over `samples` noisy copies of the picture.

    `noise` is the standard deviation as a share of each picture's range. Every picture gets the same noise.
    """
    return _moments(inputs, gradients_at, generator, samples, noise, chunk)[0]


@method(paper="Hooker et al. 2019, A benchmark for interpretability (SmoothGrad-Squared)", level="pixel")
def square_grad(
    inputs: Inputs,
    gradients_at: Score,
    generator: torch.Generator,
    *,
    samples: int = 25,
    noise: float = 0.15,
    chunk: int = 16,
) -> Inputs:
    """The mean squared gradient over noisy copies of the picture."""
    return _moments(inputs, gradients_at, generator, samples, noise, chunk)[1]


@method(paper="Adebayo et al. 2018, Local explanation methods (VarGrad)", level="pixel")
def var_grad(
    inputs: Inputs,
    gradients_at: Score,
    generator: torch.Generator,
    *,
    samples: int = 25,
    noise: float = 0.15,
    chunk: int = 16,
) -> Inputs:
    """The variance of the gradient over noisy copies of the picture."""
    mean, square = _moments(inputs, gradients_at, generator, samples, noise, chunk)
    return (square - mean.square()).clamp_min(0)


@method(paper="Lundberg & Lee 2017, SHAP; as expected gradients Erion et al. 2021, eq. 3", level="pixel")
def gradient_shap(
    inputs: Inputs,
    gradients_at: Score,
    score: Score,
    generator: torch.Generator,
    remark: Remark,
    *,
    baseline: RandomBaseline = "uniform",
    samples: int = 32,
    noise: float = 0.0,
    chunk: int = 16,
) -> Inputs:
    """Difference times gradient at random points between random baselines and the picture, averaged.

    `noise` is added to the picture, as a share of its range. How far the values are from adding up to the score's
    gain over the baselines is remarked as "completeness error".
    """
    at_least_one(samples=samples, chunk=chunk)
    total, gained = torch.zeros_like(inputs), inputs.new_zeros(len(inputs))
    spread = noise * _range(inputs)
    for rows in _rows(samples, chunk, len(inputs), "averaging gradients"):
        starts, ways, shares = [], [], []
        for _ in rows:
            starts.append(baseline_of(inputs, baseline, generator))
            shaken = inputs + spread * normal(inputs.shape[1:], generator).to(inputs) if noise else inputs
            ways.append(shaken - starts[-1])
            shares.append(uniform((), generator).to(inputs))
        start, way = torch.stack(starts, 1), torch.stack(ways, 1)
        points = start + _along(torch.stack(shares), inputs) * way
        total += (way * gradients_at(points.flatten(0, 1)).unflatten(0, way.shape[:2])).sum(1)
        gained += (score((start + way).flatten(0, 1)) - score(start.flatten(0, 1))).unflatten(0, way.shape[:2]).sum(1)
    remark("completeness error", total.flatten(1).sum(1) / samples - gained / samples)
    return total / samples


def _moments(
    inputs: Inputs, gradients_at: Score, generator: torch.Generator, samples: int, noise: float, chunk: int
) -> tuple[Inputs, Inputs]:
    """The mean and the mean square of the gradient over noisy copies."""
    at_least_one(samples=samples, chunk=chunk)
    spread = noise * _range(inputs)[:, None]
    total, squares = torch.zeros_like(inputs), torch.zeros_like(inputs)
    for rows in _rows(samples, chunk, len(inputs), "smoothing gradients"):
        shifts = torch.stack([normal(inputs.shape[1:], generator) for _ in rows]).to(inputs)
        noisy = inputs[:, None] + spread * shifts
        gradients = gradients_at(noisy.flatten(0, 1)).unflatten(0, (len(inputs), len(rows)))
        total += gradients.sum(1)
        squares += gradients.square().sum(1)
    return total / samples, squares / samples


def _range(inputs: Inputs) -> Tensor:
    """Highest minus lowest value of each picture, shaped to multiply it."""
    flat = inputs.flatten(1)
    return (flat.amax(1) - flat.amin(1)).reshape(-1, *[1] * (inputs.ndim - 1))


def _along(numbers: Tensor, like: Inputs) -> Tensor:
    """Numbers (k,) shaped to multiply (batch, k, colour, …)."""
    return numbers.reshape(1, -1, *[1] * (like.ndim - 1))


def _rows(total: int, chunk: int, batch: int, doing: str) -> Iterator[Tensor]:
    """The numbers 0 … total − 1 in pieces, so that about `chunk` copies of the pictures run together."""
    return track(torch.arange(total, device="cpu").split(max(1, chunk // batch)), doing)
