"""Layer-wise relevance at attention's probabilities: what each pair of tokens adds to the score, on relevance's way."""

from typing import Any, ClassVar, Literal

from torch import Tensor

from featuremaps.rules.attention import attends
from featuremaps.rules.composites import Composite
from featuremaps.rules.lrp import Relevance
from featuremaps.rules.operations import Operation


class AttentionRelevance(Relevance):
    """Relevance, kept where it arrives at the probabilities (…, query, key) of attentions, fused or not.

    What is sent back from the score is 1, whatever the score. After the backward pass `at_attention` says what arrived
    there, by the number that `rules.attention.AttentionProbabilities` gives the attention.
    """

    title: ClassVar[str] = "relevance at attention"
    start: ClassVar[Literal["one", "score"]] = "one"

    def __init__(self, composite: Composite) -> None:
        super().__init__(composite)
        self.count = 0
        self._numbers: list[int] = []
        self._fused = False

    @property
    def at_attention(self) -> dict[int, Tensor]:
        """The relevance of probabilities, by the attention's number; without those at which none arrived."""
        pairs = zip(self._numbers, self.arrived, strict=True)
        return {number: relevance for number, relevance in pairs if relevance is not None}

    def act(self, operation: Operation) -> Any:
        """As `Relevance`; the softmax of an attention is watched."""
        if not attends(operation):
            return super().act(operation)
        if not self._fused:
            self.count += 1
        if operation.kind != "softmax":
            return self._in_steps(operation)
        probabilities = super().act(operation)
        if probabilities is None:
            return None
        self._numbers.append(self.count - 1)
        self.watched.append(probabilities)
        return probabilities.clone()  # what follows may work in place

    def _in_steps(self, operation: Operation) -> Any:
        """A fused attention, whose own softmax comes here by itself and is not counted once more."""
        self._fused = True
        try:
            return super().act(operation)
        finally:
            self._fused = False
