"""A model runs in evaluation mode, and whatever happens, it and its surroundings come back as they were."""

import contextlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from torch import nn

from featuremaps.session.changes import Session
from featuremaps.session.held_tensors import HeldTensors, replace_inference_tensors
from featuremaps.session.process_state import random_state_kept
from featuremaps.session.torch_modes import enter_modes
from featuremaps.session.turns import Undo, in_turn, undone


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
    with in_turn(model), random_state_kept():
        session, tensors = Session(model, layout), HeldTensors(model)
        with undone(session.undo):
            session.before_undoing(tensors.restore)
            session.before_undoing(_training_flags(session.modules))
            enter_modes(session)
            _uncompile(session)
            replace_inference_tensors(session.modules)
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


def _training_flags(modules: Iterable[nn.Module]) -> Undo:
    return partial(_set_training, modules, [module.training for module in modules])


def _set_training(modules: Iterable[nn.Module], flags: Iterable[bool]) -> None:
    """Only where it changes: setting an attribute of a module is slow, and most models are in evaluation mode."""
    for module, training in zip(modules, flags, strict=True):
        if module.training != training:
            module.training = training


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
