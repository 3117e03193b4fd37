"""How concepts are looked for."""

from dataclasses import dataclass
from typing import Annotated

from featuremaps.methods.factorization import Negative
from featuremaps.options import Help, Seeded


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
