"""How a value computed once for a batch serves k edits of every picture in it.

Which axis carries the batch is found by computing the value for another number of pictures, not guessed from sizes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from featuremaps.errors import ModelError

Growth = Callable[[int], Any]


@dataclass(frozen=True)
class Probe:
    """A value was computed for `batch` pictures; a second time, to compare, for `other` pictures."""

    batch: int
    other: int


def constant(value: Any) -> Growth:
    """The growth of a value that is the same however many edits there are."""
    return lambda repeats: value


def growth(value: Any, again: Any, probe: Probe) -> Growth:
    """A function from k to `value` as k edits of every picture need it, all edits of picture 0 first.

    `again` is the same value for `probe.other` pictures. A tensor is repeated along the axis that differs, a size
    is scaled, containers item by item. Raises `ModelError` where a value depends on the batch in another way.
    """
    if isinstance(value, Tensor) and isinstance(again, Tensor):
        return _tensor_growth(value, again, probe)
    if type(value) is not type(again):
        raise ModelError(f"a value is a {type(value).__name__} or a {type(again).__name__}, depending on the batch")
    if isinstance(value, tuple | list | Mapping) and len(value) == len(again):
        return _container_growth(value, again, probe)
    if value == again:
        return constant(value)
    if type(value) is int:
        return _size_growth(value, again, probe)
    raise ModelError(f"a {type(value).__name__} depends on the pictures: {value!r} for some, {again!r} for others")


def _tensor_growth(value: Tensor, again: Tensor, probe: Probe) -> Growth:
    axes = [axis for axis in range(min(value.ndim, again.ndim)) if value.shape[axis] != again.shape[axis]]
    if value.ndim == again.ndim and not axes:
        return constant(value)
    shapes = f"shape {tuple(value.shape)} for {probe.batch} pictures and {tuple(again.shape)} for {probe.other}"
    if len(axes) != 1 or value.ndim != again.ndim:
        raise ModelError(f"a tensor carries the batch in no single axis: {shapes}")
    axis = axes[0]
    rows, remainder = divmod(value.shape[axis], probe.batch)
    if remainder or rows * probe.other != again.shape[axis]:
        raise ModelError(f"a tensor does not grow in proportion to the batch: {shapes}")

    def grown(repeats: int) -> Tensor:
        return value if repeats == 1 else repeat(value, repeats, probe.batch, axis)

    return grown


def repeat(value: Tensor, repeats: int, batch: int, axis: int = 0) -> Tensor:
    """`value` with each picture repeated, picture by picture; an axis may hold several rows per picture."""
    pictures: Tensor = value.unflatten(axis, (batch, value.shape[axis] // batch)).unsqueeze(axis + 1)
    sizes = list(pictures.shape)
    sizes[axis + 1] = repeats
    return pictures.expand(sizes).flatten(axis, axis + 2)


def _size_growth(value: int, again: int, probe: Probe) -> Growth:
    slope, remainder = divmod(again - value, probe.other - probe.batch)
    if remainder:
        raise ModelError(f"a size does not grow with the batch: {value} for {probe.batch}, {again} for {probe.other}")
    return lambda repeats: value + slope * probe.batch * (repeats - 1)


def _container_growth(value: Any, again: Any, probe: Probe) -> Growth:
    if isinstance(value, Mapping):
        named = {key: growth(value[key], again[key], probe) for key in value}
        return lambda repeats: type(value)(**{key: grow(repeats) for key, grow in named.items()})
    items = [growth(one, other, probe) for one, other in zip(value, again, strict=True)]
    if hasattr(value, "_fields"):
        return lambda repeats: type(value)(*(grow(repeats) for grow in items))
    return lambda repeats: type(value)([grow(repeats) for grow in items])
