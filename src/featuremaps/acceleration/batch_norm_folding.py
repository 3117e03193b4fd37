"""Batch norms folded into the convolutions before them, around runs that a session makes many of.

A batch norm in evaluation mode scales and shifts each channel by constants, so a convolution with other weights gives
the same, to rounding. While folded, the convolution's `forward` is that of a fused copy, and the batch norm's hands on
its input; weights stay where they are. A trace by `torch.fx` shows where nothing else sees what lies between.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import disable_saved_tensors_hooks
from torch.nn.utils.fusion import fuse_conv_bn_eval

from featuremaps.layers.addresses import find
from featuremaps.runtime.memory_format import keep_freed_memory
from featuremaps.session import Beside, Session, StandIn, random_state, undone, unwrapped
from featuremaps.tail.fx_trace import ROOT, traced

_PLAIN = {(nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d)}
_TRANSPOSED = {(nn.ConvTranspose2d, nn.BatchNorm2d), (nn.ConvTranspose3d, nn.BatchNorm3d)}
_NORMS = {norm for _, norm in _PLAIN | _TRANSPOSED}
_FUSED: Beside[list[tuple[nn.Module, nn.Module, nn.Module]]] = Beside()


@contextmanager
def batch_norms_folded(session: Session, looked_at: Iterable[str] = ()) -> Iterator[None]:
    """While the session's model, or a part of it, runs; convolutions among the layers `looked_at` stay as they are."""

    def fused() -> list[tuple[nn.Module, nn.Module, nn.Module]]:
        keep_freed_memory()
        return list(_fused(session.model)) if unwrapped(session.model) is session.model else []

    apart = {find(session.model, layer) for layer in looked_at}
    forwards: list[tuple[nn.Module, Any]] = []
    for conv, norm, both in _FUSED.get(session, fused):
        if conv not in apart and _untouched(conv) and _untouched(norm):
            forwards += [(conv, StandIn(both.forward)), (norm, StandIn(nn.Identity().forward))]

    def restore() -> None:
        for module, _ in forwards:
            vars(module).pop("forward", None)

    with undone(restore):
        for module, forward in forwards:
            vars(module)["forward"] = forward
        yield


def _fused(model: nn.Module) -> Iterator[tuple[nn.Module, nn.Module, nn.Module]]:
    """Convolutions that a batch norm alone follows, these batch norms, and convolutions that do the work of both."""
    if not any(type(module) in _NORMS for module in model.modules()):
        return  # tracing takes longer than many a model runs
    try:  # A checkpoint runs a part again when gradients are taken, and nothing is folded then: it is refused here.
        with random_state(), torch.enable_grad(), disable_saved_tensors_hooks("a checkpoint"):
            trace = traced(model)
    except Exception:  # anything that a model raises when it meets a symbol
        return
    nodes = () if trace.leaves_something else trace.graph.nodes  # the next run may then take another way
    calls = Counter(node.target for node in nodes if node.op == "call_module")
    modules = dict(model.named_modules(prefix=ROOT[:-1]))
    read = {ROOT + name.rpartition(".")[0] for name in trace.live.values()}  # their weights, or written to
    for node in nodes:
        names = [node.target, *(user.target for user in node.users)]
        pair: list[Any] = [modules[name] for name in names if calls[name] == 1 and name not in read]
        if len(names) == len(pair) == 2 and all(map(_untouched, pair)) and _can_be_fused(*pair):
            fused = fuse_conv_bn_eval(pair[0], pair[1], pair[0].transposed).requires_grad_(False)
            if all(weight.isfinite().all() for weight in fused.parameters()):
                yield pair[0], pair[1], fused


def _can_be_fused(conv: Any, norm: Any) -> bool:
    """Whether torch's own fusion knows them, and the weights are wide enough to be rounded once more."""
    known = (type(conv), type(norm)) in (_PLAIN if getattr(conv, "groups", 1) > 1 else _PLAIN | _TRANSPOSED)
    constant = known and not norm.training and norm.running_mean is not None and type(conv.weight) is nn.Parameter
    return constant and conv.weight.dtype in (torch.float32, torch.float64)


def _untouched(module: nn.Module) -> bool:
    """Whether nobody has hooked onto a module or replaced its `forward`."""
    hooks = module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks
    return "forward" not in vars(module) and not any(hooks)
