"""A graph cut at one node: what has to run again when that node's value is edited, and what runs once.

`plan` decides it from the graph alone; a `Split` is a plan with the values it needs from before the cut.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_arg
from torch.utils import _pytree as pytree

from featuremaps.runtime.capture import with_main_tensor
from featuremaps.tail.aliases import shared, written
from featuremaps.tail.fx_trace import ROOT, Trace, passed_on
from featuremaps.tail.repeat_batch import Growth, Probe, constant, growth

_OPERATIONS = ("call_function", "call_method", "call_module")


@dataclass(frozen=True, eq=False)
class Plan:
    """How a trace falls apart at `cut`.

    `again` runs for every edit, in order; `given` are the values it reads from before the cut, and `once` the
    operations that make them. `varying` are the given values that depend on the pictures. With `whole` the cut
    is an operation with several outputs, of which the main tensor is edited.
    """

    trace: Trace
    cut: fx.Node
    whole: bool
    again: tuple[fx.Node, ...]
    given: frozenset[fx.Node]
    once: tuple[fx.Node, ...]
    varying: frozenset[fx.Node]

    @property
    def nodes_run(self) -> int:
        """How many operations one call of the tail runs."""
        return _count(self.again)

    @property
    def nodes_total(self) -> int:
        """How many operations the whole model runs."""
        return _count(self.trace.graph.nodes)


def plan(trace: Trace, cut: fx.Node, model: nn.Module, *, whole: bool = False) -> Plan:
    """Cut a trace at the node `cut`."""
    memory = _Memory(trace, cut, model)
    again = _used(trace, _dependent(trace, cut, memory), memory)
    free = {cut, *again, *trace.live, *trace.constants}
    readers = [*again, _output(trace)]
    given = {node for reader in readers for node in reader.all_input_nodes if node not in free}
    if whole:
        given.add(cut)
    once = _makers(trace, given, set(again), memory)
    varying = _varying(trace)
    return Plan(trace, cut, whole, tuple(again), frozenset(given), tuple(once), frozenset(given & varying))


class Split:
    """A plan on a live model, with the values from before the cut computed for one batch of pictures."""

    def __init__(self, plan: Plan, model: nn.Module, inputs: Tensor) -> None:
        self.plan = plan
        self.copied: frozenset[fx.Node] = plan.given | {plan.cut}
        self._model = model
        self._growths = self._primed(inputs)
        self._last_uses = _last_uses([*plan.again, _output(plan.trace)])

    def __call__(self, edited: Tensor, repeats: int) -> Any:
        """What the model's output node collects, for `repeats` edits of each picture."""
        return self._run(edited, repeats, None)

    def watch(self, edited: Tensor, repeats: int) -> Any:
        """The same, finding out which values the operations write to: only those are copied from then on."""
        watched: dict[fx.Node, Any] = {}
        self.copied = self.plan.given | {self.plan.cut}
        outputs = self._run(edited, repeats, watched)
        self.copied = frozenset(
            node for node, value in watched.items() if any(tensor._version for tensor in _tensors(value))
        )
        return outputs

    def _run(self, edited: Tensor, repeats: int, watched: dict[fx.Node, Any] | None) -> Any:
        plan, values = self.plan, dict[fx.Node, Any]()

        def value_of(node: fx.Node) -> Any:
            if node in values:
                return values[node]
            if node not in self._growths and node is not plan.cut:
                return _standing(node, plan.trace, self._model)
            value = self._growths[node](repeats) if node in self._growths else edited
            if node is plan.cut and plan.whole:
                value = with_main_tensor(value, edited)
            if node in self.copied:
                value = pytree.tree_map_only(Tensor, Tensor.clone, value)
                if watched is not None:
                    watched[node] = value
            values[node] = value
            return value

        for node in plan.again:
            values[node] = _perform(node, value_of, self._model)
            for dead in self._last_uses[node]:
                values.pop(dead, None)
        return map_arg(_output(plan.trace).args[0], value_of)

    def _primed(self, inputs: Tensor) -> dict[fx.Node, Growth]:
        plan, batch = self.plan, len(inputs)
        values = self._before(inputs)
        if not plan.varying:
            return {node: constant(_compact(value)) for node, value in values.items()}
        probe = Probe(batch, 3 if batch == 2 else 2)
        other = self._before(inputs[:1].expand(probe.other, *inputs.shape[1:]))
        return {
            node: growth(_compact(value), other[node], probe) if node in plan.varying else constant(_compact(value))
            for node, value in values.items()
        }

    def _before(self, inputs: Tensor) -> dict[fx.Node, Any]:
        """The given values for these pictures."""
        plan, values = self.plan, {self.plan.trace.input: inputs.clone()}
        last_uses = _last_uses(plan.once)

        def value_of(node: fx.Node) -> Any:
            return values[node] if node in values else _standing(node, plan.trace, self._model)

        with torch.no_grad():
            for node in plan.once:
                values[node] = _perform(node, value_of, self._model)
                for dead in last_uses[node] - plan.given:
                    values.pop(dead, None)
        return {node: values[node] for node in plan.given}


class _Memory:
    """Which nodes own the memory that a node's value may lie in."""

    def __init__(self, trace: Trace, cut: fx.Node, model: nn.Module) -> None:
        self.owners: dict[fx.Node, frozenset[fx.Node]] = {}
        self.writes: dict[fx.Node, frozenset[fx.Node]] = {}
        for node in trace.graph.nodes:
            sources = shared(node, model) if node.op in _OPERATIONS and node is not cut else []
            self.owners[node] = self.of(sources) or frozenset({node})
            targets = written(node, model) if node.op in _OPERATIONS else []
            self.writes[node] = self.of(targets)

    def of(self, nodes: Iterable[fx.Node]) -> frozenset[fx.Node]:
        return frozenset(owner for node in nodes for owner in self.owners[node])


def _dependent(trace: Trace, cut: fx.Node, memory: _Memory) -> set[fx.Node]:
    """The operations whose result can change with the cut's value, and those that must follow a write they make.

    Memory from before the cut that is written to after it is handled by running its views again as well, so that
    all of them lie in the same copy; that can add writes, hence the repetition.
    """
    again: set[fx.Node] = set()
    while True:
        size = len(again)
        tainted = memory.of([]).union(*(memory.writes[node] for node in again)) - again - {cut}
        changed, held = set[fx.Node](), set[fx.Node]()
        for node in trace.graph.nodes:
            if node.op not in _OPERATIONS or node is cut:
                continue
            sources = node.all_input_nodes
            reads = memory.of(sources)
            if (
                node in again
                or any(source is cut or source in again for source in sources)
                or reads & changed
                or memory.writes[node] & held
                or (memory.owners[node] & tainted and node not in tainted)
            ):
                again.add(node)
                changed |= memory.writes[node]
                held |= memory.of(source for source in sources if source not in again)
        if len(again) == size:
            return again


def _used(trace: Trace, again: set[fx.Node], memory: _Memory) -> list[fx.Node]:
    """Those of the dependent operations that the outputs need, in order; one that writes always counts."""
    needed, used = set(_output(trace).all_input_nodes), list[fx.Node]()
    for node in reversed(trace.graph.nodes):
        if node in again and (node in needed or memory.writes[node]):
            used.append(node)
            needed.update(node.all_input_nodes)
    return used[::-1]


def _makers(trace: Trace, given: set[fx.Node], again: set[fx.Node], memory: _Memory) -> list[fx.Node]:
    """The operations that make the given values, in order, with those that write to them on the way."""
    makers, size = set(given), 0
    while len(makers) != size:
        size = len(makers)
        owners = memory.of(makers)
        makers |= {node for node, writes in memory.writes.items() if writes & owners and node not in again}
        for node in reversed(trace.graph.nodes):
            if node in makers:
                makers.update(node.all_input_nodes)
    return [node for node in trace.graph.nodes if node in makers and node.op in _OPERATIONS]


def _varying(trace: Trace) -> set[fx.Node]:
    """The nodes that depend on the pictures."""
    varying = {trace.input}
    for node in trace.graph.nodes:
        if any(source in varying for source in node.all_input_nodes):
            varying.add(node)
    return varying


def _perform(node: fx.Node, value_of: Any, model: nn.Module) -> Any:
    args, kwargs = map_arg(node.args, value_of), map_arg(node.kwargs, value_of)
    if node.op == "call_module":
        return model.get_submodule(str(node.target).removeprefix(ROOT))(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    assert callable(node.target)
    return node.target(*args, **kwargs)


def _standing(node: fx.Node, trace: Trace, model: nn.Module) -> Any:
    """A weight as the model holds it now, or a constant of the trace."""
    if node not in trace.live:
        return trace.constants[node]
    home, _, attribute = trace.live[node].rpartition(".")
    return getattr(model.get_submodule(home), attribute)


def _last_uses(nodes: Sequence[fx.Node]) -> Mapping[fx.Node, set[fx.Node]]:
    """For each node the values that no later one of them reads."""
    seen, last = set[fx.Node](), {}
    for node in reversed(nodes):
        last[node] = {node, *node.all_input_nodes} - seen
        seen |= last[node]
    return last


def _output(trace: Trace) -> fx.Node:
    return next(iter(reversed(trace.graph.nodes)))


def _count(nodes: Iterable[fx.Node]) -> int:
    return sum(node.op in _OPERATIONS and node.target is not passed_on for node in nodes)


def _tensors(value: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, Tensor)]


def _compact(value: Any) -> Any:
    """The value without a larger tensor behind it, of which it is a view."""

    def compact(tensor: Tensor) -> Tensor:
        held = tensor.untyped_storage().nbytes() if tensor.layout == torch.strided else 0
        return tensor.clone() if held > 2 * tensor.nbytes else tensor

    return pytree.tree_map_only(Tensor, compact, value)
