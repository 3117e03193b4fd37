"""A pass made many times with other pictures: noted once, and then done again without the modules.

What each layer costs in Python and in autograd is paid once so. Where pictures are small, that is half of the time.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from featuremaps.noting import Notes, Step, freeing
from featuremaps.running import layout_of
from featuremaps.steadiness import is_steady

Run = Callable[[Tensor], tuple[Any, ...]]
Back = Callable[[Sequence[Tensor]], Tensor | None]

CLOSE = 1e-2
"""How far the first pass done again may be off, as a share of the largest number."""


class Replays:
    """The passes of one model up to the same place, on the CPU.

    The first with an input of some shape is the model's own, the second is noted, from the third on what was noted is
    done again; the first time, both ways are compared. That is for a model that is steady, and not for a pass that
    draws random numbers, looks at values, or writes to what it did not make.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._possible, self._compared = True, False
        self._kind: Any = None
        self._noted: _Noted | None = None

    def __call__(self, inputs: Tensor, run: Run) -> tuple[Any, ...]:
        """What `run(inputs)` gives, differentiable once by the inputs, which need a gradient."""
        if not self._possible or inputs.device.type != "cpu":
            return run(inputs)
        kind = inputs.shape, inputs.stride(), inputs.dtype
        if self._kind != kind:
            self._kind, self._noted = kind, None
            return run(inputs)
        try:
            outputs, back = self._again(inputs, run) if self._noted and self._noted.whole else self._note(inputs, run)
        except _CannotBeRepeatedError:
            self._possible, self._noted = False, None
            return run(inputs)
        found: tuple[Tensor, ...] = _Made.apply(inputs, outputs, back)
        return found

    @cached_property
    def _steady(self) -> bool:
        return is_steady(self._model)

    def _note(self, inputs: Tensor, run: Run) -> tuple[Sequence[Tensor], Back]:
        if not self._steady:
            raise _CannotBeRepeatedError
        self._noted = _Noted(inputs.detach().clone().requires_grad_())
        return self._noted.forward(run), self._noted.backward

    def _again(self, inputs: Tensor, run: Run) -> tuple[Sequence[Tensor], Back]:
        assert self._noted is not None
        x = inputs.detach()
        outputs, back = self._noted.again(x)
        if not self._compared:
            with torch.no_grad():
                wanted = run(x)
            pairs = zip(outputs, wanted, strict=True)
            if not all(bool((one - own).abs().max() <= CLOSE * own.abs().max()) for one, own in pairs):
                raise _CannotBeRepeatedError
            self._compared = True
        return outputs, back


class _CannotBeRepeatedError(Exception):
    """Something in a pass may be otherwise the next time."""


class _Noted:
    """One pass from `x` on and its way back, as they were."""

    def __init__(self, x: Tensor) -> None:
        self._x, self._notes = x, Notes()
        self._start = self._notes.given(x)
        self._outputs: tuple[Tensor, ...] = ()
        self._given, self._above, self._below = list[int](), list[int](), -1
        self._forward, self._backward = list[Step](), list[Step]()
        self.whole = False

    def forward(self, run: Run) -> tuple[Tensor, ...]:
        """Make the pass and note it."""
        try:
            with torch.enable_grad(), self._notes:
                outputs = run(self._x)
        except Exception as error:  # which comes again without notes, where they are not its cause
            raise _CannotBeRepeatedError from error
        if self._notes.lost or not all(isinstance(one, Tensor) and one.requires_grad for one in outputs):
            raise _CannotBeRepeatedError
        slots = [self._notes.slot(output) for output in outputs]
        self._given = [slot for slot in slots if slot not in (None, self._start)]
        if len(set(self._given)) < len(outputs):
            raise _CannotBeRepeatedError
        self._outputs, self._forward = outputs, self._notes.taken()
        return outputs

    def backward(self, above: Sequence[Tensor]) -> Tensor | None:
        """Go back and note that too."""
        outputs, self._outputs = self._outputs, ()
        self._above = [self._notes.given(one) for one in above]
        with self._notes:
            (below,) = torch.autograd.grad(outputs, [self._x], above, allow_unused=True)
        found = None if below is None else self._notes.slot(below)
        if found is not None and not self._notes.lost:
            self._below, self._backward = found, self._notes.taken()
            freeing(self._forward + self._backward, [found, *self._given])
            self.whole = True
        return below

    def again(self, x: Tensor) -> tuple[tuple[Tensor, ...], Back]:
        """The outputs for another input, and the way back from them, which can be gone once."""
        tensors: list[Any] = [None] * len(self._notes)
        tensors[self._start] = x
        _follow(self._forward, tensors)

        def back(above: Sequence[Tensor]) -> Tensor | None:
            for number, one in zip(self._above, above, strict=True):
                tensors[number] = one
            _follow(self._backward, tensors)
            below: Tensor = tensors[self._below]
            tensors.clear()
            return below

        return tuple(tensors[number] for number in self._given), back


def _follow(steps: Sequence[Step], tensors: list[Tensor | None]) -> None:
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        for step in steps:
            step.again(tensors)


class _Made(torch.autograd.Function):
    """Outputs that were made from an input already, and the way back from them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, outputs: Sequence[Tensor], back: Back) -> Any:
        ctx.back, ctx.layouts = back, [layout_of(output) for output in outputs]
        return tuple(output.detach() for output in outputs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *above: Tensor) -> tuple[Tensor | None, None, None]:
        laid = [one.contiguous(memory_format=layout) for one, layout in zip(above, ctx.layouts, strict=True)]
        return ctx.back(laid), None, None
