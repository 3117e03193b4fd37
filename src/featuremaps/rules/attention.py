"""Finds softmax attention however a model writes it, and watches the attention probabilities."""

from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from featuremaps.rules.operations import Operation
from featuremaps.rules.rule import Rule
from featuremaps.rules.unfused_attention import written_out


class AttentionMaps(Rule):
    """Watches the probabilities (batch, head, query, key) of every attention over whole pictures; changes nothing.

    Fused attention is written out, so that its probabilities exist. Attention inside windows, where the pictures'
    windows stand in the batch axis, is left alone and counted in `windowed`.
    """

    title: ClassVar[str] = "attention maps"

    def __init__(self) -> None:
        super().__init__()
        self.rows = 1
        self.windowed = 0

    def prepared(self, inputs: Tensor) -> Tensor:
        """The inputs as they are."""
        self.rows = len(inputs)
        return inputs

    def act(self, operation: Operation) -> Any:
        """The output of an attention, made from the watched probabilities; None for all else."""
        if operation.kind in ("attention", "multi_head_attention"):
            found = written_out(operation)
            if found is None or not self._watch(found.probabilities):
                return None
            return found.result(found.probabilities @ found.values)
        if operation.kind == "softmax" and _over_keys(operation):
            probabilities = operation.run()
            return probabilities.clone() if self._watch(probabilities) else None  # what follows may work in place
        return None

    def warning(self) -> str | None:
        """How many attentions are inside windows, and were left out."""
        if not self.windowed:
            return None
        total = self.windowed + len(self.watched)
        return (
            f"Of {total} attentions, {self.windowed} inside windows cannot be laid over the picture and were left out."
        )

    def gradients(self) -> list[Float[Tensor, "batch head query key"]]:
        """The score's gradient at each watched map that it depends on, after the backward pass."""
        found = [gradient for gradient in self.arrived if gradient is not None]
        return [gradient[:, None] if gradient.ndim == 3 else gradient for gradient in found]

    def _watch(self, probabilities: Tensor) -> bool:
        """Whether these are maps over whole pictures that depend on the input; they are then watched."""
        if not probabilities.requires_grad:
            return False
        whole = probabilities.ndim in (3, 4) and len(probabilities) == self.rows
        if whole:
            self.watched.append(probabilities)
        else:
            self.windowed += 1
        return whole


def _over_keys(operation: Operation) -> bool:
    """Whether a softmax runs over the last axis of (…, head, query, key)."""
    ndim = operation.input.ndim
    return ndim in (4, 5) and operation.argument("dim", 1) in (-1, ndim - 1)
