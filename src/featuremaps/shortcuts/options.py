"""How shortcuts are looked for."""

from dataclasses import dataclass
from typing import Annotated

from featuremaps.options import Help, Seeded


@dataclass(frozen=True, kw_only=True)
class ShortcutOptions(Seeded):
    """How many pictures are looked at, and what counts as a finding.

    `per_class` pictures of each class are taken at random, all where there are fewer. An attribute is one that some
    class's pictures have and others of it have not, apart by a `separation` or more (see `two_modes`), at least `least`
    of them each. It is tried by intervention in `tried` pictures, beside `controls` random directions. Raises
    `OptionError`.
    """

    per_class: Annotated[
        int, Help("Pictures of each class to look at.", least=10, what="how many pictures of each class are looked at")
    ] = 300
    separation: Annotated[
        int | float, Help("How far apart pictures with and without it must lie.", above=2.65, what="a separation")
    ] = 3.8
    least: Annotated[
        int, Help("So many pictures of a class must have it, and lack it.", least=2, what="a number of pictures")
    ] = 4
    tried: Annotated[
        int, Help("Pictures to take it out of, and to put it into.", least=5, what="a number of pictures")
    ] = 40
    controls: Annotated[
        int, Help("Random directions beside it.", least=5, what="how many random directions are tried beside it")
    ] = 19
    batch_size: Annotated[int, Help("Pictures that run at once.", least=1, what="how many pictures run together")] = 32
