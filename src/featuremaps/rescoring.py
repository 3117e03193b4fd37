"""Scores of new inputs, some for each picture: where they differ from it in a small box, the rest is not run again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from featuremaps.folding import folded
from featuremaps.patching import Patched, Patching, whole
from featuremaps.running import quickest
from featuremaps.state import Session
from featuremaps.tapping import to_model

Read = Callable[[Any, int], Tensor]
"""Scores, of what a model gave and how many outputs in a row belong to one picture."""

AGREES, AGREES_LOWERED = 1e-3, 0.05
"""By how much of the largest score a quick run may be off, in float32 or float64 and in lower precision."""


class Rescoring:
    """A function from new inputs (batch·k, colour, height, width), picture by picture, to scores (batch·k,).

    The first run that goes through boxes alone is compared with a whole one, for one input of each picture; where
    they do not agree, as in a model that gets round torch's functions, all inputs are run whole from then on.
    """

    def __init__(
        self, session: Session, pictures: Tensor, read: Read, precision: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._session, self._read, self._precision = session, read, precision
        self._count = len(pictures)
        # Elsewhere than on the CPU many small copies take longer than what they save.
        boxed = pictures.ndim == 4 and pictures.device.type == "cpu"
        self._patching = Patching(to_model(session.model, pictures)) if boxed else None
        self._agreed = False

    def __call__(self, new: Tensor) -> Tensor:
        """The scores of new inputs."""
        ready = to_model(self._session.model, new)
        with torch.no_grad(), self._precision():
            found = self._by_boxes(ready)
            return self._whole(ready) if found is None else found

    def _whole(self, ready: Tensor) -> Tensor:
        def run(layout: torch.memory_format) -> Any:
            laid = ready.contiguous(memory_format=layout)
            return folded(self._session, lambda: self._session.model(laid))

        outputs = quickest(self._session, run) if ready.ndim == 4 else run(torch.contiguous_format)
        return self._read(outputs, len(ready) // self._count)

    def _by_boxes(self, ready: Tensor) -> Tensor | None:
        patching, repeats = self._patching, len(ready) // self._count
        if patching is None or ready.shape[1:] != patching.pictures.shape[1:]:
            return None

        def run(layout: torch.memory_format) -> Any:
            rows = patching.rows(ready, layout)
            if rows is None:
                return None

            def once() -> Any:  # of a copy: a run may overwrite its input, and be repeated
                return self._session.model(Patched.of(replace(rows, patch=rows.patch.clone()), patching))

            return whole(folded(self._session, once))

        try:
            outputs = quickest(self._session, run)
            found = None if outputs is None else self._read(outputs, repeats)
        except Exception:
            if self._agreed:
                raise
            self._patching = None  # what is wrong with the inputs, if anything, a whole run says
            return None
        if found is not None and not self._agreed:
            self._agreed = _agree(found[::repeats], self._whole(ready[::repeats]), ready.dtype)
            if not self._agreed:
                self._patching = found = None
        return found


def _agree(found: Tensor, sure: Tensor, dtype: torch.dtype) -> bool:
    lowered = torch.is_autocast_enabled(sure.device.type) or dtype not in (torch.float32, torch.float64)
    share = AGREES_LOWERED if lowered else AGREES
    return bool(((found - sure).abs() <= share * sure.abs().max()).all())
