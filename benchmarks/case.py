"""A piece of work to measure: its contestants, who is compared with whom, and the goal."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.peers import Build

OURS = "featuremaps"


@dataclass(frozen=True)
class Goal:
    """What a ratio has to be: at least so many times faster than the peer, or at most so many times its time."""

    value: float
    within: bool = False

    def ratio(self, own: float, other: float) -> float:
        """The figure that the goal is about."""
        return own / other if self.within else other / own

    def met(self, ratio: float) -> bool:
        """Whether a measured ratio reaches the goal."""
        return ratio <= self.value if self.within else ratio >= self.value

    def __str__(self) -> str:
        return f"≤ {self.value:g} × its time" if self.within else f"≥ {self.value:g} × faster"


@dataclass(frozen=True)
class Contestant:
    """Someone who does the work. `passes` is how often a slow one runs the model per picture; 0: it is not slow.

    A slow one runs in full at the batches `whole`, at others only some of its passes are timed.
    `peer` names a package that is not installed with the project's own peers; its row is left out where it is missing.
    """

    build: Build
    passes: int = 0
    whole: tuple[int, ...] = (1,)
    peer: str = ""


@dataclass(frozen=True)
class Pair:
    """Who is compared with whom, and what is asked of the ratio."""

    own: str
    other: str
    goal: Goal


@dataclass(frozen=True)
class Case:
    """One piece of work. `batches` are those that it makes sense for; None: whatever the plan asks for."""

    title: str
    architecture: str
    contestants: Mapping[str, Contestant]
    pairs: tuple[Pair, ...]
    batches: tuple[int, ...] | None = None
