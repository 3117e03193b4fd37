"""What a model's outputs are: the names of its classes, and whether their scores are logits or probabilities."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.layers.known import known_layers
from featuremaps.runtime.outputs import are_probabilities, class_scores, scores_of
from featuremaps.session import Session

OutputKind = Literal["logits", "probabilities", "log_probabilities", "multi_label"]
"""What class scores are. Those of a multi-label model are logits, each with a sigmoid of its own."""
SIGMOIDS = frozenset({"sigmoid", "sigmoid_", "hardsigmoid", "hardsigmoid_"})


@dataclass(frozen=True)
class ClassOutputs:
    """The names of the outputs, in order, and what their scores are; None for what is not known.

    `told` says how that is known.
    """

    names: tuple[str, ...] | None = None
    kind: OutputKind | None = None
    told: str = "as outputs= says"

    def known_for(self, scores: Float[Tensor, "batch classes"]) -> OutputKind:
        """What these scores are: as was said, as their values show, or logits."""
        return self.kind or ("probabilities" if are_probabilities(scores) else "logits")

    def probabilities(self, scores: Float[Tensor, "batch classes"]) -> Float[Tensor, "batch classes"]:
        """The classes' probabilities, float32: by softmax of logits, or by sigmoid where they are no alternatives."""
        kind, values = self.known_for(scores), scores.float()
        if kind == "probabilities":
            return values
        if kind == "multi_label" or (kind == "logits" and scores.shape[1] == 1):
            return values.sigmoid()
        return values.exp() if kind == "log_probabilities" else values.softmax(1)

    def describe(self, scores: Float[Tensor, "batch classes"]) -> str:
        """How these scores are read, and why."""
        kind = self.known_for(scores)
        made = {
            "probabilities": "taken as probabilities, as they are",
            "log_probabilities": "taken as logarithms of probabilities",
            "multi_label": "made probabilities by a sigmoid each",
            "logits": f"made probabilities by a {'sigmoid' if scores.shape[1] == 1 else 'softmax'}",
        }[kind]
        why = self.told if self.kind else "by their values" if kind == "probabilities" else "assumed"
        count = f"{scores.shape[1]} class score{'s' if scores.shape[1] > 1 else ''}"
        return f"{count}, {made} ({why}); {'names were given' if self.names else 'their names are not known'}"


def seen_outputs(session: Session, inputs: Tensor, outputs: object, classes: ClassOutputs) -> ClassOutputs:
    """The same with what can be told of the scores: that the model ends in a sigmoid.

    Its graph is asked only where the values of the batch allow it.
    """
    scores = None if classes.kind else class_scores(outputs, len(inputs))
    if scores is None or are_probabilities(scores) or not bool(((scores >= 0) & (scores <= 1)).all()):
        return classes
    ends = known_layers(session.model, inputs, session.layout).ends_in
    return replace(classes, kind="probabilities", told="the model ends in a sigmoid") if ends in SIGMOIDS else classes


class ClassScores:
    """How class scores are read from the outputs for a batch: as they are for this one, so for any copies of it.

    One score with two names is that of the second; the first, its opposite, has the negative score. `reading` says how
    they are read, and why.
    """

    def __init__(self, outputs: object, classes: ClassOutputs, batch: int) -> None:
        scores = scores_of(outputs, batch)
        self._batch, self._two = batch, scores.shape[1] == 1 and classes.names is not None and len(classes.names) == 2
        self.classes, self.reading = replace(classes, kind=classes.known_for(scores)), classes.describe(scores)
        _check_kind(self.classes.kind, scores.detach())
        self.given = self.read(outputs, 1)

    def read(self, outputs: object, repeats: int) -> Float[Tensor, "outputs classes"]:
        """The scores before the softmax, or what the model gives in their place."""
        scores = scores_of(outputs, self._batch * repeats)
        if not self._two:
            return scores
        return torch.cat([1 - scores if self.classes.kind == "probabilities" else -scores, scores], 1)

    def probabilities(self, outputs: object, repeats: int = 1) -> Float[Tensor, "outputs classes"]:
        """The probabilities, which are not squashed again where the model gives them."""
        shares = self.classes.probabilities(scores_of(outputs, self._batch * repeats))
        return torch.cat([1 - shares, shares], 1) if self._two else shares

    def of(self, indices: Tensor) -> dict[str, Callable[[Any, int], Tensor]]:
        """The rules of a `Bound` target for the score and the probability of these classes."""
        return {
            "rule": lambda new, repeats: picked(self.read(new, repeats), indices, repeats),
            "probability": lambda new, repeats: picked(self.probabilities(new, repeats), indices, repeats),
        }


def _check_kind(kind: OutputKind | None, scores: Tensor) -> None:
    """`TargetError` where scores cannot be what they are said to be."""
    low, high, slack = float(scores.min()), float(scores.max()), 16 * torch.finfo(scores.dtype).eps
    shares = kind != "probabilities" or (low >= -slack and high <= 1 + slack)
    if not shares or (kind == "log_probabilities" and high > slack):
        raise TargetError(
            f"the model's scores go from {low:.3g} to {high:.3g}, so they are no {kind}: give outputs= what they are, "
            "or leave it out."
        )


def picked(scores: Tensor, indices: Tensor, repeats: int) -> Tensor:
    """The score of each picture's class, (outputs,); `repeats` outputs in a row belong to the same picture."""
    return scores.gather(1, indices.repeat_interleave(repeats)[:, None])[:, 0]
