"""The promise that a model comes back as it was: one context manager, used by every entry point.

Whatever happens inside (an error, Ctrl-C), hooks, training flags, gradients, buffers, the random state and the
grad mode are afterwards what they were before. Only buffers are copied: parameters are watched, not copied.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from threading import RLock
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn

from featuremaps.errors import ModelError

Hook = Callable[..., Any]
_TURNS: "WeakKeyDictionary[nn.Module, RLock]" = WeakKeyDictionary()
"""Beside the models, not in them: a lock can be neither copied nor pickled."""


class Session:
    """A model being studied: every change to it goes through here, and is undone when the session ends."""

    def __init__(self, model: nn.Module, modules: Sequence[nn.Module], undo: ExitStack) -> None:
        self.model, self.modules = model, modules
        self._undo = undo

    def on_forward(self, module: nn.Module, hook: Hook) -> None:
        """Call `hook(module, args, output)` after each forward of `module`, until the session ends."""
        self._undo.callback(module.register_forward_hook(hook).remove)

    @contextmanager
    def one_pass(self) -> "Iterator[Session]":
        """A shorter session inside this one: hooks taken in it last for one run of the model."""
        with ExitStack() as undo:
            yield Session(self.model, self.modules, undo)


def unwrapped(model: nn.Module) -> nn.Module:
    """The user's own module inside `DataParallel`, `DistributedDataParallel` and `torch.compile`."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__ in ("DataParallel", "DistributedDataParallel"):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


@contextmanager
def in_turn(model: nn.Module) -> Iterator[None]:
    """While no other thread is in here with this model: the hooks of one would hear the pass of another."""
    with _TURNS.setdefault(model, RLock()):
        yield


@contextmanager
def random_state() -> Iterator[None]:
    """The random generators of torch, CUDA, NumPy and Python are afterwards what they were before."""
    cpu = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.set_rng_state(cpu)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def preserved(model: nn.Module) -> Iterator[Session]:
    """Run a model in evaluation mode, and put everything back afterwards.

    Restored: hooks taken through the session, each module's training flag, `requires_grad`, `.grad`, buffers,
    which parameter and buffer objects the modules hold, the random state (torch, CUDA, NumPy, Python) and the
    grad mode. A parameter written to inside a forward pass cannot be restored without copying the model, so it
    raises `ModelError` instead of passing silently. Gradients can be taken inside, also where the caller is
    under `no_grad` or `inference_mode`. Threads take turns with a model; within one, sessions nest.
    """
    with ExitStack() as undo:
        undo.enter_context(in_turn(unwrapped(model)))
        modules = list(model.modules())
        undo.enter_context(random_state())
        undo.callback(_tensors(model, modules))
        undo.callback(_training_flags(modules))
        undo.enter_context(torch.inference_mode(False))
        undo.enter_context(torch.enable_grad())
        _replace_inference_tensors(modules)
        _set_training(modules, [False] * len(modules))
        yield Session(model, modules, undo)


def _training_flags(modules: Iterable[nn.Module]) -> Callable[[], None]:
    flags = [module.training for module in modules]
    return lambda: _set_training(modules, flags)


def _set_training(modules: Iterable[nn.Module], flags: Iterable[bool]) -> None:
    """Only where it changes: setting an attribute of a module is slow, and most models are in evaluation mode."""
    for module, training in zip(modules, flags, strict=True):
        if module.training != training:
            module.training = training


def _tensors(model: nn.Module, modules: Iterable[nn.Module]) -> Callable[[], None]:
    """Remember parameters (by version) and buffers (by copy); the returned function puts them back."""
    homes = [(module, dict(module._parameters), dict(module._buffers)) for module in modules]
    parameters = [
        (parameter, _version(parameter), parameter.requires_grad, parameter.grad)
        for parameter in _distinct(own for _, own, _ in homes)
    ]
    with torch.no_grad():
        buffers = [(buffer, _version(buffer), buffer.clone()) for buffer in _distinct(own for _, _, own in homes)]

    def restore() -> None:
        for module, own_parameters, own_buffers in homes:
            put_back(module._parameters, own_parameters)
            put_back(module._buffers, own_buffers)
        with torch.no_grad():
            for buffer, version, copy in buffers:
                if version is None or _version(buffer) != version:
                    with torch.inference_mode(buffer.is_inference()):
                        buffer.copy_(copy)
        for parameter, _, requires_grad, grad in parameters:
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not grad:
                parameter.grad = grad
        written = {id(parameter) for parameter, version, _, _ in parameters if _version(parameter) != version}
        if written:
            names = [name for name, parameter in model.named_parameters() if id(parameter) in written]
            raise ModelError(
                f"the model's forward pass wrote to its own parameter{'s' if len(names) > 1 else ''} "
                f"{', '.join(names[:3])} although it ran in evaluation mode. featuremaps does not copy "
                "parameters, so these keep the new values; reload the model, and move the write into training code."
            )

    return restore


def _distinct(held: Iterable[Mapping[str, Tensor | None]]) -> Iterable[Tensor]:
    """Every tensor that modules hold, once."""
    return {id(tensor): tensor for own in held for tensor in own.values() if tensor is not None}.values()


def put_back(held: MutableMapping[str, Any], own: Mapping[str, Any]) -> None:
    """Make `held` what `own` was."""
    held.clear()
    held.update(own)


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to in place; inference tensors do not count."""
    return None if tensor.is_inference() else tensor._version


def _replace_inference_tensors(modules: Iterable[nn.Module]) -> None:
    """Put stand-ins where autograd would refuse tensors made under `inference_mode`; `_tensors` puts them back."""
    for module in modules:
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None and tensor.is_inference():
                    copy = tensor.clone()
                    held[name] = nn.Parameter(copy, False) if isinstance(tensor, nn.Parameter) else copy  # type: ignore[assignment]
