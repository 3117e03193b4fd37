"""Whether a model does the same in every pass, told from how it is written: nothing counts, remembers or draws lots.

A guess on the safe side: code that cannot be judged counts as unsteady.
"""

import builtins
import dis
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _global_forward_hooks, _global_forward_pre_hooks

KNOWN = ("torch", "torchvision", "timm", "featuremaps")
"""Packages whose modules are steady in evaluation mode."""

_STORES = frozenset({"STORE_ATTR", "DELETE_ATTR", "STORE_GLOBAL", "DELETE_GLOBAL", "STORE_DEREF", "IMPORT_NAME"})
_BUILTINS = frozenset(
    {"abs", "all", "any", "bool", "dict", "enumerate", "float", "getattr", "hasattr", "int", "isinstance", "len"}
    | {"list", "max", "min", "range", "reversed", "round", "set", "slice", "sorted", "str", "sum", "super", "tuple"}
    | {"type", "zip", "AssertionError", "NotImplementedError", "RuntimeError", "TypeError", "ValueError"}
)
_CONSTANTS = (int, float, complex, str, bytes, type(None), Tensor, torch.dtype, torch.device, torch.memory_format)
_OWN = frozenset(nn.Module().__dict__)
_READING = frozenset({"__call__", "__getattr__", "__getattribute__", "__setattr__"})


def is_steady(model: nn.Module) -> bool:
    """Whether it is, as far as its modules and their hooks can tell."""
    checked: set[int] = set()
    return not (_global_forward_hooks or _global_forward_pre_hooks) and all(
        _steady_module(module, checked) for module in model.modules()
    )


def _steady_module(module: nn.Module, checked: set[int]) -> bool:
    if "forward" in module.__dict__ or module._forward_pre_hooks or module._forward_hooks:
        return False
    if _known(type(module)):
        return True
    own = [each for each in type(module).__mro__ if not _known(each) and each is not object]
    if any(_READING & vars(each).keys() for each in own):
        return False
    attributes = [value for name, value in vars(module).items() if name not in _OWN]
    return all(_constant(value, checked) for value in attributes) and _steady_methods(own, checked)


def _steady_methods(classes: list[type], checked: set[int]) -> bool:
    """Whether `forward` is, and every method, property and value of the classes that it names."""
    wanted, seen = ["forward"], set[str]()
    while wanted:
        name = wanted.pop()
        seen.add(name)
        for each in classes:
            if name not in vars(each):
                continue
            value = vars(each)[name]
            value = getattr(value, "fget", getattr(value, "__func__", value))
            if not _constant(value, checked):
                return False
            if isinstance(value, FunctionType):
                wanted += [one for one in _names(value.__code__) if one not in seen]
    return True


def _constant(value: Any, checked: set[int]) -> bool:
    """Whether a value cannot change, and does the same whenever it is called."""
    if isinstance(value, _CONSTANTS):
        return True
    if isinstance(value, tuple):
        return all(_constant(one, checked) for one in value)
    if isinstance(value, ModuleType):
        return value.__name__.split(".")[0] in (*KNOWN, "math")
    if isinstance(value, FunctionType) and not _known(value):
        return _steady_function(value, checked)
    return isinstance(value, type | FunctionType | BuiltinFunctionType) and _known(value)


def _steady_function(function: FunctionType, checked: set[int]) -> bool:
    """Whether it reads nothing that can change and writes to nothing but what it made."""
    if id(function) in checked:
        return True
    checked.add(id(function))
    held = [cell.cell_contents for name, cell in _cells(function) if name != "__class__"]
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    if not all(_constant(value, checked) for value in [*held, *defaults]):
        return False
    return all(
        _steady_step(step, function, checked)
        for code in _codes(function.__code__)
        for step in dis.get_instructions(code)
    )


def _steady_step(step: dis.Instruction, function: FunctionType, checked: set[int]) -> bool:
    if step.opname in _STORES:
        return False
    if step.opname not in ("LOAD_GLOBAL", "LOAD_NAME"):
        return True
    if step.argval in function.__globals__:
        return _constant(function.__globals__[step.argval], checked)
    return step.argval in _BUILTINS and hasattr(builtins, step.argval)


def _known(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).split(".")[0] in KNOWN


def _cells(function: FunctionType) -> Iterator[tuple[str, Any]]:
    yield from zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code and that of the functions in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _names(code: CodeType) -> Iterator[str]:
    for one in _codes(code):
        yield from one.co_names
