"""One layer and one target of a record, and the extra passes from which a formula's needs are supplied."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from featuremaps.acceleration.batch_norm_folding import batch_norms_folded
from featuremaps.acceleration.box_scoring import ReadScores, Scoring
from featuremaps.layers.model_ends import main_tensor
from featuremaps.options import PassOptions
from featuremaps.runtime.record import Record
from featuremaps.runtime.run_errors import out_of_memory
from featuremaps.session import Session
from featuremaps.tail import Tail
from featuremaps.targets.bound import Bound

ENOUGH = 8
"""So many scores of a picture must be known to judge them."""
SAFE = 10
"""The span of the scores over their rounding, from which on a map is right to about a tenth."""


class ScoreSpan:
    """The lowest and highest score of each picture, of all that a formula asked for."""

    def __init__(self, pictures: int) -> None:
        self._low = torch.full((pictures,), torch.inf, device="cpu", dtype=torch.float32)
        self._high = -self._low
        self._count = 0

    def noting(self, read: Callable[[Any, int], Tensor]) -> Callable[[Any, int], Tensor]:
        """`read`, which gives the scores of some outputs in a row for each picture, noting what it gives."""

        def noted(outputs: Any, repeats: int) -> Tensor:
            scores = read(outputs, repeats)
            values = scores.detach().float().cpu().reshape(len(self._low), -1)
            self._low, self._high = self._low.minimum(values.amin(1)), self._high.maximum(values.amax(1))
            self._count += values.shape[1]
            return scores

        return noted

    def drowned(self, dtype: torch.dtype) -> Bool[Tensor, " picture"]:
        """For each picture whether its scores differ by no more than a few roundings in this type.

        Scores that are all the same do not depend on what was tried, unless half precision makes them so.
        """
        if self._count < ENOUGH:
            return torch.zeros_like(self._low, dtype=torch.bool)
        size, span = torch.maximum(self._low.abs(), self._high.abs()), self._high - self._low
        judged = size > 0 if dtype in (torch.bfloat16, torch.float16) else span > 0
        return (span <= SAFE * torch.finfo(dtype).eps * size) & judged


@dataclass(frozen=True, eq=False)
class Pass:
    """One layer and one target of a record, from which a formula's needs are supplied.

    `deeper` names the last layer of every coarser map size after `layer`. `tails` is shared between the passes over one
    batch, so that a tail is split off only once. `apart` names the layers, this one among them, whose gradients do not
    come through one another. `notes` gathers warnings about what is supplied, `remarks` named
    numbers, one per picture, that a formula leaves.
    """

    session: Session
    record: Record
    layer: str
    deeper: tuple[str, ...] = ()
    options: PassOptions = field(default_factory=PassOptions)
    tails: dict[str, Tail] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    remarks: dict[str, Tensor] = field(default_factory=dict)

    @cached_property
    def span(self) -> ScoreSpan:
        """How far the scores differ that the formula asks for."""
        return ScoreSpan(len(self.record.inputs))

    @property
    def rounded_to(self) -> torch.dtype:
        """The precision that scores of extra passes have: as asked, or that of the model where it is lower."""
        asked: torch.dtype = getattr(torch, self.options.precision)
        given = main_tensor(self.record.outputs)
        own_type = given.dtype if given is not None and given.is_floating_point() else asked
        return max(asked, own_type, key=lambda dtype: torch.finfo(dtype).eps)

    @property
    def target(self) -> Bound:
        """The target of this pass."""
        return self.record.targets[0]

    @property
    def tail(self) -> Tail:
        """The model from this layer on."""
        if self.layer not in self.tails:
            layer, _, call = self.layer.partition("#")
            number = int(call) if call else None
            with torch.no_grad():
                self.tails[self.layer] = Tail(self.session.model, layer, self.record.inputs, call=number)
        return self.tails[self.layer]


class Copied:
    """A function of copies (batch·k, …), picture by picture, also for a model that takes only as many as the pictures.

    Where it fails on all of them, one copy of each picture runs at a time, from then on.
    """

    def __init__(self, run: Callable[[Tensor], Tensor], pictures: int) -> None:
        self._run, self._pictures, self._apart = run, pictures, False

    def __call__(self, copies: Tensor) -> Tensor:
        """What the function gives, (batch·k, …)."""
        if self._apart:
            return self._one_by_one(copies)
        try:
            return self._run(copies)
        except Exception as error:
            if len(copies) == self._pictures or out_of_memory(error):
                raise
            try:
                given = self._one_by_one(copies)
            except Exception:
                raise error from None
        self._apart = True
        return given

    def _one_by_one(self, copies: Tensor) -> Tensor:
        apart = copies.unflatten(0, (self._pictures, -1))
        return torch.stack([self._run(copy) for copy in apart.unbind(1)], 1).flatten(0, 1)


def copies(given: Pass, run: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """`run`, as it runs on copies of the pass's pictures; see `Copied`."""
    return Copied(run, len(given.target.labels))


def scoring(given: Pass, read: ReadScores) -> Scoring:
    """A function from new inputs to what `read` makes of the model's outputs."""
    return Scoring(given.session, given.record.inputs, given.span.noting(read), lambda: autocast(given))


def run_tail(given: Pass, edited: Tensor) -> tuple[Any, int]:
    """What the model gives for edited maps of the layer, and how many of them belong to one picture."""
    tail = given.tail
    layout = given.record.layouts[given.layer]
    raw = layout.from_maps(edited, tail.output).to(tail.output.dtype)
    folded = batch_norms_folded(given.session, [given.layer.partition("#")[0]])
    with torch.set_grad_enabled(edited.requires_grad), autocast(given), folded:
        return tail(raw), len(edited) // len(given.target.labels)


def autocast(given: Pass) -> AbstractContextManager[None]:
    """Extra passes in the precision asked for."""
    if given.options.precision == "float32":
        return nullcontext()
    return torch.autocast(given.record.inputs.device.type, dtype=getattr(torch, given.options.precision))
