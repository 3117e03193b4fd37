"""Occlusion: how much of the score is lost when a window of the picture, signal or volume is covered."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.methods.baselines import Baseline, baseline_of
from featuremaps.methods.chunking import checked, in_chunks, kept_scores, longest_side
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, PixelMap, Score


@method(paper="Zeiler & Fergus 2014, Visualizing and understanding convolutional networks, section 4.2", level="pixel")
def occlusion(
    inputs: Inputs, box_score: Score, *, window: int = 0, stride: int = 0, baseline: Baseline = "zero", chunk: int = 0
) -> PixelMap:
    """The score that is lost when a square window is covered, in each pixel the mean over the windows that cover it.

    Windows of `window` pixels (0: a fifth of the shorter side; a twentieth of a signal, a fifth of each side of a
    volume) start every `stride` pixels (0: half a window), the last ones cut off at the border. In a signal they are
    stretches of time, in a volume boxes, all of a side that is shorter. Where a picture equals the baseline already
    nothing is run, and on the CPU, in early layers, no more than what a window reaches. `chunk` copies of the pictures
    run at a time (0: chosen for the device).
    """
    space = tuple(inputs.shape[2:])
    sizes = zip(space, *_sizes(space, window, stride), strict=True)
    covers = [_covered(*size).to(inputs) for size in sizes]
    empty = baseline_of(inputs, baseline)
    changes = _along((inputs != empty).any(1).to(inputs), covers) > 0
    losses = torch.zeros(changes.flatten(1).shape, dtype=inputs.dtype, device=inputs.device)
    with torch.no_grad():
        whole = box_score(inputs)[:, None]
    order = _changing_first(changes.flatten(1))
    for part in in_chunks(order.shape[1], inputs, chunk, "covering windows"):
        windows = order[:, part]
        scores = kept_scores(inputs, empty, 1 - _windows(windows, covers), box_score)
        losses.scatter_(1, windows, (whole - scores).to(losses))
    grid = torch.where(changes, losses.view_as(changes), 0.0)
    back = [cover.mT for cover in covers]
    return (_along(grid, back) / _along(torch.ones_like(grid[:1]), back))[:, None]


def _sizes(space: tuple[int, ...], window: int, stride: int) -> tuple[list[int], list[int]]:
    """The side of a window and the step to the next along each axis."""
    meaning = "the side of the covered square in pixels (0: a fifth of the picture)"
    checked("window", window, meaning, least=0, most=longest_side(space))
    chosen = [_chosen(size, space) for size in space]
    windows = [min(window or own, size) for own, size in zip(chosen, space, strict=True)]
    meaning = "the step from window to window in pixels, no longer than a window (0: half of it)"
    checked("stride", stride, meaning, least=0, most=max(windows))
    return windows, [min(stride or max(1, own // 2), own) for own in windows]


def _chosen(size: int, space: tuple[int, ...]) -> int:
    """The side of a window along an axis where none is asked for."""
    side = {1: size / 20, 2: min(space) / 5, 3: size / 5}[len(space)]
    return max(1, round(side))


def _covered(size: int, window: int, stride: int) -> Float[Tensor, "window size"]:
    """Which pixels along one axis each window covers, 1 or 0; the last window is cut off at the border."""
    starts = torch.arange(math.ceil((size - window) / stride) + 1, device="cpu")[:, None] * stride
    pixels = torch.arange(size, device="cpu")
    return ((pixels >= starts) & (pixels < starts + window)).float()


def _along(values: Float[Tensor, "batch *given"], matrices: Sequence[Tensor]) -> Float[Tensor, "batch *made"]:
    """The product with a matrix (made, given) along each axis after the first."""
    for matrix in matrices:
        values = torch.tensordot(values, matrix, dims=([1], [1]))  # what is made comes last: once round, all in order
    return values


def _windows(numbers: Tensor, covers: Sequence[Tensor]) -> Float[Tensor, "batch window *space"]:
    """The windows of these numbers (batch, window), 1 in them and 0 elsewhere."""
    drawn = torch.ones(numbers.shape, dtype=covers[0].dtype, device=numbers.device)
    for axis, cover in enumerate(covers):
        after = math.prod(len(other) for other in covers[axis + 1 :])
        own = cover[numbers // after % len(cover)]
        drawn = drawn[..., None] * own.view(*numbers.shape, *(1,) * (drawn.ndim - 2), -1)
    return drawn


def _changing_first(changes: Bool[Tensor, "batch window"]) -> Tensor:
    """Each picture's windows, those that change something first, as many as the busiest picture has."""
    order = changes.int().argsort(dim=1, descending=True, stable=True)
    return order[:, : int(changes.sum(1).max())]
