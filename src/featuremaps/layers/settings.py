"""What a model's way may depend on besides its weights: the settings of its modules, as they are now."""

from collections.abc import Callable, Mapping
from types import FunctionType, MethodType
from typing import Any

from torch import Tensor, nn

PLAIN = frozenset({bool, int, float, str, bytes, type(None)})
INTERNAL = frozenset(vars(nn.Module())) | {"training"}
MOST = 64
"""So many entries of a list or dict are looked at; a longer one holds data."""


class StandIn:
    """A `forward` that is put in a module's place for some runs: no setting of the model, which stays what it is."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the module is to give."""
        return self._forward(*args, **kwargs)


def settings_of(model: nn.Module) -> list[tuple[int, list[Any]]]:
    """The attributes of every module, to be compared with later: flags, numbers, functions, and what is inside lists,
    dicts and configurations. Tensors, what torch keeps of its own and stand-ins are left out."""
    known: dict[int, Any] = {}
    return [(id(module), _attributes(module, known)) for module in model.modules()]


def _attributes(module: nn.Module, known: dict[int, Any]) -> list[Any]:
    own = vars(module)
    return [
        (name, value if type(value := own[name]) in PLAIN else _frozen(value, known, 3))
        for name in own.keys() - INTERNAL
        if not isinstance(own[name], StandIn)
    ]


def _frozen(value: Any, known: dict[int, Any], depth: int) -> Any:
    """A value in a form that does not change with it; `known` has what was met before."""
    if type(value) in PLAIN or (type(value) is tuple and PLAIN.issuperset(map(type, value))):
        return value
    if isinstance(value, nn.Module | FunctionType | MethodType | type):
        return id(value)
    if isinstance(value, Tensor) or not depth:
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
    if isinstance(value, tuple | list):
        return [_frozen(item, known, depth) for item in value]
    return type(value), [(name, _frozen(item, known, depth)) for name, item in getattr(value, "__dict__", {}).items()]
