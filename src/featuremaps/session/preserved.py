"""A model runs in evaluation mode, and whatever happens, it and its surroundings come back as they were."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FunctionType, MethodType
from typing import Any

from torch import nn

from featuremaps.session.changes import Session, StandIn
from featuremaps.session.held_attributes import HeldAttributes
from featuremaps.session.held_tensors import HeldTensors, replace_inference_tensors
from featuremaps.session.process_state import compiled_as_written, random_state_kept
from featuremaps.session.torch_modes import enter_modes
from featuremaps.session.turns import Beside, in_turn, undone

COMPILED = "_torchdynamo_orig_callable"
"""The attribute under which torch keeps the function that it compiled."""


@contextmanager
def preserved(model: nn.Module, layout: Any = None) -> Iterator[Session]:
    """Run a model in evaluation mode, and put everything back afterwards.

    Restored: hooks taken through the session, `requires_grad`, `.grad`, buffers, which parameter and buffer objects,
    parts and plain attributes the modules hold, training flags among them, what stands in lists, dicts and sets there,
    the random state (torch, CUDA, NumPy, Python) and torch's modes. A parameter written to inside a forward pass cannot
    be restored without copying the model, so it raises `ModelError` instead of passing silently. Gradients can be taken
    inside, also where the caller is under `no_grad` or `inference_mode`. The caller's autocast is off: a model runs in
    its own precision. Threads take turns with a model; within one, sessions nest.
    """
    with in_turn(model), random_state_kept(), compiled_as_written():
        session, tensors = Session(model, layout), HeldTensors(model)
        attributes = HeldAttributes(session.modules)
        with undone(session.undo):
            session.before_undoing(tensors.restore)
            session.before_undoing(attributes.restore)
            enter_modes(session)
            _uncompile(session.modules, attributes)
            replace_inference_tensors(session.modules)
            _to_evaluation(session.modules)
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


def _to_evaluation(modules: Sequence[nn.Module]) -> None:
    """Only where it changes, and past whatever a model does when an attribute is set."""
    for module in modules:
        if module.training:
            vars(module)["training"] = False


def _uncompile(modules: Sequence[nn.Module], attributes: HeldAttributes) -> None:
    """Run what was compiled in place as it was written: the compiled code calls no hooks inside.

    `attributes` put it back.
    """
    for own, name, known in attributes.functions:
        if hasattr(known, COMPILED):
            own[name] = StandIn(_as_written(known))
    compiled = {kind: methods for kind in {*map(type, modules)} if (methods := _compiled_methods(kind))}
    for module in modules:
        own = vars(module)
        if own.get("_compiled_call_impl") is not None:
            own["_compiled_call_impl"] = None
        for name, function in compiled.get(type(module), {}).items():
            own.setdefault(name, StandIn(MethodType(function, module)))


_COMPILED_METHODS: Beside[Mapping[str, Callable[..., Any]]] = Beside()


def _compiled_methods(kind: type[nn.Module]) -> Mapping[str, Callable[..., Any]]:
    """The methods of a class that `torch.compile` decorates, as they were written."""

    def found() -> Mapping[str, Callable[..., Any]]:
        homes = kind.__mro__[: kind.__mro__.index(nn.Module)]
        methods = {name: value for home in reversed(homes) for name, value in vars(home).items()}
        functions = {name: value for name, value in methods.items() if type(value) is FunctionType}
        return {name: _as_written(value) for name, value in functions.items() if hasattr(value, COMPILED)}

    return _COMPILED_METHODS.get(kind, found)


def _as_written(compiled: Any) -> Callable[..., Any]:
    """The function that torch compiled."""
    written: Callable[..., Any] = getattr(compiled, COMPILED)
    return written
