"""How concepts are looked for, and how it is tested what rests on them."""

from dataclasses import dataclass
from typing import Annotated

from featuremaps.concepts.directions import How
from featuremaps.options import Help, Negative, Seeded, check


@dataclass(frozen=True, kw_only=True)
class FactorizeOptions(Seeded):
    """How many `concepts`, and what becomes of values below 0: "refuse" them or "clip" them to 0.

    Pictures run together, up to `batch_size` at a time. Raises `OptionError`.
    """

    concepts: Annotated[
        int,
        Help("How many concepts to look for.", least=1, what="how many concepts are looked for", flag="--concepts -k"),
    ] = 5
    negative: Annotated[Negative, Help("refuse or clip values below 0.")] = "refuse"
    batch_size: Annotated[int, Help("Pictures that run at once.", least=1, what="how many pictures run together")] = 32


@dataclass(frozen=True, kw_only=True)
class ConceptOptions(Seeded):
    """Which direction is used, `how`: "pattern", "ridge" or "mean_difference". Raises `OptionError`.

    Pictures run together, up to `batch_size` at a time; the seed deals them out to folds.
    """

    how: Annotated[How, Help("pattern, ridge or mean_difference: which of the three directions is used.")] = "pattern"
    batch_size: Annotated[int, Help("Pictures that run at once.", least=1, what="how many pictures run together")] = 32


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How many pictures of each class of a survey are looked at, and how many random concepts stand beside one.

    Classes that are tested together need more `shuffles` than one alone, so there are 100 at least for each. Raises
    `OptionError`.
    """

    per_class: Annotated[
        int, Help("Pictures of each class of a survey.", least=1, what="how many pictures of each class are looked at")
    ] = 300
    shuffles: Annotated[
        int,
        Help("Random concepts beside it, of its own pictures.", least=99, what="how many random concepts are made"),
    ] = 999

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class SensitivityOptions(Seeded, Comparison):
    """The same with how many pictures run together, and the seed of what is random."""

    batch_size: Annotated[int, Help("Pictures that run at once.", least=1, what="how many pictures run together")] = 32
