"""A model's graph cut at a layer, checked against the model itself, and remembered for as long as the model lives.

Tracing takes longer than running, and a graph that disagrees with its model must never be used: this file sees to
both.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from featuremaps.errors import ModelError
from featuremaps.layers.model_ends import main_tensor, tensors_of
from featuremaps.layers.model_output import direct_parts
from featuremaps.layers.settings import hooks_of, settings_of
from featuremaps.session import Beside
from featuremaps.tail.export_trace import exported
from featuremaps.tail.fx_trace import Trace, leaves_around, traced
from featuremaps.tail.replace_output import Visit, run_replaced
from featuremaps.tail.split import Plan, Split, plan

GraphWay = Literal["fx", "export"]


@dataclass(frozen=True, eq=False)
class _Known:
    """What has been found out about a model of this signature; a text in the place of a result says why there is none.

    `verdicts` holds, for each cut and shape of inputs that was checked, the nodes whose values have to be copied.
    """

    signature: Any
    traces: dict[Any, Trace | str] = field(default_factory=dict)
    plans: dict[Any, Plan | str] = field(default_factory=dict)
    verdicts: dict[Any, frozenset[fx.Node] | str] = field(default_factory=dict)


_KNOWN: Beside[_Known] = Beside()


def checked_split(model: nn.Module, way: GraphWay, visit: Visit, inputs: Tensor) -> Split | str:
    """The model cut after this visit's layer, or why that cannot be had.

    It has given the model's own outputs for the layer's output and, where the visit's cut is new, for an altered one.
    """
    known = _known(model)
    cut = _plan(known, model, way, visit, inputs)
    if isinstance(cut, str):
        return cut
    key = (cut, inputs.shape, inputs.dtype, inputs.device, tuple(hooks_of(model.modules())))
    verdict = known.verdicts.get(key)
    if isinstance(verdict, str):
        return verdict
    try:
        split = Split(cut, model, inputs)
        if verdict is None:
            _check(split, model, visit, inputs)
            known.verdicts[key] = split.copied
        else:
            split.copied = verdict
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        known.verdicts[key] = _brief(error)
        return _brief(error)
    return split


def in_structure(collected: Any, structure: pytree.TreeSpec) -> Any:
    """What a graph collected, in the containers that the model gives."""
    leaves = pytree.tree_leaves(collected)
    if len(leaves) != structure.num_leaves:
        raise ModelError(f"the graph gives {len(leaves)} outputs, and the model {structure.num_leaves}")
    return pytree.tree_unflatten(leaves, structure)


def _known(model: nn.Module) -> _Known:
    signature = _signature(model)
    known = _KNOWN.get(model, partial(_Known, signature))
    if known.signature != signature:
        known = _Known(signature)
        _KNOWN.set(model, known)
    return known


def _signature(model: nn.Module) -> Any:
    """All that a graph of the model may have taken for granted: its modules, their settings, where its weights are."""
    names = [name for name, _ in model.named_modules()]
    weights = (*model.named_parameters(), *model.named_buffers())
    sizes = tuple((name, weight.shape, weight.dtype, weight.device) for name, weight in weights)
    return names, settings_of(model.modules()), sizes


def _plan(known: _Known, model: nn.Module, way: GraphWay, visit: Visit, inputs: Tensor) -> Plan | str:
    key = (way, visit.site.name, visit.site.call)
    if key not in known.plans:
        trace = _trace(known, model, way, visit.site.name, inputs)
        try:
            known.plans[key] = trace if isinstance(trace, str) else _cut(trace, model, visit)
        except Exception as error:
            known.plans[key] = _brief(error)
    return known.plans[key]


def _trace(known: _Known, model: nn.Module, way: GraphWay, layer: str, inputs: Tensor) -> Trace | str:
    opened = leaves_around(model, layer) if way == "fx" else frozenset[str]()
    # an export is made for one size of picture; a symbolic trace is good for all
    key = (way, opened, inputs.shape[1:] if way == "export" else None)
    if key not in known.traces:
        try:
            known.traces[key] = traced(model, opened) if way == "fx" else exported(model, inputs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            known.traces[key] = _brief(error)
    return known.traces[key]


def _cut(trace: Trace, model: nn.Module, visit: Visit) -> Plan:
    site = visit.site
    calls = trace.layers.get(site.name, ())
    if site.call >= len(calls):
        raise ModelError(f"the graph has {len(calls)} calls of the layer, and call {site.call} was asked for")
    node = _main_node(calls[site.call], visit.raw, main_tensor(visit.raw))
    if not isinstance(node, fx.Node):
        raise ModelError("the layer's output is a constant in the graph")
    return plan(trace, node, model, whole=node.op == "call_module" and not isinstance(visit.raw, Tensor))


def _main_node(nodes: Any, raw: Any, main: Tensor | None) -> Any:
    """What stands in the graph for the `main` tensor of a layer's output; one node may stand for all of it."""
    if raw is main or isinstance(nodes, fx.Node):
        return nodes
    beside = zip(direct_parts(nodes).values(), direct_parts(raw).values(), strict=True)
    node, part = next(pair for pair in beside if any(tensor is main for tensor in tensors_of(pair[1])))
    return _main_node(node, part, main)


def _check(split: Split, model: nn.Module, visit: Visit, inputs: Tensor) -> None:
    """Raise `ModelError` unless the split agrees with the model, on the layer's output and on an altered one."""
    turned = visit.output.flip(1 - visit.batch_axis) if visit.output.ndim > 1 else visit.output
    altered = (0.5 * turned).to(visit.output.dtype)
    expected = run_replaced(model, visit.site, inputs, altered)
    both = _interleaved(visit.output, altered, len(inputs), visit.batch_axis)
    found = in_structure(split.watch(both, 2), pytree.tree_structure(visit.outputs))
    for first, second, pair in _tensors_of(visit.outputs, expected, found):
        error = _difference(_interleaved(first, second, len(inputs)), pair)
        allowed = _tolerance(pair)
        if not error <= allowed:
            raise ModelError(f"it gives other outputs than the model (off by {error:.1e}, allowed {allowed:.0e})")
    _check_gradient(split, model, visit, inputs)


def _check_gradient(split: Split, model: nn.Module, visit: Visit, inputs: Tensor) -> None:
    """Raise `ModelError` unless the gradients agree too: an operation may have a gradient of its own."""
    gradients = []
    for run in (partial(run_replaced, model, visit.site, inputs), lambda edited: split(edited, 1)):
        with torch.enable_grad():
            edited = visit.output.detach().clone().requires_grad_()
            gradients.append(_gradient(run, edited))
    expected, found = gradients
    if (expected is None) != (found is None):
        raise ModelError("it has no gradient" if found is None else "it has a gradient where the model has none")
    if expected is not None and found is not None:
        error, allowed = _difference(expected, found), 10 * _tolerance(found)
        if not error <= allowed:
            raise ModelError(f"it has another gradient than the model (off by {error:.1e}, allowed {allowed:.0e})")


def _gradient(run: Callable[[Tensor], Any], edited: Tensor) -> Tensor | None:
    """The gradient of the sum of all outputs; None where there is none, or the model's backward pass raises."""
    try:
        leaves = [leaf for leaf in pytree.tree_leaves(run(edited)) if isinstance(leaf, Tensor) and leaf.requires_grad]
        total = torch.stack([leaf.float().sum() for leaf in leaves]).sum() if leaves else None
        return None if total is None else torch.autograd.grad(total, edited)[0]
    except RuntimeError:
        return None


def _tensors_of(*outputs: Any) -> Iterator[tuple[Tensor, ...]]:
    leaves = zip(*(pytree.tree_leaves(output) for output in outputs), strict=True)
    found = [group for group in leaves if any(isinstance(leaf, Tensor) for leaf in group)]
    if not found:
        raise ModelError("the model's outputs hold no tensors to compare")
    yield from found


def _interleaved(first: Tensor, second: Tensor, batch: int, axis: int = 0) -> Tensor:
    if not first.ndim or first.shape != second.shape or first.shape[axis] % batch:
        raise ModelError(f"an output has shape {tuple(first.shape)} for {batch} pictures")
    pair = [tensor.unflatten(axis, (batch, -1)) for tensor in (first, second)]
    return torch.stack(pair, axis + 1).flatten(axis, axis + 2)


def _difference(expected: Tensor, found: Tensor) -> float:
    """The largest difference, relative to the largest value."""
    if expected.shape != found.shape:
        raise ModelError(f"it gives outputs of shape {tuple(found.shape)} in the place of {tuple(expected.shape)}")
    expected, found = expected.float(), found.float()
    if not torch.equal(expected.isfinite(), found.isfinite()):
        return float("inf")
    expected, found = expected.nan_to_num(0, 0, 0), found.nan_to_num(0, 0, 0)
    scale = expected.abs().max().item() if expected.numel() else 0.0
    return (expected - found).abs().max().item() / (scale or 1.0) if expected.numel() else 0.0


def _tolerance(tensor: Tensor) -> float:
    """Rounding only: an accelerator picks its algorithm by the batch's size, and may round to ten bits on the way."""
    if not tensor.is_floating_point():
        return 0.0
    base = 1e-4 if tensor.device.type == "cpu" else 1e-2
    return max(base, 8 * torch.finfo(tensor.dtype).eps)


def _brief(error: Exception) -> str:
    """The first line of an error's message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else "no message"
    short = text if len(text) <= 160 else text[:159] + "…"
    return short if isinstance(error, ModelError) else f"{type(error).__name__}: {short}"
