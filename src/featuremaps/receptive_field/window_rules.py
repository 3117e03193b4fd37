"""Sliding windows and resizing: convolutions, poolings, interpolation, and the formulas of their sizes."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from featuremaps.receptive_field.call import Call, FieldRule
from featuremaps.receptive_field.field_algebra import (
    Field,
    channels,
    contracted,
    everywhere,
    merged,
    regrouped,
    resized,
    slid,
)

ADAPTIVE = frozenset(
    f"{start}adaptive_{kind}_pool{n}d" for start in ("", "_") for kind in ("avg", "max") for n in (1, 2, 3)
)
SHUFFLES = frozenset({"pixel_shuffle", "pixel_unshuffle"})


class Window(NamedTuple):
    """A sliding window along one dimension, as an operation was given it."""

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int
    result: int


def windows(call: Call) -> list[Window]:
    """The windows of a convolution or pooling, one per spatial axis."""
    shape = call.subject.shape
    kernel = list(call.args["weight"].shape[2:] if call.op == "convolution" else call.args["kernel_size"])
    count = next(n for n in (1, 2, 3) if f"{n}d" in call.op) if "pool" in call.op else len(kernel)
    kernel = kernel * count if len(kernel) == 1 else kernel

    def per_axis(name: str, default: Sequence[int]) -> list[int]:
        given = list(call.args.get(name) or default)
        return given * count if len(given) == 1 else given

    strides, paddings = per_axis("stride", kernel), per_axis("padding", [0])
    dilations = per_axis("dilation", [1])
    sizes, results = shape[-count:], call.results[0][-count:]
    return [Window(*axis) for axis in zip(sizes, kernel, strides, paddings, dilations, results, strict=True)]


def _slide(call: Call) -> Field:
    field = call.subject
    for index, window in enumerate(reversed(windows(call)), start=1):
        span, dim = window.dilation * (window.kernel - 1), len(field.dims) - index
        if call.args.get("transposed"):
            field = resized(
                field,
                dim,
                window.result,
                step=1 / window.stride,
                first=(window.padding - span / 2) / window.stride,
                taps=math.ceil((span + 1) / window.stride),
            )
        else:
            field = slid(field, dim, window.result, step=window.stride, first=-window.padding, span=span)
    return field


def _convolution(call: Call) -> Field:
    spatial = len(call.args["weight"].shape) - 2
    field = _slide(call)
    return field.with_dim(-spatial - 1, channels(call.results[0][-spatial - 1]))


def _average_pool(call: Call) -> Field:
    field = _slide(call)
    covering = [window for window in windows(call) if window.kernel >= window.size and window.result == 1]
    if len(covering) == len(field.reach) and call.subject.positions > 1:
        field = field._replace(reach=tuple(reach._replace(whole=True) for reach in field.reach))
    return field


def _adaptive_pool(call: Call) -> Field:
    field = call.subject
    for index, result in enumerate(reversed(call.args["output_size"]), start=1):
        dim = len(field.dims) - index
        size = field.shape[dim]
        if result == 1:
            field = contracted(field, [dim])
        elif result != size:
            spans = [-(-(i + 1) * size // result) - i * size // result - 1 for i in range(result)]
            step = size / result
            first = (step - 1 - max(spans)) / 2
            field = slid(field, dim, result, step=step, first=first, span=max(spans))
    return field


def upsample(call: Call) -> Field:
    """Interpolation to another size."""
    field, shape = call.subject, call.results[0]
    taps = 1 if "nearest" in call.op else 4 if "bicubic" in call.op else 2
    for dim in range(2, len(shape)):
        size, result = field.shape[dim], shape[dim]
        if size == result:
            continue
        step, first = size / result, (size / result - 1) / 2
        if call.args.get("align_corners") and result > 1:
            step, first = (size - 1) / (result - 1) or 1 / result, 0.0
        elif taps == 1 and step > 1:
            first = 0.0
        reached = math.ceil(taps * max(step, 1)) if call.op.endswith("_aa") else taps
        field = resized(field, dim, result, step=step, first=first, taps=min(reached, size))
    return field


def cells_away(indices: Tensor, sizes: Sequence[int]) -> int:
    """How many cells from their own maxima (batch, channel, *space) lie at most where they go back to, in such sizes.

    None after pools without overlap; after others one, where the windows of two cells share a place.
    """
    away = 0
    for axis, (places, size) in enumerate(zip(torch.unravel_index(indices, tuple(sizes)), sizes, strict=True)):
        cells = indices.shape[axis - len(sizes)]
        own = torch.arange(cells, device=indices.device).view(-1, *[1] * (len(sizes) - 1 - axis))
        away = max(away, int((places * cells // size - own).abs().max()))
    return away


def _unpool(call: Call) -> Field:
    """`F.max_unpool2d`: maxima go back to where in their window they were found, as SegNet's decoder has it."""
    shape, away = call.results[0], call.args["cells_away"]
    if away > 1 or any(field.shape != call.subject.shape for field in call.inputs):
        return everywhere(call.subject, shape)
    fields = []
    for field in call.inputs:  # the maxima, and where they were found
        for dim in range(2, len(shape)):
            step, taps = field.shape[dim] / shape[dim], min(1 + 2 * away, field.shape[dim])
            field = resized(field, dim, shape[dim], step=step, first=(step - 1) / 2, taps=taps)
        fields.append(field)
    return merged(fields, shape)


def _pixel_shuffle(call: Call) -> Field:
    field, factor, shape = call.subject, call.args["upscale_factor"], call.results[0]
    for dim in (-2, -1):
        at = len(shape) + dim
        field = resized(field, at, shape[dim], step=1 / factor, first=(1 / factor - 1) / 2, taps=1)
    return field.with_dim(-3, channels(shape[-3]))


def _pixel_unshuffle(call: Call) -> Field:
    field, factor, shape = call.subject, call.args["downscale_factor"], call.results[0]
    for dim in (-2, -1):
        field = slid(field, len(shape) + dim, shape[dim], step=factor, span=factor - 1)
    return field.with_dim(-3, channels(shape[-3]))


def _unfold(call: Call) -> Field:
    """`F.unfold`: every window is a column, (batch, channel × window, windows)."""
    field, lengths = call.subject, []
    for dim, axis in zip((-2, -1), _axes(call), strict=True):
        span = axis.dilation * (axis.kernel - 1)
        lengths.append((field.shape[dim] + 2 * axis.padding - span - 1) // axis.stride + 1)
        field = slid(field, len(field.dims) + dim, lengths[-1], step=axis.stride, first=-axis.padding, span=span)
    batch, width, count = call.results[0]
    field = regrouped(field, (batch, field.shape[-3], count))
    return field.with_dim(1, channels(width))


def _fold(call: Call) -> Field:
    """`F.fold`: windows added up where they overlap, as a transposed convolution does."""
    shape, axes = call.results[0], _axes(call)
    spans = [axis.dilation * (axis.kernel - 1) for axis in axes]
    grid = [
        (size + 2 * axis.padding - span - 1) // axis.stride + 1
        for size, axis, span in zip(shape[-2:], axes, spans, strict=True)
    ]
    field = regrouped(call.subject, (*call.subject.shape[:2], *grid))
    for dim, axis, span in zip((2, 3), axes, spans, strict=True):
        first, taps = (axis.padding - span / 2) / axis.stride, math.ceil((span + 1) / axis.stride)
        field = resized(field, dim, shape[dim], step=1 / axis.stride, first=first, taps=taps)
    return field.with_dim(1, channels(shape[1]))


class _Axis(NamedTuple):
    kernel: int
    dilation: int
    padding: int
    stride: int


def _axes(call: Call) -> list[_Axis]:
    names = ("kernel_size", "dilation", "padding", "stride")
    return [_Axis(*axis) for axis in zip(*(call.args[name] for name in names), strict=True)]


def formula(call: Call) -> str | None:
    """How the size of a convolution's or pooling's output comes about; a line per axis where axes differ."""
    if RULES.get(call.op) not in (_convolution, _slide, _average_pool) or not call.inputs:
        return None
    lines = []
    for w in windows(call):
        if call.args.get("transposed"):
            extra = w.result - 1 - (w.size - 1) * w.stride + 2 * w.padding - w.dilation * (w.kernel - 1)
            lines.append(transposed_formula(w.size, w.kernel, w.stride, w.padding, w.dilation, extra, w.result))
        else:
            ceil = bool(call.args.get("ceil_mode"))
            lines.append(size_formula(w.size, w.kernel, w.stride, w.padding, w.dilation, w.result, ceil=ceil))
    if len(set(lines)) == 1:
        return lines[0]
    return "\n".join(f"{axis}: {line}" for axis, line in zip("zyx"[-len(lines) :], lines, strict=True))


def size_formula(
    size: int, kernel: int, stride: int, padding: int, dilation: int, result: int, *, ceil: bool = False
) -> str:
    """The size of a convolution's or pooling's output, written out: `(32 − 3 + 2·1)/1 + 1 = 32`."""
    window = f"{kernel}" if dilation == 1 else f"{dilation}·({kernel} − 1) − 1"
    room = size - dilation * (kernel - 1) - 1 + 2 * padding
    quotient = f"({size} − {window} + 2·{padding})/{stride}"
    if room % stride:
        quotient = f"⌈{quotient}⌉" if ceil else f"⌊{quotient}⌋"
    value = (-(-room // stride) if ceil else room // stride) + 1
    text = f"{quotient} + 1 = {value}"
    return text if value == result else f"{text}, without the window that begins outside: {result}"


def transposed_formula(
    size: int, kernel: int, stride: int, padding: int, dilation: int, extra: int, result: int
) -> str:
    """The size of a transposed convolution's output, written out."""
    window = f"{kernel - 1}" if dilation == 1 else f"{dilation}·({kernel} − 1)"
    more = f" + {extra}" if extra else ""
    return f"({size} − 1)·{stride} − 2·{padding} + {window}{more} + 1 = {result}"


RULES: dict[str, FieldRule] = {
    "convolution": _convolution,
    "max_pool1d": _slide,
    "max_pool2d": _slide,
    "max_pool2d_with_indices": _slide,
    "max_pool3d_with_indices": _slide,
    "avg_pool1d": _average_pool,
    "avg_pool2d": _average_pool,
    "avg_pool3d": _average_pool,
    "max_unpool2d": _unpool,
    "max_unpool3d": _unpool,
    "pixel_shuffle": _pixel_shuffle,
    "pixel_unshuffle": _pixel_unshuffle,
    "im2col": _unfold,
    "col2im": _fold,
    **dict.fromkeys(ADAPTIVE, _adaptive_pool),
}
