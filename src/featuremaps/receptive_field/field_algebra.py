"""Where in the picture each element of a tensor looks: the algebra of strides and receptive fields.

A tensor's dimensions are runs of positions along the picture's axes, so that reshaping, windows and tokens keep
their place in the picture. Nothing here runs a model: the rules in this folder apply it to the operations seen.
"""

import math
from collections.abc import Collection, Sequence
from typing import NamedTuple

Number = int | float


class Run(NamedTuple):
    """`size` positions, `step` input pixels apart, along one axis of the picture (None: batch or channels).

    `picked`: some of the picture's places, and which was not followed. `part`: these are neighbours in another
    dimension, by that and the number of the first, so that all its parts side by side are that dimension again.
    """

    size: int
    axis: int | None = None
    step: Number = 0.0
    picked: bool = False
    part: "tuple[Dim, int] | None" = None


class Dim(NamedTuple):
    """One dimension of a tensor: `lead` class or register tokens, the product of its runs, `trail` other tokens.

    All of it `times` over: the sequences of a batch, one after the other.
    """

    runs: tuple[Run, ...]
    lead: int = 0
    trail: int = 0
    times: int = 1

    @property
    def size(self) -> int:
        """How many elements the dimension has."""
        return self.times * (self.extra + math.prod(run.size for run in self.runs))

    @property
    def extra(self) -> int:
        """How many of them have no place in the picture."""
        return self.lead + self.trail

    @property
    def axes(self) -> set[int]:
        """The picture's axes that this dimension walks along."""
        return {run.axis for run in self.runs if run.axis is not None}


class Reach(NamedTuple):
    """What the first unit sees along one axis, in input pixels; `whole`: every unit sees all of it.

    `aside`: how far from the middle of that the unit lies, where fields of several widths were put together: it lies
    in the middle of the narrowest. `coarse`: the largest step that was enlarged on the way to that one.
    """

    low: Number
    high: Number
    whole: bool = False
    aside: Number = 0.0
    coarse: Number = 0.0

    def moved(self, by: Number) -> "Reach":
        """The same width, `by` pixels further."""
        return self._replace(low=self.low + by, high=self.high + by)

    def widened(self, left: Number, right: Number, *, whole: bool = False) -> "Reach":
        """`left` and `right` pixels wider."""
        return self._replace(low=self.low - left, high=self.high + right, whole=self.whole or whole)

    def __or__(self, other: "Reach") -> "Reach":
        both = Reach(min(self.low, other.low), max(self.high, other.high), self.whole or other.whole)
        if self.whole == other.whole and self.width == other.width:
            return both._replace(coarse=max(self.coarse, other.coarse))
        narrow = min(self, other, key=lambda reach: (reach.whole, reach.width))
        return both._replace(aside=narrow.place - both.centre, coarse=narrow.coarse)

    @property
    def width(self) -> Number:
        """The receptive field in input pixels."""
        return self.high - self.low

    @property
    def centre(self) -> Number:
        """The middle of the first unit's field; the middle of the first pixel is 0.5."""
        return (self.low + self.high) / 2

    @property
    def place(self) -> Number:
        """Where the first unit lies."""
        return self.centre + self.aside


class Field(NamedTuple):
    """Where each element of a tensor looks.

    `gated`: multiplied by something that saw the whole picture. `lost`: an operation on the way could not be
    followed, so that the dimensions may have places in the picture that are not known here. `moved`: one put places in
    another order, or laid several on top of each other, so that no dimension stands for places as they lie.
    """

    dims: tuple[Dim, ...]
    reach: tuple[Reach, ...]
    gated: bool = False
    lost: bool = False
    moved: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return tuple(dim.size for dim in self.dims)

    @property
    def whole(self) -> bool:
        """Whether every element depends on the whole picture."""
        return all(reach.whole for reach in self.reach)

    @property
    def positions(self) -> int:
        """How many places of the picture the elements stand for."""
        return math.prod(run.size for dim in self.dims for run in dim.runs if run.axis is not None)

    def step(self, axis: int) -> Number | None:
        """The stride in input pixels, or None where no dimension walks along this axis."""
        return min((run.step for dim in self.dims for run in dim.runs if run.axis == axis), default=None)

    def with_dim(self, index: int, *dims: Dim) -> "Field":
        """The same field with dimension `index` replaced by none, one or several."""
        index %= len(self.dims)
        return self._replace(dims=self.dims[:index] + dims + self.dims[index + 1 :])

    def with_reach(self, axis: int, reach: Reach) -> "Field":
        """The same field with another reach along one axis."""
        return self._replace(reach=(*self.reach[:axis], reach, *self.reach[axis + 1 :]))


def channels(size: int) -> Dim:
    """A dimension that is not a place in the picture."""
    return Dim((Run(size),))


def of_picture(shape: Sequence[int]) -> Field:
    """The field of the model's input, (batch, channel, *spatial): every pixel sees itself."""
    places = tuple(Dim((Run(size, axis, 1.0),)) for axis, size in enumerate(shape[2:]))
    return Field((channels(shape[0]), channels(shape[1]), *places), (Reach(0.0, 1.0),) * len(places))


def everywhere(field: Field, shape: Sequence[int]) -> Field:
    """A tensor of which only this is known: it may depend on all of the picture."""
    reach = tuple(reach._replace(whole=True) for reach in field.reach)
    return Field(tuple(channels(size) for size in shape), reach, field.gated, lost=True, moved=field.moved)


def regrouped(field: Field, shape: Sequence[int]) -> Field:
    """`view`: the same elements in the same order under another shape."""
    if any(dim.extra for dim in field.dims):
        return _regrouped_around_tokens(field, shape)
    waiting = [run for dim in field.dims for run in dim.runs]
    dims: list[list[Run]] = []
    for size in shape:
        taken: list[Run] = []
        left = size
        while waiting and (left > 1 or (size == 1 and not taken and waiting[0].size == 1)):
            run = waiting.pop(0)
            if run.size > left:
                if run.size % left:
                    return everywhere(field, shape)
                inner = run._replace(size=run.size // left, part=None)
                waiting.insert(0, inner)
                run = run._replace(size=left, step=run.step * inner.size, part=None)
            elif left % run.size:
                return everywhere(field, shape)
            taken.append(run)
            left //= run.size
        dims.append(taken)
    if waiting and dims:
        dims[-1] += waiting
    result = field._replace(dims=tuple(Dim(_joined(runs)) for runs in dims))
    return result if result.shape == tuple(shape) else everywhere(field, shape)


def _joined(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Neighbouring runs that are one longer run: windows put together again."""
    joined: list[Run] = []
    for run in runs:
        outer = joined[-1] if joined else None
        if outer and outer.axis == run.axis and outer.step == run.step * run.size:
            whole = max(outer, run, key=lambda one: one.size)
            part = whole.part if outer.size == 1 or run.size == 1 else None
            joined[-1] = run._replace(size=outer.size * run.size, part=part)
        else:
            joined.append(run)
    return tuple(joined)


def _regrouped_around_tokens(field: Field, shape: Sequence[int]) -> Field:
    """`view` of a sequence with class tokens: what lies before and after the sequence is regrouped alone.

    Batches of sequences may become one long dimension, and batches again.
    """
    at = next(index for index, dim in enumerate(field.dims) if dim.extra)
    tokens, before = field.dims[at]._replace(times=1), math.prod(field.shape[:at]) * field.dims[at].times
    for index, size in enumerate(shape):
        times = size // tokens.size
        if size % tokens.size == 0 and math.prod(shape[:index]) * times == before:
            if times == field.dims[at].times:
                first = regrouped(field._replace(dims=field.dims[:at]), shape[:index]).dims
            elif any(dim.axes for dim in field.dims[:at]):
                break
            else:
                first = tuple(channels(length) for length in shape[:index])
            rest = regrouped(field._replace(dims=field.dims[at + 1 :]), shape[index + 1 :])
            return field._replace(dims=(*first, tokens._replace(times=times), *rest.dims))
    return everywhere(contracted(field, [at]), shape)


def contracted(field: Field, dims: Collection[int]) -> Field:
    """A sum, mean or product over dimensions, which stay with size 1."""
    wanted = {dim % len(field.dims) for dim in dims}
    for axis in range(len(field.reach)):
        inside = [run for dim in wanted for run in field.dims[dim].runs if run.axis == axis]
        if not inside:
            continue
        total = math.prod(run.size for dim in field.dims for run in dim.runs if run.axis == axis)
        whole = math.prod(run.size for run in inside) == total
        span = sum((run.size - 1) * run.step for run in inside)
        field = field.with_reach(axis, field.reach[axis].widened(0, span, whole=whole))
    for dim in wanted:
        kept = tuple(Run(1, run.axis, run.step * run.size) for run in field.dims[dim].runs if run.axis is not None)
        field = field.with_dim(dim, Dim(kept))
    return field


def blurred(field: Field, dim: int, size: int) -> Field:
    """Elements of one dimension taken in an order that is not followed: each may be any of them."""
    return contracted(field, [dim]).with_dim(dim, channels(size))


def slid(
    field: Field,
    dim: int,
    size: int,
    *,
    step: Number = 1.0,
    first: Number = 0.0,
    span: Number = 0.0,
) -> Field:
    """A window moved along one dimension, all lengths in units of that dimension.

    The result has `size` elements, `step` units apart; the first window begins at unit `first` and ends `span`
    units later.
    """
    runs = field.dims[dim].runs
    if field.dims[dim].extra or len(runs) > 1:
        return field if (step, first, span, size) == (1, 0, 0, field.dims[dim].size) else blurred(field, dim, size)
    axis = runs[0].axis if runs else None
    if axis is None:
        return field.with_dim(dim, channels(size))
    run = runs[0]
    reach = field.reach[axis].moved(first * run.step).widened(0, span * run.step)
    return field.with_dim(dim, Dim((Run(size, axis, run.step * step),))).with_reach(axis, reach)


def resized(field: Field, dim: int, size: int, *, step: Number, first: Number, taps: Number) -> Field:
    """Interpolation or a transposed convolution: element 0 looks at unit `first`, through `taps` units."""
    larger = slid(field, dim, size, step=step, first=first - (taps - 1) / 2, span=taps - 1)
    if step >= 1:
        return larger
    for axis in field.dims[dim].axes:
        reach = larger.reach[axis]
        larger = larger.with_reach(axis, reach._replace(coarse=max(reach.coarse, field.step(axis) or 0)))
    return larger


def merged(fields: Sequence[Field], shape: Sequence[int], *, gate: bool = False) -> Field:
    """Several tensors combined element by element, with broadcasting.

    Under `gate` (a product), a factor that saw the whole picture and has no positions of its own leaves the other
    factor's field local and marks it as gated.
    """
    aligned = [f._replace(dims=(Dim(()),) * (len(shape) - len(f.dims)) + f.dims) for f in fields]
    dims = tuple(_broadcast([field.dims[index] for field in aligned], size) for index, size in enumerate(shape))
    gated = any(field.gated for field in aligned)
    reaches = []
    for axis in range(len(aligned[0].reach)):
        local = [field for field in aligned if not field.reach[axis].whole]
        if gate and local and all(_is_gate(field, axis) for field in aligned if field not in local):
            gated = gated or len(local) < len(aligned)
        else:
            local = aligned
        reach = _seen_from(local[0], dims, axis)
        for field in local[1:]:
            reach |= _seen_from(field, dims, axis)
        reaches.append(reach)
    lost, moved = any(field.lost for field in aligned), any(field.moved for field in aligned)
    return Field(dims, tuple(reaches), gated, lost, moved or _crossed(aligned))


def _crossed(fields: Sequence[Field]) -> bool:
    """Whether tensors of several dimensions lie over each other along different axes of the picture."""
    for dims in zip(*(field.dims for field in fields), strict=True):
        along = {tuple(run.axis for run in dim.runs if run.axis is not None and run.size > 1) for dim in dims}
        if len(along - {()}) > 1:
            return True
    return False


def _is_gate(field: Field, axis: int) -> bool:
    return all(run.size == 1 for dim in field.dims for run in dim.runs if run.axis == axis)


def _broadcast(dims: Sequence[Dim], size: int) -> Dim:
    matching = [dim for dim in dims if dim.size == size]
    placed = [dim for dim in matching if dim.axes]
    parts = {run.part: dim for dim in matching for run in dim.runs if run.part is not None}
    if len(parts) > 1 and not placed:
        return Dim((Run(size, picked=True),))
    placed = [] if parts and size == 1 else placed
    return (placed or list(parts.values()) or matching or [channels(size)])[0]


def without_part(field: Field, dim: int) -> Field:
    """The same where the elements of one dimension are no longer known to be neighbours in another."""
    runs = tuple(run._replace(part=None) for run in field.dims[dim].runs)
    return field.with_dim(dim, field.dims[dim]._replace(runs=runs))


def _seen_from(field: Field, dims: Sequence[Dim], axis: int) -> Reach:
    """The field's reach relative to the result's positions, some of which it may not have itself."""
    reach = field.reach[axis]
    for mine, theirs in zip(field.dims, dims, strict=True):
        if axis in theirs.axes and (axis not in mine.axes or mine.size < theirs.size):
            reach = reach.widened(sum((run.size - 1) * run.step for run in theirs.runs if run.axis == axis), 0)
    return reach
