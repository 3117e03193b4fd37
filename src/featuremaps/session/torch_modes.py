"""Torch's modes while a model is studied: gradients on, autocast and inference mode off, and none that outlives it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _python_dispatch

from featuremaps.session.changes import Session
from featuremaps.session.turns import undone


def enter_modes(session: Session) -> None:
    """Let gradients be taken, without autocast, and note torch's modes, so that none outlives the session."""
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    without_inference = torch.inference_mode(False)
    functions, dispatch = torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()
    anomaly = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    lowered = [(kind, torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in _kinds(session)]

    def leave() -> None:
        _pop_functions(functions)
        while torch._C._len_torch_dispatch_stack() > dispatch:
            _python_dispatch._pop_mode()
        if torch.is_inference_mode_enabled() != inference:
            without_inference.__exit__(None, None, None)
        torch.set_grad_enabled(gradients)
        if anomaly != (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()):
            torch.autograd.set_detect_anomaly(*anomaly)
        for kind, enabled, dtype in lowered:
            torch.set_autocast_enabled(kind, enabled)
            torch.set_autocast_dtype(kind, dtype)

    session.before_undoing(leave)
    if inference:
        without_inference.__enter__()
    for kind, enabled, _ in lowered:
        if enabled:
            torch.set_autocast_enabled(kind, False)
    torch.set_grad_enabled(True)


@contextmanager
def listening(mode: TorchFunctionMode) -> Iterator[None]:
    """While `mode` hears torch's functions; an interrupt in which torch itself lost it goes on as it came."""
    with undone(partial(_pop_functions, torch._C._len_torch_function_stack())):
        mode.__enter__()
        yield


def _pop_functions(depth: int) -> None:
    while torch._C._len_torch_function_stack() > depth:
        torch._C._pop_torch_function_stack()


def _kinds(session: Session) -> Sequence[str]:
    """The kinds of devices that the model may run on."""
    return sorted({"cpu", *(parameter.device.type for parameter in session.model.parameters())} - {"meta"})
