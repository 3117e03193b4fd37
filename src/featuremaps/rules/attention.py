"""Finds softmax attention however a model writes it, and watches the attention probabilities."""

from collections.abc import Collection
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from featuremaps.rules.operations import Operation
from featuremaps.rules.rule import Rule
from featuremaps.rules.unfused_attention import written_out


def attends(operation: Operation) -> bool:
    """Whether a call may be an attention: a fused one, or a softmax over the last axis of (…, query, key)."""
    if operation.kind in ("attention", "multi_head_attention"):
        return True
    if operation.kind != "softmax" or not isinstance(operation.input, Tensor):
        return False
    ndim = operation.input.ndim
    return ndim >= 3 and operation.argument("dim", 1) in (-1, ndim - 1)


class AttentionProbabilities(Rule):
    """Watches the probabilities (…, query, key) of attentions as they run; changes nothing.

    Fused attention is written out, so that its probabilities exist. `wanted` are the numbers of those to watch, of all
    that may be an attention (`attends`) in the order in which they run; None: all. Without `gradients` the
    probabilities are kept without the graph.
    """

    title: ClassVar[str] = "attention maps"
    of_values: ClassVar[bool] = True

    def __init__(self, wanted: Collection[int] | None = None, *, gradients: bool = True) -> None:
        super().__init__()
        self.wanted, self.gradients = wanted, gradients
        self.count = 0
        self.probabilities: dict[int, Tensor] = {}
        self._norms: dict[int, Float[Tensor, "rows token"]] = {}

    def act(self, operation: Operation) -> Any:
        """The output of an attention, made from the watched probabilities; None for all else."""
        if operation.kind == "layer_norm" and operation.input.ndim == 3:
            self._norms[operation.input.shape[1]] = operation.input.detach().norm(dim=2).float()
        if not attends(operation):
            return None
        self.count += 1
        if self.wanted is not None and self.count - 1 not in self.wanted:
            return None
        if operation.kind == "softmax":
            probabilities = operation.run()
            return self._watch(probabilities).clone()  # what follows may work in place
        found = written_out(operation)
        if found is None:
            return None
        return found.result(self._watch(found.probabilities) @ found.values)

    def norms_of(self, batch: int) -> dict[int, Float[Tensor, "{batch} _token"]]:
        """The norms of the tokens that a layer norm was last given, by how many each picture has."""
        return {count: norms for count, norms in self._norms.items() if len(norms) == batch}

    def warning(self) -> str | None:
        """Nothing is changed, so there is nothing to say."""
        return None

    def _watch(self, probabilities: Tensor) -> Tensor:
        self.probabilities[self.count - 1] = probabilities if self.gradients else probabilities.detach()
        return probabilities
