"""The promise that a model comes back as it was: one context manager, used by every entry point.

Whatever happens inside (an error, Ctrl-C, also while things are being put back), hooks, training flags, gradients,
buffers, the random state and torch's modes are afterwards what they were before. Only buffers are copied: parameters
are watched, not copied. Every undo is noted before its change, touches only what differs, and may be run again.
"""

import contextlib
import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from threading import RLock, get_ident
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _python_dispatch

from featuremaps.errors import ModelError

MOST_COUNTERS = 16
Hook = Callable[..., Any]
Undo = Callable[[], None]
Kept = TypeVar("Kept")


@contextmanager
def undone(undo: Undo) -> Iterator[None]:
    """`undo` is called afterwards, and once more where an interrupt fell into it: it must bear being repeated."""
    through = False
    try:
        try:
            yield
        finally:
            undo()
            through = True
    finally:
        if not through:
            undo()


class Turn:
    """A lock that its thread may take again, and that is given back whatever interrupts.

    `number` is another one each time that it is taken.
    """

    def __init__(self) -> None:
        self._lock, self._thread, self.number = RLock(), 0, 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """While no other thread is in here."""
        if self._thread == get_ident():
            yield
            return
        with undone(self._give_back):
            self._lock.acquire()
            self._thread = get_ident()
            self.number += 1
            yield

    def _give_back(self) -> None:
        if self._thread == get_ident():
            self._thread = 0
        with suppress(RuntimeError):  # given back already, or never taken
            self._lock.release()


class Beside(Generic[Kept]):
    """What is remembered beside models, not in them, for as long as they live; threads may share it."""

    def __init__(self) -> None:
        self._kept: WeakKeyDictionary[Any, Kept] = WeakKeyDictionary()
        self._turn = Turn()

    def get(self, model: object, make: Callable[[], Kept]) -> Kept:
        """What is kept beside `model`; made now where there is nothing yet."""
        with self._turn.taken():
            kept = self._kept.get(model)
        if kept is None:
            made = make()
            with self._turn.taken():
                kept = self._kept.setdefault(model, made)
        return kept

    def set(self, model: object, kept: Kept) -> None:
        """Keep this from now on."""
        with self._turn.taken():
            self._kept[model] = kept

    def __len__(self) -> int:
        """For how many models something is kept."""
        return len(self._kept)


_TURNS: Beside[Turn] = Beside()


class Session:
    """A model being studied: every change to it goes through here, and is undone when the session ends.

    `layout` is how the user says that its layers lie, where that was said.
    """

    def __init__(self, model: nn.Module, layout: Any = None) -> None:
        self.model, self.modules, self.layout = model, tuple(model.modules()), layout
        self._undos: list[Undo] = []

    def before_undoing(self, undo: Undo) -> None:
        """Note how a change that is about to be made is undone."""
        self._undos.append(undo)

    def on_forward(self, module: nn.Module, hook: Hook) -> None:
        """Call `hook(module, args, output)` after each forward of `module`, until the session ends."""
        self.before_undoing(partial(unhook, module, hook))
        module.register_forward_hook(hook)

    def before_forward(self, module: nn.Module, hook: Hook) -> None:
        """Call `hook(module, args)` before each forward of `module`, until the session ends."""
        self.before_undoing(partial(unhook, module, hook))
        module.register_forward_pre_hook(hook)

    @contextmanager
    def one_pass(self) -> "Iterator[Session]":
        """Hooks taken in here last for one run of the model."""
        with undone(partial(self.undo, len(self._undos))):
            yield self

    def undo(self, since: int = 0) -> None:
        """Undo the changes, last first, but for the first `since`."""
        while len(self._undos) > since:
            self._undos[-1]()
            self._undos.pop()


def unhook(module: nn.Module, hook: Hook) -> None:
    """Take a hook off that is called after or before a forward, if it is on."""
    for held in (module._forward_hooks, module._forward_pre_hooks):
        for number in [number for number, known in held.items() if known is hook]:
            held.pop(number, None)


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
def in_turn(model: nn.Module) -> Iterator[int]:
    """While no other thread is in here with this model: the hooks of one would hear the pass of another.

    Gives the number of the turn, the same for all that is in here within it.
    """
    module = unwrapped(model)
    turn = _TURNS.get(getattr(module, "keras_model", module), Turn)  # scopes of one Keras model take turns too
    with turn.taken():
        yield turn.number


@contextmanager
def preserved(model: nn.Module, layout: Any = None) -> Iterator[Session]:
    """Run a model in evaluation mode, and put everything back afterwards.

    Restored: hooks taken through the session, each module's training flag, `requires_grad`, `.grad`, buffers,
    which parameter and buffer objects the modules hold, the random state (torch, CUDA, NumPy, Python) and torch's
    modes. A parameter written to inside a forward pass cannot be restored without copying the model, so it raises
    `ModelError` instead of passing silently. Gradients can be taken inside, also where the caller is under `no_grad`
    or `inference_mode`. The caller's autocast is off: a model runs in its own precision. Threads take turns with a
    model; within one, sessions nest.
    """
    with in_turn(model), _random_state_kept():
        session, tensors = Session(model, layout), _Tensors(model)
        with undone(session.undo):
            session.before_undoing(tensors.restore)
            session.before_undoing(_training_flags(session.modules))
            _enter_modes(session)
            _uncompile(session)
            _replace_inference_tensors(session.modules)
            _set_training(session.modules, [False] * len(session.modules))
            try:
                yield session
            except BaseException as error:
                _finish_context_managers(error)
                tensors.distrust_versions()
                raise
        tensors.check_unwritten()


def _finish_context_managers(error: BaseException) -> None:
    """Have generators left that an interrupt kept from being left: they would be, once the traceback is dropped.

    By then what they put back is long outdated. (Torch puts a mode back so, around each call of it.)
    """
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == contextlib.__file__:
            with suppress(RuntimeError):  # one that is still running
                trace.tb_frame.clear()
        trace = trace.tb_next
    if error.__context__ is not None:
        _finish_context_managers(error.__context__)


class _Tensors:
    """What a model's modules hold: parameters by version, buffers by copy."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._homes = [(module, dict(module._parameters), dict(module._buffers)) for module in model.modules()]
        parameters = _distinct(own for _, own, _ in self._homes)
        self._parameters = [
            (parameter, _version(parameter), parameter.requires_grad, parameter.grad)
            for parameter in parameters
            if not _is_counter(parameter)
        ]
        buffers = [*_distinct(own for _, _, own in self._homes), *filter(_is_counter, parameters)]
        self._buffers = [(buffer, _version(buffer), buffer.detach().clone()) for buffer in buffers]

    def distrust_versions(self) -> None:
        """Have all buffers written back: under a dispatch mode an operation that is interrupted has not counted yet."""
        self._buffers = [(buffer, None, copy) for buffer, _, copy in self._buffers]

    def restore(self) -> None:
        """Put back what differs; values written to parameters stay."""
        for module, parameters, buffers in self._homes:
            put_back(module._parameters, parameters)
            put_back(module._buffers, buffers)
        for buffer, version, copy in self._buffers:
            if version is None or _version(buffer) != version:
                with torch.inference_mode() if buffer.is_inference() else nullcontext():
                    buffer.detach().copy_(copy)
        for parameter, _, requires_grad, grad in self._parameters:
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not grad:
                parameter.grad = grad

    def check_unwritten(self) -> None:
        """`ModelError` where the model wrote to its own parameters."""
        written = {id(parameter) for parameter, version, _, _ in self._parameters if _version(parameter) != version}
        if written:
            names = [name for name, parameter in self._model.named_parameters() if id(parameter) in written]
            raise ModelError(
                f"the model's forward pass wrote to its own parameter{'s' if len(names) > 1 else ''} "
                f"{', '.join(names[:3])} although it ran in evaluation mode. featuremaps does not copy "
                "parameters, so these keep the new values; reload the model, and move the write into training code."
            )


def _training_flags(modules: Iterable[nn.Module]) -> Undo:
    return partial(_set_training, modules, [module.training for module in modules])


def _set_training(modules: Iterable[nn.Module], flags: Iterable[bool]) -> None:
    """Only where it changes: setting an attribute of a module is slow, and most models are in evaluation mode."""
    for module, training in zip(modules, flags, strict=True):
        if module.training != training:
            module.training = training


def _distinct(held: Iterable[Mapping[str, Tensor | None]]) -> Iterable[Tensor]:
    """Every tensor that modules hold, once."""
    return {id(tensor): tensor for own in held for tensor in own.values() if tensor is not None}.values()


def put_back(held: MutableMapping[str, Any], own: Mapping[str, Any]) -> None:
    """Make `held` what `own` was, in its order, touching only what differs."""
    for name in [name for name in held if name not in own]:
        held.pop(name, None)
    for name, value in own.items():
        if name not in held or held[name] is not value:
            held[name] = value
    if list(held) != list(own):
        for name, value in own.items():
            held.pop(name, None)
            held[name] = value


def _is_counter(parameter: Tensor) -> bool:
    """Whether a parameter is a few whole numbers, such as a Keras layer's random seed, and no weights."""
    return not parameter.is_floating_point() and parameter.numel() <= MOST_COUNTERS


def _version(tensor: Tensor) -> int | None:
    """How often a tensor was written to in place; inference tensors do not count."""
    return None if tensor.is_inference() else tensor._version


def _replace_inference_tensors(modules: Iterable[nn.Module]) -> None:
    """Put stand-ins where autograd would refuse tensors made under `inference_mode`; `_Tensors` puts them back."""
    for module in modules:
        for held in (module._parameters, module._buffers):
            for name, tensor in held.items():
                if tensor is not None and tensor.is_inference():
                    copy = tensor.clone()
                    held[name] = nn.Parameter(copy, False) if isinstance(tensor, nn.Parameter) else copy  # type: ignore[assignment]


def _uncompile(session: Session) -> None:
    """Run modules that were compiled in place as they were written: the compiled code calls no hooks inside."""
    for module in session.modules:
        own = vars(module)
        compiled = {"_compiled_call_impl": None} if own.get("_compiled_call_impl") is not None else {}
        if hasattr(own.get("forward"), "_torchdynamo_orig_callable"):
            compiled["forward"] = own["forward"]._torchdynamo_orig_callable
        if compiled:
            session.before_undoing(partial(own.update, {name: own[name] for name in compiled}))
            own.update(compiled)


def _enter_modes(session: Session) -> None:
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


class _Generators:
    """The random generators of the process: whoever comes first keeps their state, and the last restores it."""

    def __init__(self) -> None:
        self.turn = Turn()
        self._inside: set[object] = set()
        self._kept: tuple[Any, ...] = ()

    def keep(self, who: object) -> None:
        with self.turn.taken():
            if not self._inside:
                self._kept = _random_numbers()
            self._inside.add(who)

    def restore(self, who: object) -> None:
        with self.turn.taken():
            if self._inside == {who}:
                _set_random_numbers(*self._kept)
            self._inside.discard(who)


_GENERATORS = _Generators()
_FILTERS = Turn()


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """As `random_state`, for a run that may draw random numbers but does not depend on which: others may be inside."""
    who = object()
    with undone(partial(_GENERATORS.restore, who)):
        _GENERATORS.keep(who)
        yield


@contextmanager
def random_state() -> Iterator[None]:
    """The random generators of torch, CUDA, NumPy and Python are afterwards what they were before.

    Inside they are this thread's alone, as far as this library is concerned: it may seed them.
    """
    with _GENERATORS.turn.taken(), undone(partial(_set_random_numbers, *_random_numbers())):
        yield


def _random_numbers() -> tuple[Any, ...]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return torch.get_rng_state(), cuda, random.getstate(), np.random.get_state()


def _set_random_numbers(cpu: Tensor, cuda: Any, python: Any, numpy: Any) -> None:
    torch.set_rng_state(cpu)
    if cuda:
        torch.cuda.set_rng_state_all(cuda)
    random.setstate(python)
    np.random.set_state(numpy)


@contextmanager
def warnings_ignored() -> Iterator[None]:
    """No warning is shown. The filters are the whole process's, so one thread at a time is in here."""
    with _FILTERS.taken(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
