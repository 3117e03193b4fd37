"""How a layer's output lies, read off the picture's places as they were followed to it."""

import math
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from featuremaps.layers.given import GivenLayout
from featuremaps.layers.layout import AMONG, KINDS, PADDED, PARTLY, TURNED, Layout, layout_of
from featuremaps.receptive_field import Dataflow, Field, Trace

UNEVEN = 0.06
"""The share of the picture by which a map's places may be off where it is drawn, before that is said."""


def traced_layout(
    output: Tensor, module: nn.Module, flow: Dataflow, trace: Trace | None, given: GivenLayout | None
) -> Layout | None:
    """How to read the output: as its dimensions were seen to follow the picture, and as the user says."""
    traced = _as_traced(output, module, flow, trace)
    if given is None or (given.read is None and trace is not None and _is_turned(trace.field)):
        return traced
    return given.of(output, flow.picture, traced)


def _as_traced(output: Tensor, module: nn.Module, flow: Dataflow, trace: Trace | None) -> Layout | None:
    placed = trace.field if trace else None
    if placed is not None and placed.moved:
        return None
    if placed is None or placed.lost or not output.is_floating_point():
        return layout_of(output, module, flow.picture)
    if placed.positions > 1:
        layout = _placed_layout(placed, flow.picture)
        return layout if layout is None or _covers(placed, flow.picture) else replace(layout, known=PARTLY)
    guess = layout_of(output, module, flow.picture)
    return guess if guess and math.prod(guess.grid) == 1 else None


def _covers(placed: Field, picture: Sequence[int]) -> bool:
    """Whether the places cover the picture about evenly, as a map is drawn; a crop inside the model moves them.

    Places of a map that was enlarged lie as evenly as those of the map.
    """
    for axis, length in enumerate(picture[2:]):
        step = placed.step(axis)
        if step is None or placed.reach[axis].whole:
            continue
        count = math.prod(run.size for dim in placed.dims for run in dim.runs if run.axis == axis)
        reach = placed.reach[axis]
        margins = reach.place, length - reach.place - step * (count - 1)
        if max(abs(margin - step / 2) for margin in margins) > max(1.5 * step, 1.5 * reach.coarse, UNEVEN * length):
            return False
    return True


def _placed_layout(placed: Field, picture: Sequence[int]) -> Layout | None:
    """The layout that the field's dimensions spell out; None where positions sit in the batch or are mixed."""
    axes, shape = list(range(len(picture) - 2)), placed.shape
    along = [
        [run.axis for run in dim.runs if run.axis is not None and (run.size > 1 or (number and dim.size == 1))]
        for number, dim in enumerate(placed.dims)
    ]
    batch_axis = int(len(shape) == 3 and bool(along[0]) and shape[1] == picture[0])  # (token, batch, channel)
    if shape[batch_axis] != picture[0]:
        return None
    if len(shape) == len(axes) + 2 and not batch_axis:
        single = [[axis] for axis in axes]
        if along == [[], [], *single] and len(axes) in KINDS:
            return Layout(KINDS[len(axes)], shape[1], shape[2:])
        if along == [[], *single, []]:
            return Layout("channels_last", shape[-1], shape[1:-1])
    tokens, sequence = placed.dims[1 - batch_axis], along.pop(1 - batch_axis) if len(shape) == 3 else []
    if any(run.axis is None and run.size > 1 for run in tokens.runs):  # places among what is none
        return None
    if along != [[], []]:
        return None
    grid = tuple(run.size for run in tokens.runs if run.axis is not None)
    if len(axes) == 2 and sequence in ([0], [1]):  # a row of places
        steps = tokens.size - tokens.extra
        grid = (steps, 1) if sequence == [0] else (1, steps)
    elif sequence != axes:
        return None
    return Layout("tokens", shape[2], grid, tokens.lead, tokens.trail, batch_axis=batch_axis)


def why_no_map(placed: Field | None, picture: Sequence[int]) -> str:
    """Why places that are known are no map: because of the axes that they run along, or of how many pictures."""
    if placed is None or placed.lost or placed.moved:
        return ""
    if placed.dims[0].axes and placed.shape[0] != picture[0]:
        return AMONG
    if placed.shape[0] != picture[0] and len(placed.shape) == len(picture) and placed.positions > 1:
        return PADDED
    return TURNED if _is_turned(placed) else ""


def _is_turned(placed: Field | None) -> bool:
    """Whether places run along the picture's axes in another order than in the picture, as after a transposition."""
    if placed is None or placed.lost or placed.moved:
        return False
    axes = [run.axis for dim in placed.dims for run in dim.runs if run.axis is not None and run.size > 1]
    return len(axes) == len({*axes}) and axes != sorted(axes)
