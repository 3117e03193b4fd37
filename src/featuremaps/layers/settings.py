"""What a model's way may depend on besides its weights: the settings of its modules, as they are now."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import Any
from weakref import ref

from torch import Tensor, nn
from torch.nn.modules import module as torch_modules

from featuremaps.session import StandIn

PLAIN = frozenset({bool, int, float, str, bytes, type(None)})
INTERNAL = frozenset(vars(nn.Module())) | {"training"}
COUNTERS = frozenset({"num_batches_tracked"})
"""Tensors of one number that no way through a model depends on."""
MOST = 64
"""So many entries of a list or dict are looked at; a longer one holds data."""


def settings_of(modules: Iterable[nn.Module]) -> list[tuple[Any, ...]]:
    """The attributes of every one of a model's modules, to be compared with later: flags, numbers, functions, and what
    is inside lists, dicts and configurations. Of tensors those of one number that are not trained, wherever they are
    kept; others, stand-ins, and what torch keeps of its own, are left out."""
    known: dict[int, Any] = {}
    return [
        (id(module), type(module).forward, _attributes(module, known), list(_numbers(module))) for module in modules
    ]


def hooks_of(modules: Iterable[nn.Module]) -> list[int]:
    """The numbers of all hooks on these modules, and on every module, which are never given twice.

    A hook may change what a model computes.
    """
    everywhere = torch_modules._global_forward_hooks, torch_modules._global_forward_pre_hooks
    of_modules = (hooks for module in modules for hooks in (module._forward_hooks, module._forward_pre_hooks))
    return [number for hooks in (*everywhere, *of_modules) for number in hooks]


def _attributes(module: nn.Module, known: dict[int, Any]) -> list[Any]:
    own = vars(module)
    return [
        (name, value if type(value := own[name]) in PLAIN else _frozen(value, known, 3))
        for name in own.keys() - INTERNAL
        if not isinstance(own[name], StandIn)
    ]


def _numbers(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """The buffers and frozen parameters of one number, which may be flags."""
    for name, tensor in (*module._buffers.items(), *module._parameters.items()):
        if tensor is not None and tensor.numel() == 1 and name not in COUNTERS:
            yield name, _number(tensor)


def _number(tensor: Tensor) -> Any:
    """A tensor's value, where it has a single one that is not trained; else its type."""
    if tensor.numel() == 1 and not tensor.requires_grad and not tensor.is_meta:
        return tensor.tolist()
    return type(tensor)


def _weak(value: Any) -> Any:
    """A weak reference, or the type of what can have none."""
    return ref(value) if type(value).__weakrefoffset__ else type(value)


def _frozen(value: Any, known: dict[int, Any], depth: int) -> Any:
    """A value in a form that does not change with it; `known` has what was met before."""
    if type(value) in PLAIN or (type(value) is tuple and PLAIN.issuperset(map(type, value))):
        return value
    if isinstance(value, MethodType):
        return _weak(value.__self__), _weak(value.__func__)  # not the method itself, which may be the model's
    if isinstance(value, nn.Module | FunctionType | type):
        return ref(value)
    if isinstance(value, Tensor):
        return _number(value)
    if not depth:
        return type(value)
    if id(value) not in known:
        known[id(value)] = type(value)  # what holds itself
        known[id(value)] = _opened(value, known, depth - 1)
    return known[id(value)]


def _opened(value: Any, known: dict[int, Any], depth: int) -> Any:
    if isinstance(value, tuple | list | set | frozenset | Mapping) and len(value) > MOST:
        return type(value)
    if isinstance(value, Mapping):
        return [(name, _frozen(item, known, depth)) for name, item in value.items()]
    if isinstance(value, partial):
        return [_frozen(item, known, depth) for item in (value.func, value.args, value.keywords)]
    if isinstance(value, tuple | list):
        return [_frozen(item, known, depth) for item in value]
    return type(value), [(name, _frozen(item, known, depth)) for name, item in getattr(value, "__dict__", {}).items()]
