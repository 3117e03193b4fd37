"""A model's answers: a class with its probability, its score and its place among all; and a target in a few words."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from featuremaps.outputs.outputs import Classes, class_label, in_percent
from featuremaps.plotting.panels import Line

ANY = "any class"


@dataclass(frozen=True)
class Answer:
    """A class of the model, by name and number, with its probability and the score that the model gives.

    `rank` is its place among the classes of this picture; that of 1 is the model's own answer. `covers` is the share of
    the picture that a segmentation model gives the class; its probability is then the mean over the picture.
    """

    label: str
    index: int
    probability: float
    score: float
    rank: int
    covers: float | None = None

    def __repr__(self) -> str:
        if self.covers is not None:
            return f"{self.label} {self.covers:.1%} of the picture"
        return f"{self.label} {self.probability:.1%}"

    @property
    def share(self) -> str:
        """The probability in whole per cent."""
        return in_percent(self.probability)

    @property
    def words(self) -> str:
        """The probability, and whether the model answers so."""
        return f"{self.share}, {'its own answer' if self.rank == 1 else f'its answer no. {self.rank}'}"


@dataclass(frozen=True, eq=False)
class Answers:
    """The class scores and probabilities of one picture, (classes,), and the classes' names.

    `covers` are the shares of the picture that a segmentation model gives each class.
    """

    scores: Float[Tensor, " classes"]
    probabilities: Float[Tensor, " classes"]
    names: Classes = None
    covers: Float[Tensor, " classes"] | None = None

    def of(self, index: int) -> Answer:
        """The answer of this number."""
        share, score, covers = float(self.probabilities[index]), float(self.scores[index]), None
        before = self.scores > score
        if self.covers is not None:
            covers = float(self.covers[index])
            before = (self.covers > covers) | ((self.covers == covers) & before)
        return Answer(class_label(index, self.names), index, share, score, 1 + int(before.sum()), covers)

    def top(self, most: int) -> tuple[Answer, ...]:
        """The most probable ones, most probable first; of a segmentation the largest that are found."""
        best = self.scores.argsort(descending=True, stable=True)
        if self.covers is not None:
            best = best[self.covers[best].argsort(descending=True, stable=True)]
            best = best[: max(1, int((self.covers > 0).sum()))]
        return tuple(self.of(index) for index in best[:most].tolist())


def headings(targets: Sequence[str], answers: Sequence[Answer | None]) -> list[Line]:
    """As `captions`, short enough for a figure: an answer that is not the model's own has its number."""
    lines = []
    for target, answer in zip(targets, answers, strict=True):
        whole = None if answer is None or answer.covers is not None else answer
        said = "" if whole is None else whole.share + (f", no. {whole.rank}" if whole.rank > 1 else "")
        lines.append(Line(target or ANY, said))
    return lines


def captions(targets: Sequence[str], answers: Sequence[Answer | None]) -> list[str]:
    """What is explained in each picture, with the class's probability where it is one of the whole picture."""
    named = zip((target or ANY for target in targets), answers, strict=True)
    return [f"{target} ({answer.words})" if answer and answer.covers is None else target for target, answer in named]
