"""What a model answers: its most probable classes for each picture."""

from collections.abc import Sequence

from torch import Tensor

from featuremaps.errors import OptionError
from featuremaps.pictures.seen import Seen
from featuremaps.results.answer import Answer, Answers
from featuremaps.runtime.batches import batches
from featuremaps.runtime.class_outputs import ClassOutputs, ClassScores, seen_outputs
from featuremaps.runtime.outputs import class_indices
from featuremaps.runtime.record import take
from featuremaps.runtime.studied_model import StudiedModel
from featuremaps.session import Session


def predict(
    studied: StudiedModel, pictures: Sequence[Seen], top: int, batch_size: int
) -> tuple[tuple[Answer, ...], ...]:
    """For each picture the `top` most probable classes, or as many as there are, most probable first.

    Raises `TargetError` for a model that gives no class scores.
    """
    if top < 1:
        raise OptionError(f"top is how many classes are given, 1 or more; got {top}.")
    best: dict[int, tuple[Answer, ...]] = {}
    with studied.session() as session:
        for batch in batches([picture.input for picture in pictures], batch_size, "asking the model"):
            with batch:
                outputs = take(session, batch.inputs, gradients=False).outputs
                answers = answers_of(read_scores(session, batch.inputs, outputs, studied.class_outputs), outputs)
                best |= {row: answer.top(top) for row, answer in zip(batch.rows, answers, strict=True)}
    return tuple(best[row] for row in range(len(pictures)))


def read_scores(session: Session, inputs: Tensor, outputs: object, classes: ClassOutputs) -> ClassScores:
    """How the class scores are read; `TargetError` where there are none, or not as many as names."""
    scores = ClassScores(outputs, seen_outputs(session, inputs, outputs, classes), len(inputs))
    class_indices(None, scores.given, classes.names, len(inputs))  # as many names as classes
    return scores


def answers_of(scores: ClassScores, outputs: object) -> list[Answers]:
    """The answers to each picture of a batch."""
    pairs = zip(scores.given.float(), scores.probabilities(outputs), strict=True)
    return [Answers(given, shares, scores.classes.names) for given, shares in pairs]
