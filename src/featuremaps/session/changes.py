"""The changes that are made to a model while it is studied, each with its undo."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from threading import get_ident
from typing import Any

from torch import nn

from featuremaps.session.turns import Undo, undone

Hook = Callable[..., Any]


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

    def on_forward(self, module: nn.Module, hook: Hook, first: bool = False) -> None:
        """Call `hook(module, args, output)` after each forward of `module` in this thread, until the session ends.

        After the hooks that are on it already, or before them, as the `first`.
        """
        heard = OfThisThread(hook)
        self.before_undoing(partial(unhook, module, heard))
        module.register_forward_hook(heard, prepend=first)

    def before_forward(self, module: nn.Module, hook: Hook) -> None:
        """Call `hook(module, args)` before each forward of `module` in this thread, until the session ends."""
        heard = OfThisThread(hook)
        self.before_undoing(partial(unhook, module, heard))
        module.register_forward_pre_hook(heard)

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


class StandIn:
    """A function that is put in the place of a module's `forward` or other method for some runs: no setting of the
    model, which stays what it is."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the module is to give."""
        return self._function(*args, **kwargs)


class OfThisThread:
    """A hook that hears the passes of the thread that made it, and none that the user runs meanwhile in another."""

    def __init__(self, hook: Hook) -> None:
        self._hook, self._thread = hook, get_ident()

    def __call__(self, *passed: Any) -> Any:
        """What the hook gives; None, which changes nothing, in another thread."""
        return self._hook(*passed) if get_ident() == self._thread else None


def unhook(module: nn.Module, hook: Hook) -> None:
    """Take a hook off that is called after or before a forward, if it is on."""
    for held in (module._forward_hooks, module._forward_pre_hooks):
        for number in [number for number, known in held.items() if known is hook]:
            held.pop(number, None)
