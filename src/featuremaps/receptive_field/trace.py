"""A forward pass watched operation by operation: what each tensor has seen, and what it was computed from.

Nothing that goes wrong here may disturb the model's own run: a tensor that cannot be followed is merely unknown.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch._ops import OpOverload
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from featuremaps.receptive_field import op_rules, sampling_rules, window_rules
from featuremaps.receptive_field.call import Call, Shape, Value
from featuremaps.receptive_field.field_algebra import Field, Reach, channels, everywhere, of_picture
from featuremaps.receptive_field.value_ranges import UNBOUNDED, Range, value_range
from featuremaps.receptive_field.view_rules import levels_joined

Key = tuple[int, Shape, Shape]


class Step(NamedTuple):
    """One computation: its operation, and the steps whose results went into it.

    `mixings` counts the convolutions, matrix products and attentions on the longest way here; `pooled`: nothing
    but global or adaptive pooling gave these values their places. `classifies`: they may be class scores or a
    picture. `spatial`: a convolution that looks at neighbours made them. `pointwise`: each value comes from one at its
    own place. `range`: between which values all of them lie, as far as the operations tell.
    """

    op: str
    parents: tuple[int, ...] = ()
    mixings: int = 0
    pooled: bool = False
    classifies: bool = False
    spatial: bool = False
    formula: str | None = None
    pointwise: bool = False
    range: Range = UNBOUNDED


class Trace(NamedTuple):
    """What is known about a tensor: the step that computed its elements, and where each of them looks."""

    step: int
    field: Field | None


class Dataflow(TorchDispatchMode):
    """Follows the picture through a model; `trace(tensor)` says what is known about a tensor of the run."""

    def __init__(self, pictures: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.picture: Shape = tuple(pictures[0].shape)
        self.steps: list[Step] = []
        self.unfollowed: dict[str, str] = {}
        # The grids that stand one after another in sequences of so many tokens.
        self.levels: dict[int, tuple[tuple[int, ...], ...]] = {}
        # Tensors are known by their storage and their place in it, because a view is a new object each time it
        # is handed from one operation to the next. The weak reference keeps a storage's number from being reused.
        self._storages: dict[int, tuple[StorageWeakRef, dict[Key, Trace]]] = {}
        for picture in pictures:
            if picture.ndim == pictures[0].ndim:
                self._remember(picture, Trace(self._add(Step("input")), of_picture(picture.shape)))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # The default imports the compiler, which costs a second and is not used here.
        return False

    def trace(self, tensor: Tensor) -> Trace | None:
        """What is known about this tensor, or None where it does not depend on the picture."""
        try:
            _, traces = self._storages[tensor.untyped_storage()._cdata]
        except (KeyError, RuntimeError, NotImplementedError):
            return None
        found = traces.get(_key(tensor))
        return found or _part_of(traces, tuple(tensor.shape))

    def understand(self, tensor: Tensor, field: Field) -> None:
        """Where a tensor's elements look, for one whose operation is understood as a whole but not step by step."""
        known = self.trace(tensor)
        if known is not None:
            self._remember(tensor, known._replace(field=field))

    def ancestors(self, step: int) -> set[int]:
        """All steps that went into this one, itself included."""
        found, waiting = {step}, [step]
        while waiting:
            parents = set(self.steps[waiting.pop()].parents) - found
            found |= parents
            waiting += parents
        return found

    def formula(self, step: int, since: int) -> str | None:
        """How a step's sizes came about, where only pointwise steps followed the window, all after the step `since`."""
        while step > since:
            known = self.steps[step]
            if known.formula or not known.pointwise or len(known.parents) != 1:
                return known.formula
            step = known.parents[0]
        return None

    def __torch_dispatch__(
        self, func: OpOverload, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        traces, call = self._before(func, args, kwargs or {})
        output = func(*args, **(kwargs or {}))
        if traces:
            self._after(func, call, traces, output)
        return output

    def _before(
        self, func: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[list[Trace], dict[str, Any]]:
        """The arguments by name, with what is known about each tensor, as they are before the operation."""
        traces: list[Trace] = []

        def seen(argument: Any) -> Any:
            if isinstance(argument, Tensor):
                trace = self.trace(argument)
                if trace is not None:
                    traces.append(trace)
                return Value(tuple(argument.shape), trace.field if trace else None)
            if isinstance(argument, list | tuple):
                return [seen(item) for item in argument]
            return argument

        given = dict(zip((argument.name for argument in func._schema.arguments), args, strict=False)) | kwargs
        for argument in func._schema.arguments:
            given.setdefault(argument.name, argument.default_value)
        named = {name: seen(value) for name, value in given.items()}
        if traces and isinstance(grid := given.get("grid"), Tensor):
            map = given["input"] if "input" in given else given["self"]
            still = sampling_rules.names_each_place(map, grid, given.get("align_corners", True))
            named["names_each_place"] = still
        if traces and "max_unpool" in func._schema.name:
            named["cells_away"] = window_rules.cells_away(given["indices"], given["output_size"])
        return traces, named

    def _after(self, func: OpOverload, args: Mapping[str, Any], traces: list[Trace], output: Any) -> None:
        op = func._schema.name.removeprefix("aten::")
        results = [item for item in (output if isinstance(output, list | tuple) else [output]) if _is_tensor(item)]
        if not results or op_rules.is_constant(op):
            return
        fields: list[Field | None] = [None] * len(results)
        mixings = max(self.steps[trace.step].mixings for trace in traces) + op_rules.mixes(op)
        step = Step(op, _unique(traces), mixings, pointwise=op_rules.is_pointwise(func))
        try:
            step = step._replace(range=value_range(op, args, [self.steps[trace.step].range for trace in traces]))
            shapes = tuple(tuple(result.shape) for result in results)
            call = Call(op, args, shapes, step.pointwise)
            if all(trace.field is not None for trace in traces):
                fields = _fields_of_results(call)
                if fields[0] is not None and fields[0].lost and not any(field.lost for field in call.inputs):
                    self.unfollowed.setdefault(op, "moves places in a way that is not known")
            if op == "cat" and fields[0] is not None and fields[0].moved and (grids := levels_joined(call)):
                self.levels[shapes[0][1]] = grids
            step = self._described(step, call, fields[0])
        except Exception as error:  # whatever a rule stumbles over, the model's run goes on
            self.unfollowed[op] = f"{type(error).__name__}: {error}"
            fields = [None] * len(results)
        moved = op in op_rules.MOVING and len(step.parents) == 1 and _same_count(args, results)
        number = step.parents[0] if moved else self._add(step)
        for result, field in zip(results, fields, strict=True):
            self._remember(result, Trace(number, field), written=func._schema.is_mutable)

    def _described(self, step: Step, call: Call, field: Field | None) -> Step:
        if field is None:
            return step
        parents, spatial = [self.steps[parent] for parent in step.parents], op_rules.is_spatial(call)
        pooled = (all(parent.pooled for parent in parents) and not spatial) or op_rules.pools(call, field)
        featured = any(parent.spatial or parent.op in op_rules.NORMALISING for parent in parents)
        classifies = op_rules.classifies(call, all(parent.classifies for parent in parents), featured)
        return step._replace(pooled=pooled, classifies=classifies, spatial=spatial, formula=window_rules.formula(call))

    def _add(self, step: Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1

    def _remember(self, tensor: Tensor, trace: Trace, *, written: bool = False) -> None:
        try:
            storage = StorageWeakRef(tensor.untyped_storage())
        except (RuntimeError, NotImplementedError):
            return
        _, traces = self._storages.setdefault(storage.cdata, (storage, {}))
        if written:
            for key, other in traces.items():
                traces[key] = Trace(trace.step, _written_over(other.field, trace.field))
        traces[_key(tensor)] = trace


def _key(tensor: Tensor) -> Key:
    return (int(tensor.storage_offset()), tuple(tensor.shape), tuple(tensor.stride()))


def _is_tensor(item: object) -> bool:
    return isinstance(item, Tensor)


def _unique(traces: Sequence[Trace]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(trace.step for trace in traces))


def _same_count(args: Mapping[str, Any], results: Sequence[Tensor]) -> bool:
    sources = [value for value in args.values() if isinstance(value, Value)]
    return bool(sources) and math.prod(sources[0].shape) == results[0].numel()


def _fields_of_results(call: Call) -> list[Field | None]:
    """One field per result; side results such as indices and statistics follow the first where shapes agree."""
    given = op_rules.apply(call)
    if isinstance(given, list):
        return list(given)
    side = [given if shape == call.results[0] else everywhere(given, shape) for shape in call.results[1:]]
    if given.shape != call.results[0]:
        raise ValueError(f"a rule gives {given.shape} for a result of {call.results[0]}")
    return [given, *side]


def _written_over(old: Field | None, new: Field | None) -> Field | None:
    """A view of memory that was written to through another view."""
    if old is None or new is None:
        return None
    reach: tuple[Reach, ...] = tuple(mine | theirs for mine, theirs in zip(old.reach, new.reach, strict=True))
    return Field(old.dims, reach, old.gated or new.gated, old.lost or new.lost, old.moved or new.moved)


def _part_of(traces: Mapping[Key, Trace], shape: Shape) -> Trace | None:
    """An unknown view of known memory: known tensors of the same rank were written into it."""
    alike = [trace for trace in traces.values() if trace.field and len(trace.field.dims) == len(shape)]
    alike = alike or _one_by_one(traces, shape)
    if not alike or alike[0].field is None:
        return next((Trace(trace.step, None) for trace in traces.values()), None)
    field = alike[0].field
    for dim, size in enumerate(shape):
        runs = field.dims[dim].runs
        if len(runs) == 1 and field.dims[dim].size != size:
            run = runs[0]
            field = field.with_dim(dim, type(field.dims[dim])((type(run)(size, run.axis, run.step),)))
    return Trace(alike[0].step, field if field.shape == shape else None)


def _one_by_one(traces: Mapping[Key, Trace], shape: Shape) -> list[Trace]:
    """Known tensors that are the upper left corners of single items of a batch, each as a batch."""
    every = math.prod(shape[1:])
    strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(1, len(shape)))
    return [
        Trace(trace.step, trace.field._replace(dims=(channels(shape[0]), *trace.field.dims)))
        for (offset, _, stride), trace in traces.items()
        if trace.field and len(trace.field.dims) == len(shape) - 1 and not offset % every and stride == strides
    ]
