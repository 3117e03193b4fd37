"""The same kind of graph as `tracing` makes, by `torch.export`, for models that branch on sizes or optional inputs.

An exported graph has lost the model's layers, so while it is made a hook on every layer leaves a mark in it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import cache
from io import StringIO
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export.graph_signature import OutputKind
from torch.fx.node import map_arg

from featuremaps.errors import ModelError
from featuremaps.layers.model_ends import main_tensor
from featuremaps.runtime.capture import with_main_tensor
from featuremaps.session import OfThisThread, undone, unhook, warnings_ignored
from featuremaps.tail.fx_trace import ROOT, Entry, Trace, passed_on, tracing, without_hooks


def exported(model: nn.Module, inputs: Tensor) -> Trace:
    """The graph of a model, for any number of pictures like `inputs`.

    Raises whatever `torch.export` raises when it cannot follow the model, and `ModelError` for a module with a
    hook before its forward pass, whose work would be frozen into the graph.
    """
    for name, module in model.named_modules():
        if module._forward_pre_hooks:
            raise ModelError(f"module {name!r} has a hook before its forward pass")
    pictures = inputs[:1].repeat_interleave(2, 0)  # a batch of one would be taken for a constant
    axes = {"inputs": {0: torch.export.Dim("batch")}}
    with tracing(), without_hooks(model), _marked(model), torch.no_grad(), warnings_ignored(), _nothing_printed():
        program = torch.export.export(Entry(model), (pictures,), dynamic_shapes=axes, strict=False)
    return _trace_of(program)


class _OfOtherThreads(StringIO):
    """What this thread writes is lost, what others write goes where it went."""

    def __init__(self, out: Any) -> None:
        super().__init__()
        self._out, self._thread = out, get_ident()

    def write(self, text: str) -> int:
        """As of any file."""
        return len(text) if get_ident() == self._thread else int(self._out.write(text))


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """`torch.export` prints the graph of a model that it cannot follow, which is of no use to anybody here."""
    with redirect_stderr(_OfOtherThreads(sys.stderr)):
        yield


def _trace_of(program: torch.export.ExportedProgram) -> Trace:
    signature = program.graph_signature
    weights = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    lifted = {**signature.inputs_to_lifted_tensor_constants, **signature.inputs_to_lifted_custom_objs}
    graph, copies = _copied(program)
    live, constants, layers = {}, {}, dict[str, list[fx.Node]]()
    for node, copy in copies.items():
        if node.name in weights:
            live[copy] = weights[node.name].removeprefix(ROOT)
        elif node.name in lifted:
            constants[copy] = program.constants[lifted[node.name]]
        elif node.op == "get_attr":
            constants[copy] = getattr(program.graph_module, str(node.target))
        elif copy.target is passed_on:
            layers.setdefault(str(node.args[1]), []).append(copy)
    (pictures,) = (copy for node, copy in copies.items() if node.name in signature.user_inputs)
    return Trace(graph, pictures, live, constants, layers)


def _copied(program: torch.export.ExportedProgram) -> tuple[fx.Graph, dict[fx.Node, fx.Node]]:
    """The program's graph, with marks that cost nothing and with the model's own outputs only.

    It is a copy because the program's own holds on to the module, and its nodes to the tensors, it was made with.
    """
    graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    specs = program.graph_signature.output_specs
    for node in program.graph.nodes:
        if node.op == "output":
            items = zip(node.args[0], specs, strict=True)
            outputs = [item for item, spec in items if spec.kind is OutputKind.USER_OUTPUT]
            graph.output(map_arg(outputs, lambda argument: copies[argument]))
        elif node.target is _mark():
            copies[node] = graph.call_function(passed_on, (copies[node.args[0]],))
        else:
            copies[node] = graph.node_copy(node, lambda argument: copies[argument])
            copies[node].meta = {}
    return graph, copies


@contextmanager
def _marked(model: nn.Module) -> Iterator[None]:
    """Each layer's output goes through a mark that bears its name."""
    marks = [(module, OfThisThread(_mark_output(name))) for name, module in model.named_modules() if name]

    def restore() -> None:
        for module, mark in marks:
            unhook(module, mark)

    with undone(restore):
        for module, mark in marks:
            module.register_forward_hook(mark)
        yield


def _mark_output(name: str) -> Callable[..., Any]:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        tensor = main_tensor(output)
        return None if tensor is None else with_main_tensor(output, _mark()(tensor, name))

    return hook


@cache
def _library() -> torch.library.Library:
    """Defines the mark, once per process: an operation that no pass over a graph removes or moves."""
    library = torch.library.Library("featuremaps", "FRAGMENT")
    library.define("mark(Tensor value, str layer) -> Tensor")
    library.impl("mark", lambda value, layer: value.clone(), "CompositeExplicitAutograd")
    library.impl("mark", lambda value, layer: torch.empty_like(value), "Meta")
    return library


def _mark() -> Any:
    _library()
    return torch.ops.featuremaps.mark.default
