"""Scores of new inputs, some for each picture: run whole, or where they differ from it in a small box, only there."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from featuremaps.acceleration.batch_norm_folding import batch_norms_folded
from featuremaps.acceleration.box_tensor import BoxTensor, Originals, whole
from featuremaps.acceleration.boxes import Boxes
from featuremaps.running import run as run_model
from featuremaps.runtime.capture import to_model
from featuremaps.runtime.memory_format import quickest
from featuremaps.session import Session

ReadScores = Callable[[Any, int], Tensor]
"""Scores, of what a model gave and how many outputs in a row belong to one picture."""

AGREES, AGREES_LOWERED = 1e-3, 0.05
"""By how much of the largest score a run through boxes may be off, in float32 or float64 and in lower precision."""
REFUSALS = (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError)
"""What code raises that cannot work on boxes: it looks into a tensor's memory, or asks for its exact type."""


class Scoring:
    """A function from new inputs (batch·k, colour, height, width), picture by picture, to scores (batch·k,)."""

    def __init__(
        self, session: Session, pictures: Tensor, read: ReadScores, lowered: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.session, self.count = session, len(pictures)
        self._read, self._lowered = read, lowered

    def __call__(self, new: Tensor) -> Tensor:
        """The scores of new inputs, each run whole."""
        ready = to_model(self.session.model, new)
        return self.run(ready, lambda layout: run_model(self.session.model, ready.contiguous(memory_format=layout)))

    def run(self, ready: Tensor, outputs_of: Callable[[torch.memory_format], Any]) -> Tensor:
        """The scores that `outputs_of` gives of these inputs, in the layout that is quickest."""

        def folded(layout: torch.memory_format) -> Any:
            with batch_norms_folded(self.session):
                return outputs_of(layout)

        with torch.no_grad(), self._lowered():
            outputs = quickest(self.session, folded) if ready.ndim == 4 else folded(torch.contiguous_format)
            return self._read(outputs, len(ready) // self.count)

    def agree(self, scores: Tensor, sure: Tensor) -> bool:
        """Whether scores are those that are sure, to the precision that the model runs in."""
        with self._lowered():
            lowered = torch.is_autocast_enabled(sure.device.type)
        weight = next((parameter for parameter in self.session.model.parameters()), sure)
        share = AGREES_LOWERED if lowered or weight.dtype not in (torch.float32, torch.float64) else AGREES
        return bool(((scores - sure).abs() <= share * sure.abs().max()).all())


class BoxScoring:
    """The same for inputs that differ from the pictures in a small box each: little more is run than the boxes reach.

    It is tried first on one input of each picture, beside a whole run. Where they do not agree, or the model cannot be
    run on boxes, as one that gets round torch's functions, all inputs are run whole.
    """

    def __init__(self, scoring: Scoring, pictures: Tensor) -> None:
        self._scoring = scoring
        # Elsewhere than on the CPU many small copies take longer than what they save.
        usable = pictures.ndim == 4 and pictures.device.type == "cpu"
        self._originals = Originals(to_model(scoring.session.model, pictures)) if usable else None
        self._tried = False

    @property
    def usable(self) -> bool:
        """Whether inputs may be run through boxes, as far as is known."""
        return self._originals is not None

    def __call__(self, new: Tensor) -> Tensor:
        """The scores of new inputs."""
        boxes = self._boxes(new)
        if boxes is not None and not self._tried:
            self._try(new[:: len(new) // self._scoring.count])
        if boxes is None or not self.usable:
            return self._scoring(new)
        return self._by_boxes(new, boxes)

    def _boxes(self, new: Tensor) -> Boxes | None:
        """Where inputs differ from the pictures; None where that is too much, or nothing."""
        ready = to_model(self._scoring.session.model, new)
        if self._originals is None or ready.shape[1:] != self._originals.pictures.shape[1:]:
            return None
        return self._originals.boxes(ready)

    def _by_boxes(self, new: Tensor, boxes: Boxes) -> Tensor:
        assert self._originals is not None
        originals, model = self._originals, self._scoring.session.model
        ready = to_model(model, new)
        return self._scoring.run(
            ready, lambda layout: whole(run_model(model, BoxTensor.of(originals.rows(ready, boxes, layout), originals)))
        )

    def _try(self, new: Tensor) -> None:
        """Run one input of each picture both ways; boxes are given up where they fail or differ."""
        boxes = self._boxes(new)
        if boxes is None:
            return
        self._tried = True
        sure = self._scoring(new)  # an error of the model's own comes from here
        try:
            scores = self._by_boxes(new, boxes)
        except REFUSALS:
            self._originals = None
            return
        if not self._scoring.agree(scores, sure):
            self._originals = None
