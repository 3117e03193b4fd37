"""What a model answers: its most probable classes for each picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from featuremaps.errors import OptionError
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches
from featuremaps.runtime.outputs import class_indices, class_label
from featuremaps.runtime.record import take
from featuremaps.runtime.studied_model import StudiedModel
from featuremaps.runtime.targets import ClassScores
from featuremaps.session import preserved


@dataclass(frozen=True)
class Answer:
    """A class of the model, by name and number, with its probability and the score that the model gives."""

    label: str
    index: int
    probability: float
    score: float

    def __repr__(self) -> str:
        return f"{self.label} {self.probability:.1%}"


def predict(
    studied: StudiedModel, pictures: Sequence[Seen], top: int, batch_size: int
) -> tuple[tuple[Answer, ...], ...]:
    """For each picture the `top` most probable classes, or as many as there are, most probable first.

    Raises `TargetError` for a model that gives no class scores.
    """
    if top < 1:
        raise OptionError(f"top is how many classes are given, 1 or more; got {top}.")
    answers: dict[int, tuple[Answer, ...]] = {}
    with preserved(studied.model) as session:
        for batch in batches([picture.input for picture in pictures], batch_size, "asking the model"):
            with batch:
                outputs = take(session, batch.inputs, gradients=False).outputs
                scores = ClassScores(outputs, studied.classes, len(batch.rows))
                class_indices(None, scores.given, studied.classes, len(batch.rows))  # as many names as classes
                shares = scores.probabilities(outputs, 1)
                best = shares.topk(min(top, shares.shape[1])).indices
                for row, picture, chosen in zip(batch.rows, range(len(best)), best.tolist(), strict=True):
                    answers[row] = tuple(
                        Answer(
                            class_label(index, studied.classes),
                            index,
                            float(shares[picture, index]),
                            float(scores.given[picture, index]),
                        )
                        for index in chosen
                    )
    return tuple(answers[row] for row in range(len(pictures)))
