"""Which operations of a graph write to their arguments, and which hand on the memory of one.

A value from before a layer may be written to after it, by another name; whoever splits the graph has to know.
Where this cannot be known it errs on the side of sharing, which costs a copy and never a result.
"""

import re
from typing import Any

import torch
from torch import fx, nn

from featuremaps.tail.fx_trace import ROOT

_WRITING_OPERATORS = re.compile(
    "i(add|sub|mul|matmul|truediv|floordiv|mod|pow|and|or|xor)|setitem|__i[a-z]+__|__setitem__"
)
_VIEWS = re.compile(
    "(__)?getitem(__)?|(reshape|view|type|expand)(_as)?|as_strided|broadcast_to|chunk|contiguous|detach|diagonal|"
    "dropout|flatten|float|half|[hv]split|imag|movedim|moveaxis|narrow|passed_on|permute|positive|ravel|real|select|"
    "split|split_with_sizes|squeeze|stochastic_depth|swapaxes|swapdims|t|tensor_split|to|transpose|unbind|unflatten|"
    "unfold|unsqueeze"
)
_VIEWING_ATTRIBUTES = ("H", "T", "data", "imag", "mH", "mT", "real")
_PASSING_MODULES = (nn.Identity, nn.Flatten, nn.Unflatten, nn.modules.dropout._DropoutNd)


def written(node: fx.Node, model: nn.Module) -> list[fx.Node]:
    """The arguments that an operation writes to."""
    if isinstance(node.target, torch._ops.OpOverload):
        return [value for value, alias in _schema_arguments(node) if alias is not None and alias.is_write]
    found = [value for value in (node.kwargs.get("out"),) if isinstance(value, fx.Node)]
    first = next((value for value in node.args if isinstance(value, fx.Node)), None)
    if first is not None and _writes_to_first(node, model):
        found.append(first)
    return found


def shared(node: fx.Node, model: nn.Module) -> list[fx.Node]:
    """The arguments whose memory an operation's result may be, in whole or in part."""
    if isinstance(node.target, torch._ops.OpOverload):
        # dropout hands on its input in evaluation mode, and its schema does not say so
        unsaid = bool(_VIEWS.fullmatch(_name(node)))
        return [value for value, alias in _schema_arguments(node) if unsaid or alias is not None]
    if targets := written(node, model):
        return targets
    if node.op == "call_module":
        passes = isinstance(_module(node, model), _PASSING_MODULES)
    elif _name(node) == "getattr":
        passes = node.args[1] in _VIEWING_ATTRIBUTES
    else:
        passes = bool(_VIEWS.fullmatch(_name(node)))
    return node.all_input_nodes[:1] if passes else []


def _writes_to_first(node: fx.Node, model: nn.Module) -> bool:
    if node.op == "call_module":
        return bool(getattr(_module(node, model), "inplace", False))
    name = _name(node)
    if _WRITING_OPERATORS.fullmatch(name):
        return True
    if node.kwargs.get("inplace") or (name.endswith("_") and not name.endswith("__")):
        return True
    # F.relu(x, True): the flag may come by position, and which position differs from function to function
    return getattr(node.target, "__module__", "") == "torch.nn.functional" and True in node.args[1:]


def _schema_arguments(node: fx.Node) -> list[tuple[fx.Node, Any]]:
    """Each node that an operator of the library is given, with what its schema says about sharing."""
    assert isinstance(node.target, torch._ops.OpOverload)
    pairs: list[tuple[fx.Node, Any]] = []
    for position, argument in enumerate(node.target._schema.arguments):
        given = node.args[position] if position < len(node.args) else node.kwargs.get(argument.name)
        for value in given if isinstance(given, tuple | list) else [given]:
            if isinstance(value, fx.Node):
                pairs.append((value, argument.alias_info))
    return pairs


def _module(node: fx.Node, model: nn.Module) -> nn.Module:
    return model.get_submodule(str(node.target).removeprefix(ROOT))


def _name(node: fx.Node) -> str:
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.name.partition("::")[2]
    return node.target if isinstance(node.target, str) else str(getattr(node.target, "__name__", ""))
