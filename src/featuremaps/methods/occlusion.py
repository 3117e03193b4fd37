"""Occlusion: how much of the score is lost when a window of the picture is covered."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.methods.baselines import Baseline, baseline_of
from featuremaps.methods.chunking import checked, in_chunks, kept_scores, picture_size
from featuremaps.methods.registry import method
from featuremaps.methods.shapes import Inputs, PixelMap, Score


@method(paper="Zeiler & Fergus 2014, Visualizing and understanding convolutional networks, section 4.2", level="pixel")
def occlusion(
    inputs: Inputs, box_score: Score, *, window: int = 0, stride: int = 0, baseline: Baseline = "zero", chunk: int = 0
) -> PixelMap:
    """The score that is lost when a square window is covered, in each pixel the mean over the windows that cover it.

    Windows of `window` pixels (0: a fifth of the shorter side) start every `stride` pixels (0: half a window), the
    last ones cut off at the border. Where a picture equals the baseline already nothing is run, and on the CPU, in
    early layers, no more than what a window reaches. `chunk` copies of the pictures run at a time (0: chosen for the
    device).
    """
    height, width = picture_size(inputs, "occlusion")
    window, stride = _sizes(min(height, width), window, stride)
    empty = baseline_of(inputs, baseline)
    rows, columns = (_covered(size, window, stride).to(inputs) for size in (height, width))
    differs = (inputs != empty).any(1).to(inputs)
    changes = torch.einsum("bhw,rh,cw->brc", differs, rows, columns).flatten(1) > 0
    losses = torch.zeros(changes.shape, dtype=inputs.dtype, device=inputs.device)
    with torch.no_grad():
        whole = box_score(inputs)[:, None]
    order = _changing_first(changes)
    for part in in_chunks(order.shape[1], inputs, chunk, "covering windows"):
        windows = order[:, part]
        covered = rows[windows // len(columns)][..., None] * columns[windows % len(columns)][..., None, :]
        losses.scatter_(1, windows, (whole - kept_scores(inputs, empty, 1 - covered, box_score)).to(losses))
    grid = torch.where(changes, losses, 0.0).unflatten(1, (len(rows), len(columns)))
    counts = rows.sum(0)[:, None] * columns.sum(0)
    return (torch.einsum("brc,rh,cw->bhw", grid, rows, columns) / counts)[:, None]


def _sizes(side: int, window: int, stride: int) -> tuple[int, int]:
    checked(
        "window", window, "the side of the covered square in pixels (0: a fifth of the picture)", least=0, most=side
    )
    window = window or max(1, round(side / 5))
    meaning = "the step from window to window in pixels, no longer than a window (0: half of it)"
    checked("stride", stride, meaning, least=0, most=window)
    return window, stride or max(1, window // 2)


def _covered(size: int, window: int, stride: int) -> Float[Tensor, "window size"]:
    """Which pixels along one axis each window covers, 1 or 0; the last window is cut off at the border."""
    starts = torch.arange(math.ceil((size - window) / stride) + 1, device="cpu")[:, None] * stride
    pixels = torch.arange(size, device="cpu")
    return ((pixels >= starts) & (pixels < starts + window)).float()


def _changing_first(changes: Bool[Tensor, "batch window"]) -> Tensor:
    """Each picture's windows, those that change something first, as many as the busiest picture has."""
    order = changes.int().argsort(dim=1, descending=True, stable=True)
    return order[:, : int(changes.sum(1).max())]
