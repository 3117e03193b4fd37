"""A model's answers: a class with its probability, its score and its place among all; and a target in a few words."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from featuremaps.runtime.outputs import Classes, class_label

ANY = "any class"


@dataclass(frozen=True)
class Answer:
    """A class of the model, by name and number, with its probability and the score that the model gives.

    `rank` is its place among the classes of this picture; that of 1 is the model's own answer.
    """

    label: str
    index: int
    probability: float
    score: float
    rank: int

    def __repr__(self) -> str:
        return f"{self.label} {self.probability:.1%}"

    @property
    def share(self) -> str:
        """The probability in whole per cent."""
        return "<1%" if 0 < self.probability < 0.005 else f"{self.probability:.0%}"

    @property
    def words(self) -> str:
        """The probability, and whether the model answers so."""
        return f"{self.share}, {'its own answer' if self.rank == 1 else f'its answer no. {self.rank}'}"


@dataclass(frozen=True, eq=False)
class Answers:
    """The class scores and probabilities of one picture, (classes,), and the classes' names."""

    scores: Float[Tensor, " classes"]
    probabilities: Float[Tensor, " classes"]
    names: Classes = None

    def of(self, index: int) -> Answer:
        """The answer of this number."""
        share = self.probabilities[index]
        rank = 1 + int((self.scores > self.scores[index]).sum())
        return Answer(class_label(index, self.names), index, float(share), float(self.scores[index]), rank)

    def top(self, most: int) -> tuple[Answer, ...]:
        """The most probable ones, most probable first."""
        best = self.scores.argsort(descending=True, stable=True)[:most]
        return tuple(self.of(index) for index in best.tolist())


def titles(targets: Sequence[str], answers: Sequence[Answer | None]) -> list[str]:
    """As `captions`, short enough for a figure: an answer that is not the model's own has its number."""
    short = []
    for target, answer in zip(targets, answers, strict=True):
        place = "" if answer is None else f" {answer.share}" + (f", no. {answer.rank}" if answer.rank > 1 else "")
        short.append((target or ANY) + place)
    return short


def captions(targets: Sequence[str], answers: Sequence[Answer | None]) -> list[str]:
    """What is explained in each picture, with the class's probability where it is one."""
    named = zip((target or ANY for target in targets), answers, strict=True)
    return [f"{target} ({answer.words})" if answer else target for target, answer in named]
