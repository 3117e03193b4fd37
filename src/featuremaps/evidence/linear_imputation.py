"""Places taken out of a picture, filled with the weighted mean of their neighbours: the imputation of ROAD.

Every removed place is the mean of its eight neighbours, a direct one weighing 1/6 and a diagonal one 1/12, of those
inside the picture (Rong et al. 2022, section 4.1 and the authors' code). The neighbours may be removed themselves, so
this is a linear system, one for each set of places. All systems are solved together by conjugate gradients, each
preconditioned by one multigrid cycle: a few coarse pictures carry colours across wide holes at once.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from featuremaps.evidence.copies import precise

Planes = Tensor
"""Values (copy, colour, height, width)."""
Scale = tuple[Tensor, Tensor]
"""Where the holes are, (copy, 1, height, width), and the weights inside the picture, (1, 1, height, width)."""
SWEEPS, DAMPING = 2, 0.8
"""Steps of the smoother on each scale of the cycle, before the coarser one and after it, and how far each goes."""
CLOSE = {torch.float32: 2e-4, torch.float64: 1e-11}
"""The error at which a system is solved, as a share of the picture's contrast; the noise of ROAD is some 3e-3 of it.

In a picture of one colour, or nearly, it is what rounding leaves of that.
"""
TOGETHER = 2**16
"""So many places of copies are solved at once: what the cache of a processor holds."""


def impute(
    inputs: Float[Tensor, "batch colour height width"], removed: Bool[Tensor, "batch copy height width"]
) -> Float[Tensor, "batch copy colour height width"]:
    """A copy of each picture for each set of removed places, these filled linearly; its mean colour if all are."""
    exact = precise(inputs)
    pictures = exact[:, None].expand(-1, removed.shape[1], -1, -1, -1).flatten(0, 1)
    holes = removed.flatten(0, 1)[:, None].to(exact.dtype)
    size = max(1, TOGETHER // holes[0].numel())
    by_size = holes.flatten(1).sum(1).argsort()  # those that take about as many steps are solved together
    parts = [_filled(pictures[part], holes[part]) for part in by_size.split(size)]
    filled = torch.cat(parts)[by_size.argsort()]
    return filled.reshape(*removed.shape[:2], *inputs.shape[1:]).to(inputs.dtype)


def _filled(pictures: Planes, holes: Planes) -> Planes:
    mean = pictures.mean((2, 3), keepdim=True)
    contrast, largest = (values.abs().amax((2, 3), keepdim=True) for values in (pictures - mean, pictures))
    close = torch.maximum(CLOSE[pictures.dtype] * contrast, torch.finfo(pictures.dtype).eps * largest)
    scales = _scales(holes)
    start = torch.lerp(pictures, mean, holes)
    return start + _solve(_left(torch.zeros_like(start), start, *scales[0]), scales, close)


def _block(values: Planes) -> Planes:
    """The sum over the nine places about each, weighing 1, 2 and 4; there is nothing beyond the border."""
    rows = 2 * values
    rows[:, :, 1:] += values[:, :, :-1]
    rows[:, :, :-1] += values[:, :, 1:]
    both = 2 * rows
    both[..., 1:] += rows[..., :-1]
    both[..., :-1] += rows[..., 1:]
    return both


def _left(wanted: Planes, values: Planes, holes: Tensor, total: Tensor) -> Planes:
    """What is left of `wanted`: 12 times the difference of each place in a hole from its neighbours."""
    return _block(values).addcmul_(total, values, value=-1).add_(wanted).mul_(holes)


def _scales(holes: Planes) -> list[Scale]:
    """The holes on each scale, finest first, and the weights that `_block` has inside the picture.

    A coarse place is part of a hole if all finer ones are that it covers: four, or fewer at the border.
    """
    scales = [(holes, _block(torch.ones_like(holes[:1])))]
    while max(holes.shape[2:]) > 2 and holes.any():
        holes = 1 - functional.max_pool2d(1 - holes, _finer(holes), ceil_mode=True)
        scales.append((holes, _block(torch.ones_like(holes[:1]))))
    return scales


def _finer(values: Planes) -> list[int]:
    """How many places along each axis one of the next coarser scale covers."""
    return [min(2, size) for size in values.shape[2:]]


def _coarser(values: Planes) -> Planes:
    """Sums over the places that each of the next coarser scale covers; along a line, where half as many are, twice."""
    height, width = (size % 2 if size > 1 else 0 for size in values.shape[2:])
    whole = functional.pad(values, (0, width, 0, height)) if height or width else values
    return 4 * functional.avg_pool2d(whole, _finer(values))


def _cycle(wanted: Planes, scales: list[Scale]) -> Planes:
    """About the values that leave nothing of what is wanted: smoothed here, and corrected by the coarser scales."""
    (holes, total), *coarser = scales
    step = DAMPING * holes / (total - 4)
    values = step * wanted
    for _ in range(SWEEPS - 1):
        values.addcmul_(step, _left(wanted, values, holes, total))
    if coarser:
        summed = _coarser(_left(wanted, values, holes, total))
        correction = _cycle(summed * coarser[0][0], coarser)
        enlarged = functional.interpolate(correction, scale_factor=[float(times) for times in _finer(values)])
        values.addcmul_(holes, enlarged[:, :, : values.shape[2], : values.shape[3]])
    for _ in range(SWEEPS if coarser else 2 * SWEEPS):
        values.addcmul_(step, _left(wanted, values, holes, total))
    return values


def _solve(wanted: Planes, scales: list[Scale], close: Tensor) -> Planes:
    """The values inside the holes that leave nothing of what is wanted, for each set and colour on its own."""
    values, direction = torch.zeros_like(wanted), torch.zeros_like(wanted)
    nothing, before = torch.zeros_like(wanted), torch.ones_like(wanted[..., :1, :1])
    for _ in range(100 + wanted[0, 0].numel()):  # exact arithmetic needs no more than there are places
        error = _cycle(wanted, scales)
        unsolved = error.abs().amax((2, 3), keepdim=True) > close
        if not unsolved.any():
            break
        now = (wanted * error).sum((2, 3), keepdim=True)
        direction = error.addcmul_(direction, now / before)
        change = _left(nothing, direction, *scales[0])
        length = torch.where(unsolved, now / (direction * change).sum((2, 3), keepdim=True), 0)
        values.addcmul_(direction, -length)
        wanted = torch.addcmul(wanted, change, -length)
        before = torch.where(unsolved, now, before)
    return values
