"""Operations that move elements about without computing anything: views, slices, joins, padding."""

import math

from featuremaps.receptive_field.call import Call, FieldRule, Shape, Value
from featuremaps.receptive_field.field_algebra import (
    Dim,
    Field,
    Run,
    blurred,
    channels,
    everywhere,
    merged,
    regrouped,
    slid,
    without_part,
)


def _view(call: Call) -> Field:
    return regrouped(call.subject, call.results[0])


def _permute(call: Call) -> Field:
    field = call.subject
    return field._replace(dims=tuple(field.dims[dim] for dim in call.args["dims"]))


def _transpose(call: Call) -> Field:
    dims = list(call.subject.dims)
    if len(dims) < 2:
        return call.subject
    first, second = call.args.get("dim0", 0), call.args.get("dim1", 1)
    dims[first], dims[second] = dims[second], dims[first]
    return call.subject._replace(dims=tuple(dims))


def _unsqueeze(call: Call) -> Field:
    field = call.subject
    at = call.args["dim"] % (len(field.dims) + 1)
    return field._replace(dims=(*field.dims[:at], Dim(()), *field.dims[at:]))


def _squeeze(call: Call) -> Field:
    field = call.subject
    given = call.args.get("dim", list(range(len(field.dims))))
    wanted = {dim % len(field.dims) for dim in (given if isinstance(given, list | tuple) else [given])}
    kept = (dim for index, dim in enumerate(field.dims) if index not in wanted or dim.size != 1)
    return field._replace(dims=tuple(kept))


def _expand(call: Call) -> Field:
    field, shape = call.subject, call.results[0]
    aligned = (Dim(()),) * (len(shape) - len(field.dims)) + field.dims
    return field._replace(
        dims=tuple(dim if dim.size == size else channels(size) for dim, size in zip(aligned, shape, strict=True)),
    )


def _repeat(call: Call) -> Field:
    field, shape = call.subject, call.results[0]
    field = field._replace(dims=(Dim(()),) * (len(shape) - len(field.dims)) + field.dims)
    for dim, size in enumerate(shape):
        if field.dims[dim].size != size:
            field = blurred(field, dim, size)
    return field


def _part(field: Field, dim: int, start: int, size: int, stride: int = 1) -> Field:
    """`field` with only `size` elements of one dimension, from `start` on, every `stride`-th.

    Neighbours that have no places of their own any more know which part of the dimension they are.
    """
    whole, some = field.dims[dim], _some(field, dim, start, size, stride)
    runs = some.dims[dim].runs
    if stride != 1 or size == whole.size or not whole.axes or len(runs) != 1 or runs[0].axis is not None:
        return some
    return some.with_dim(dim, Dim((runs[0]._replace(part=(whole, start)),)))


def _some(field: Field, dim: int, start: int, size: int, stride: int) -> Field:
    """The same, without that."""
    whole = field.dims[dim]
    end, patches_end = start + size, whole.size - whole.trail
    if size == whole.size:
        return field
    if whole.extra and stride == whole.times == 1:
        if end <= whole.lead or start >= patches_end:
            return field.with_dim(dim, channels(size))
        if start <= whole.lead and end >= patches_end:
            return field.with_dim(dim, Dim(whole.runs, whole.lead - start, end - patches_end))
    some = slid(field, dim, size, step=stride, first=start)
    if whole.axes and size > 1 and (whole.extra or len(whole.runs) > 1):
        return some.with_dim(dim, Dim((Run(size, picked=True),)))
    return some


def _slice(call: Call) -> Field:
    field, dim = call.subject, call.args["dim"] % len(call.subject.dims)
    start = call.args.get("start") or 0
    full = field.dims[dim].size
    start = min(max(start + full if start < 0 else start, 0), full)
    return _part(field, dim, start, call.results[0][dim], call.args["step"])


def _select(call: Call) -> Field:
    field, dim = call.subject, call.args["dim"] % len(call.subject.dims)
    return _part(field, dim, call.args["index"] % field.dims[dim].size, 1).with_dim(dim)


def _split(call: Call) -> list[Field]:
    dim, start, parts = call.args["dim"] % len(call.subject.dims), 0, []
    for shape in call.results:
        parts.append(_part(call.subject, dim, start, shape[dim]))
        start += shape[dim]
    return parts


def _unbind(call: Call) -> list[Field]:
    dim = call.args["dim"] % len(call.subject.dims)
    return [_part(call.subject, dim, index, 1).with_dim(dim) for index in range(len(call.results))]


def _cat(call: Call) -> Field:
    shape, dim = call.results[0], call.args["dim"] % len(call.results[0])
    # Empty tensors of another rank are skipped by `cat` itself.
    values = [value for value in call.args["tensors"] if len(value.shape) == len(shape)]
    fields = [value.field for value in values if value.field is not None]
    placed = [index for index, value in enumerate(values) if value.field and value.field.dims[dim].axes]
    if len(shape) == 3:  # a single token, made of all, is not one place more
        placed = [index for index in placed if values[index].shape[dim] > 1] or placed
    if (whole := _whole_again(values, dim)) is not None:
        return merged([field.with_dim(dim, whole) for field in fields], shape)
    if not placed:
        return merged([field.with_dim(dim, channels(shape[dim])) for field in fields], shape)
    joined = _joined_places(values, placed, dim, shape)
    if joined is None:
        return merged([blurred(field, dim, shape[dim]) for field in fields], shape)._replace(moved=True)
    others = [_begun(values, placed, index, dim) for index in range(len(values)) if index != placed[0]]
    return merged([joined, *(field.with_dim(dim, joined.dims[dim]) for field in others if field)], shape)


def levels_joined(call: Call) -> tuple[tuple[int, ...], ...]:
    """The grids of several sizes that are put one after another into a sequence (batch, token, channel); none else."""
    shape, dim = call.results[0], call.args["dim"] % len(call.results[0])
    values = [value for value in call.args["tensors"] if len(value.shape) == len(shape)]
    if len(shape) != 3 or dim != 1 or any(value.field is None for value in values):
        return ()
    dims = [value.field.dims[dim] for value in values if value.field is not None]
    grids = tuple(tuple(run.size for run in one.runs if run.axis is not None) for one in dims)
    full = all(math.prod(grid) == one.size and len(one.axes) > 1 for grid, one in zip(grids, dims, strict=True))
    return grids if full and len({*grids}) > 1 else ()


def _whole_again(values: list[Value], dim: int) -> Dim | None:
    """The dimension whose parts all lie side by side here, in order; None where that is not so."""
    fields = [value.field for value in values if value.field is not None]
    parts = [field.dims[dim].runs[0].part for field in fields if len(field.dims[dim].runs) == 1]
    known = [part for part in parts if part is not None]
    if not known or not len(known) == len(fields) == len(values):
        return None
    sizes = [value.shape[dim] for value in values]
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    of_one = all(whole == known[0][0] for whole, _ in known) and sum(sizes) == known[0][0].size
    return known[0][0] if of_one and starts == [start for _, start in known] else None


def _joined_places(values: list[Value], placed: list[int], dim: int, shape: Shape) -> Field | None:
    """The first of the tensors that have places along `dim`, extended over all of the joined dimension."""
    first = values[placed[0]].field
    if first is None:
        return None
    before = sum(value.shape[dim] for value in values[: placed[0]])
    old = first.dims[dim]
    if len(placed) == 1 and (len(shape) == 3 or len(old.axes) > 1):  # other tokens beside patches
        after = shape[dim] - before - old.size
        return first.with_dim(dim, Dim(old.runs, before + old.lead, after + old.trail))
    if len(old.runs) != 1 or old.extra or not all(_continues(values, placed[0], index, dim) for index in placed[1:]):
        return None
    return slid(first, dim, shape[dim], first=-before)


def _begun(values: list[Value], placed: list[int], index: int, dim: int) -> Field | None:
    """A part's field as its first unit would be, were it where the joined dimension begins."""
    field, first = values[index].field, values[placed[0]].field
    if field is None or first is None or index not in placed or len(first.dims[dim].runs) != 1:
        return field
    run = first.dims[dim].runs[0]
    if run.axis is None:
        return field
    before = sum(value.shape[dim] for value in values[:index]) * run.step
    return field.with_reach(run.axis, field.reach[run.axis].moved(-before))


def _continues(values: list[Value], first: int, index: int, dim: int) -> bool:
    """Whether a tensor goes on along one dimension where those before it end, as the first of them began."""
    here, there = values[first].field, values[index].field
    assert here is not None
    assert there is not None
    run, other = here.dims[dim].runs[0], there.dims[dim].runs
    if run.axis is None or len(other) != 1 or other[0][1:] != run[1:]:
        return False
    between = sum(value.shape[dim] for value in values[first:index]) * run.step
    return math.isclose(there.reach[run.axis].centre - here.reach[run.axis].centre, between, abs_tol=0.51 * run.step)


def _stack(call: Call) -> Field:
    shape, dim = call.results[0], call.args["dim"] % len(call.results[0])
    parts = [f._replace(dims=(*f.dims[:dim], channels(shape[dim]), *f.dims[dim:])) for f in call.inputs]
    return merged(parts, shape)


def _copy(call: Call) -> Field:
    source = call.field("src") or call.subject
    return merged([source], call.results[0])


def _index_select(call: Call) -> Field:
    field, dim = call.subject, call.args["dim"]
    return blurred(field, dim, call.results[0][dim])._replace(moved=field.moved or bool(field.dims[dim].axes))


def _flip(call: Call) -> Field:
    field = call.subject
    for dim in call.args["dims"]:
        if field.dims[dim].axes:
            field = blurred(field, dim, field.shape[dim])._replace(moved=True)
        field = without_part(field, dim % len(field.dims))
    return field


def _unchanged(call: Call) -> Field:
    return call.subject


def pad(call: Call) -> Field:
    """Padding and, where negative, cropping."""
    field = call.subject
    amounts = call.args["pad"] if "pad" in call.args else call.args["padding"]
    for index in range(len(amounts) // 2):
        dim = len(field.dims) - 1 - index
        before, after = amounts[2 * index], amounts[2 * index + 1]
        if before or after:
            field = slid(field, dim, field.shape[dim] + before + after, first=-before)
    return field


def _roll(call: Call) -> Field:
    field = call.subject
    if not call.args["dims"]:
        return everywhere(field, call.results[0])
    for shift, dim in zip(call.args["shifts"], call.args["dims"], strict=True):
        # What wraps round the edge is left out: shifted windows mask it.
        if field.dims[dim].axes:
            field = slid(field, dim % len(field.dims), field.shape[dim], first=-shift)
        field = without_part(field, dim % len(field.dims))
    return field


RULES: dict[str, FieldRule] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "flatten"), _view),
    "permute": _permute,
    **dict.fromkeys(("transpose", "transpose_", "t", "t_"), _transpose),
    **dict.fromkeys(("unsqueeze", "unsqueeze_"), _unsqueeze),
    **dict.fromkeys(("squeeze", "squeeze_"), _squeeze),
    "expand": _expand,
    "repeat": _repeat,
    "slice": _slice,
    "select": _select,
    **dict.fromkeys(("split", "split_with_sizes", "chunk"), _split),
    "unbind": _unbind,
    "cat": _cat,
    "stack": _stack,
    "copy_": _copy,
    "roll": _roll,
    "flip": _flip,
    "constant_pad_nd": pad,
    "index_select": _index_select,
    **dict.fromkeys(("channel_shuffle", "native_channel_shuffle"), _unchanged),
}
