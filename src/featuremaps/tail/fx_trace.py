"""A model's forward pass as a graph, traced symbolically by `torch.fx`, with the output of every layer marked.

The graph holds names, never weights: whoever runs it reads them from the live model. `export_trace` makes the same
kind of graph by another road.
"""

import operator
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, fx, nn

from featuremaps.outputs.outputs import mapped
from featuremaps.session import HeldAttributes, Turn, put_back, undone

ROOT = "model."
_TRACING = Turn()
_CALLING = (nn.Module.__call__, nn.Module.__getattr__)


@dataclass(frozen=True, eq=False)
class Trace:
    """A forward pass as a graph.

    `input` is the node that stands for the pictures, `live` names the parameter, buffer or attribute that a node
    stands for, `constants` gives the value of others. `layers[name][call]` is a layer's output in that call, with
    nodes in the place of tensors. The output node collects the model's outputs; containers may have changed type.
    `leaves_something`: the pass sets attributes of the model (`self.runs += 1`), so that the next may differ.
    """

    graph: fx.Graph
    input: fx.Node
    live: Mapping[fx.Node, str]
    constants: Mapping[fx.Node, Any]
    layers: Mapping[str, Sequence[Any]]
    leaves_something: bool = False


@contextmanager
def tracing() -> Iterator[None]:
    """One trace or export at a time: it replaces how all modules of the process are called, until it ends."""

    def restore() -> None:
        nn.Module.__call__, nn.Module.__getattr__ = _CALLING  # type: ignore[method-assign]

    with _TRACING.taken(), undone(restore):
        yield


class Entry(nn.Module):
    """A model as a root of its own, with one argument: optional ones take their defaults, and what a trace leaves
    behind is left here and not on the user's model.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.training = model.training
        self.model = model

    def forward(self, inputs):  # type: ignore[no-untyped-def]
        """The model's outputs."""
        return self.model(inputs)


def passed_on(value):  # type: ignore[no-untyped-def]
    """Marks in the graph where a layer that was traced through hands on its output."""
    return value


def traced(model: nn.Module, opened: frozenset[str] = frozenset()) -> Trace:
    """The graph of a model; `opened` names modules of `torch.nn` to trace through.

    Raises whatever the model raises when it meets a symbol in place of a tensor.
    """
    tracer = _Tracer(model, opened)
    entry = Entry(model)
    with tracing(), without_hooks(model), attributes_kept(model):
        before = {module: dict(vars(module)) for module in model.modules()}
        graph = tracer.trace(entry)
        leaves_something = any(_changed(vars(module), attributes) for module, attributes in before.items())
    live, constants = {}, {}
    for node in graph.nodes:
        if node.op == "get_attr" and str(node.target).startswith(ROOT):
            live[node] = str(node.target).removeprefix(ROOT)
        elif node.op == "get_attr":
            constants[node] = getattr(entry, str(node.target))
    return Trace(graph, next(iter(graph.nodes)), live, constants, tracer.calls, leaves_something)


def _changed(now: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    return len(now) != len(before) or any(now[name] is not before.get(name) for name in now)


def leaves_around(model: nn.Module, layer: str) -> frozenset[str]:
    """The modules of `torch.nn` that hold `layer` and would be taken as one operation."""
    parts = layer.split(".")
    names = [".".join(parts[:depth]) for depth in range(1, len(parts))]
    return frozenset(name for name in names if _is_leaf(model.get_submodule(name)))


@contextmanager
def without_hooks(model: nn.Module) -> Iterator[None]:
    """No forward hook is called inside: none should ever meet a symbol."""
    kept = [(module, module._forward_hooks, module._forward_pre_hooks) for module in model.modules()]
    kept = [(module, after, before) for module, after, before in kept if after or before]

    def restore() -> None:
        for module, after, before in kept:
            module._forward_hooks, module._forward_pre_hooks = after, before

    with undone(restore):
        for module, _, _ in kept:
            module._forward_hooks, module._forward_pre_hooks = OrderedDict(), OrderedDict()
        yield


@contextmanager
def attributes_kept(model: nn.Module) -> Iterator[None]:
    """What a forward pass with symbols writes onto the modules (`self.runs += 1`) is undone."""
    modules = tuple(model.modules())
    kept = [(module, dict(module._parameters), dict(module._buffers)) for module in modules]
    attributes = HeldAttributes(modules)

    def restore() -> None:
        attributes.restore()
        for module, parameters, buffers in kept:
            put_back(module._parameters, parameters)
            put_back(module._buffers, buffers)

    with undone(restore):
        yield


class _Symbol(fx.Proxy):
    """A value in a trace, which unlike a plain `fx.Proxy` is written to in place where the model does that."""

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.create_proxy("call_function", operator.setitem, (self, key, value), {})


def _in_place(name: str) -> Callable[..., Any]:
    def write(self: _Symbol, other: Any) -> Any:
        return self.tracer.create_proxy("call_function", getattr(operator, name), (self, other), {})

    return write


for _name in ("iadd", "isub", "imul", "imatmul", "itruediv", "ifloordiv", "imod", "ipow", "iand", "ior", "ixor"):
    setattr(_Symbol, f"__{_name}__", _in_place(_name))


class _Weight(_Symbol):
    """A parameter or buffer in a trace; its shape is known, so a model may branch on it."""

    def __init__(self, node: fx.Node, tracer: fx.Tracer, weight: Tensor) -> None:
        super().__init__(node, tracer)
        self.weight = weight

    @property
    def shape(self) -> torch.Size:
        return self.weight.shape

    @property
    def ndim(self) -> int:
        return self.weight.ndim

    @property
    def dtype(self) -> torch.dtype:
        return self.weight.dtype

    def size(self, dim: int | None = None) -> torch.Size | int:
        return self.weight.shape if dim is None else self.weight.shape[dim]

    def dim(self) -> int:
        return self.weight.ndim

    def numel(self) -> int:
        return self.weight.numel()


class _Tracer(fx.Tracer):
    """Records which node is the output of each call of each module, and reads buffers by name like parameters."""

    def __init__(self, model: nn.Module, opened: frozenset[str]) -> None:
        super().__init__()
        self.calls: dict[str, list[Any]] = {}
        self._model = model
        self._opened = opened
        self._thread = get_ident()
        self._names = {id(weight): ROOT + name for name, weight in [*model.named_buffers(), *model.named_parameters()]}

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Symbol(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        opened = module_qualified_name[len(ROOT) :] in self._opened
        return m is not self._model and not opened and _is_leaf(m)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        if get_ident() != self._thread:  # another model, running meanwhile
            return forward(*args, **kwargs)
        name = self.path_of_module(m)
        output = super().call_module(m, forward, args, kwargs)
        if not self.is_leaf_module(m, name):
            output = self._marked(output)
        self.calls.setdefault(name[len(ROOT) :], []).append(_nodes(output))
        return output

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        name = self._names.get(id(attr_val)) if isinstance(attr_val, Tensor) else None
        if name is None or get_ident() != self._thread:
            return attr_val
        if name not in parameter_proxy_cache:
            parameter_proxy_cache[name] = self.create_proxy(
                "get_attr", name, (), {}, proxy_factory_fn=lambda node: _Weight(node, self, attr_val)
            )
        return parameter_proxy_cache[name]

    def _marked(self, output: Any) -> Any:
        return mapped(output, fx.Proxy, lambda proxy: self.create_proxy("call_function", passed_on, (proxy,), {}))


def _nodes(output: Any) -> Any:
    return mapped(output, fx.Proxy, lambda proxy: proxy.node)


def _is_leaf(module: nn.Module) -> bool:
    """Operations of `torch.nn`, but not its containers."""
    home = type(module).__module__
    return home.startswith(("torch.nn.", "torch.ao.nn.")) and not isinstance(module, nn.Sequential)
