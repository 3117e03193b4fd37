"""Places taken out of a picture, filled with the weighted mean of their neighbours: the imputation of ROAD.

Every removed place is the mean of its eight neighbours, a direct one weighing 1/6 and a diagonal one 1/12, of those
inside the picture (Rong et al. 2022, section 4.1 and the authors' code). The neighbours may be removed themselves, so
this is a linear system, one for each set of places. All systems are solved together by conjugate gradients, each
preconditioned by one multigrid cycle: a few coarse pictures carry colours across wide holes at once.

Many systems lie side by side as the channels of one picture, channels last: a convolution of each channel by itself is
then quicker than sums of shifted pictures. What is left of an equation is never cleared outside of the holes, where
nothing reads it: each step of the smoother is 0 there, and a coarse place is a hole only if all it covers are holes.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from featuremaps.evidence.copies import precise

Planes = Tensor
"""Values (1, copy times colour, height, width), channels last in memory."""
NEIGHBOURS = ((1.0, 2.0, 1.0), (2.0, 1.0, 2.0), (1.0, 2.0, 1.0))
"""The weights of the neighbours of a place, as multiples of 1/12, and its own, which damps the smoother."""
SWEEPS = 2
"""Steps of the smoother on each scale of the cycle, before the coarser one and after it."""
CLOSE = {torch.float32: 2e-4, torch.float64: 1e-11}
"""The error at which a system is solved, as a share of the picture's contrast; the noise of ROAD is some 3e-3 of it.

In a picture of one colour, or nearly, it is what rounding leaves of that.
"""
HALVED = 2
"""A cycle at least halves the error, so that after the last one it may be so many times as large before."""
TOGETHER = 2**17
"""So many places of copies are solved at once: what the cache of a processor holds."""


@dataclass(frozen=True, eq=False)
class Scale:
    """The sum of the `weights` about each place, inside the picture; `step` is one by it in holes, and 0 elsewhere."""

    weights: Planes
    step: Planes


def impute(
    inputs: Float[Tensor, "batch colour height width"], removed: Bool[Tensor, "batch copy height width"]
) -> Float[Tensor, "batch copy colour height width"]:
    """A copy of each picture for each set of removed places, these filled linearly; its mean colour if all are."""
    exact = precise(inputs)
    pictures = exact[:, None].expand(-1, removed.shape[1], -1, -1, -1).flatten(0, 1)
    holes = removed.flatten(0, 1)
    size = max(1, TOGETHER // holes[0].numel())
    by_size = holes.flatten(1).sum(1).argsort()  # those that take about as many steps are solved together
    parts = [_filled(pictures[part], holes[part]) for part in by_size.split(size)]
    filled = torch.cat(parts)[by_size.argsort()]
    return filled.reshape(*removed.shape[:2], *inputs.shape[1:]).to(inputs.dtype)


def _filled(
    pictures: Float[Tensor, "copy colour height width"], holes: Bool[Tensor, "copy height width"]
) -> Float[Tensor, "copy colour height width"]:
    mean = pictures.mean((2, 3), keepdim=True)
    known = (pictures - mean).masked_fill(holes[:, None], 0)
    contrast, largest = (values.abs().amax((2, 3)).flatten() for values in (pictures - mean, pictures))
    close = torch.maximum(CLOSE[pictures.dtype] * contrast, torch.finfo(pictures.dtype).eps * largest)
    kernel = pictures.new_tensor(NEIGHBOURS).expand(close.numel(), 1, 3, 3).contiguous()
    scales = _scales(_planes(holes[:, None].expand_as(pictures).to(pictures.dtype)), kernel)
    solved = _solve(_planes(known), scales, kernel, close[:, None, None]).reshape(pictures.shape)
    return torch.where(holes[:, None], mean + solved, pictures)


def _planes(values: Float[Tensor, "copy colour height width"]) -> Planes:
    return values.flatten(0, 1)[None].contiguous(memory_format=torch.channels_last)


def _around(values: Planes, kernel: Tensor) -> Planes:
    """The weighted sum about each place; there is nothing beyond the border."""
    return functional.conv2d(values, kernel, padding=1, groups=values.shape[1])


def _left(wanted: Planes, values: Planes, scale: Scale, kernel: Tensor) -> Planes:
    """What is left of `wanted` in the holes: 12 times the difference of each place from its neighbours."""
    return _around(values, kernel).add_(wanted).addcmul_(scale.weights, values, value=-1)


def _scales(holes: Planes, kernel: Tensor) -> list[Scale]:
    """The holes on each scale, finest first.

    A coarse place is part of a hole if all finer ones are that it covers: four, or fewer at the border.
    """
    scales = [_scale(holes, kernel)]
    while max(holes.shape[2:]) > 2 and holes.any():
        holes = 1 - functional.max_pool2d(1 - holes, _finer(holes), ceil_mode=True)
        scales.append(_scale(holes, kernel))
    return scales


def _scale(holes: Planes, kernel: Tensor) -> Scale:
    weights = _around(torch.ones_like(holes), kernel)
    return Scale(weights, torch.where(holes > 0, 1 / weights, 0))


def _finer(values: Planes) -> list[int]:
    """How many places along each axis one of the next coarser scale covers."""
    return [min(2, size) for size in values.shape[2:]]


def _coarser(values: Planes) -> Planes:
    """Sums over the places that each of the next coarser scale covers; along a line, where half as many are, twice."""
    height, width = (size % 2 if size > 1 else 0 for size in values.shape[2:])
    whole = functional.pad(values, (0, width, 0, height)) if height or width else values
    return functional.avg_pool2d(whole, _finer(values)).mul_(4)


def _cycle(wanted: Planes, scales: list[Scale], kernel: Tensor) -> Planes:
    """About the values that leave nothing of what is wanted: smoothed here, and corrected by the coarser scales."""
    scale, *coarser = scales
    values = first = scale.step * wanted
    for _ in range(SWEEPS - 1):
        values = torch.addcmul(first, _around(values, kernel), scale.step)
    if coarser:
        correction = _cycle(_coarser(_left(wanted, values, scale, kernel)), coarser, kernel)
        enlarged = functional.interpolate(correction, scale_factor=[float(times) for times in _finer(values)])
        values = values + enlarged[:, :, : values.shape[2], : values.shape[3]]
    for _ in range(SWEEPS if coarser else 2 * SWEEPS):
        values = torch.addcmul(first, _around(values, kernel), scale.step)
    return values


def _solve(values: Planes, scales: list[Scale], kernel: Tensor, close: Float[Tensor, "plane 1 1"]) -> Planes:
    """The values that are in each hole the mean of their neighbours, each set and colour on its own."""
    wanted = _left(torch.zeros_like(values), values, scales[0], kernel)
    direction, before = torch.zeros_like(values), torch.ones_like(values[..., :1, :1])
    for _ in range(100 + wanted[0, 0].numel()):  # exact arithmetic needs no more than there are places
        error = _cycle(wanted, scales, kernel)
        unsolved = functional.adaptive_max_pool2d(error.abs(), 1) > HALVED * close
        if not unsolved.any():
            return values + error
        now = (wanted * error).sum((2, 3), keepdim=True)
        direction = torch.addcmul(error, direction, now / before)
        change = _around(direction, kernel).addcmul_(scales[0].weights, direction, value=-1)
        length = torch.where(unsolved, now / (direction * change).sum((2, 3), keepdim=True), 0)
        values.addcmul_(direction, -length)
        wanted.addcmul_(change, -length)
        before = torch.where(unsolved, now, before)
    return values
