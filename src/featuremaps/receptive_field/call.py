"""One operation that ran, as the rules in this folder see it."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from featuremaps.receptive_field.field_algebra import Field

Shape = tuple[int, ...]


class Value(NamedTuple):
    """A tensor argument: its shape, and its field where it depends on the picture."""

    shape: Shape
    field: Field | None


class Call(NamedTuple):
    """One operation that ran: its arguments by name, each tensor replaced by its `Value`.

    `pointwise`: torch says that each result comes from the elements at its own place.
    """

    op: str
    args: Mapping[str, Any]
    results: tuple[Shape, ...]
    pointwise: bool = False

    @property
    def inputs(self) -> list[Field]:
        """The fields of all tensor arguments that depend on the picture, in order."""
        values = [item for arg in self.args.values() for item in (arg if isinstance(arg, list) else [arg])]
        return [value.field for value in values if isinstance(value, Value) and value.field is not None]

    @property
    def subject(self) -> Field:
        """The field of the first tensor argument."""
        return self.inputs[0]

    def field(self, *names: str) -> Field | None:
        """The field of the first of these arguments that the operation has."""
        value = next(self.args[name] for name in names if name in self.args)
        return value.field if isinstance(value, Value) else None


FieldRule = Callable[[Call], Field | list[Field]]
