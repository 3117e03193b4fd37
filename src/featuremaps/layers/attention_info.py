"""What is known of a model's attentions: which tokens ask and which are asked, and where these lie in the picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor

from featuremaps.errors import LayerNotFoundError, did_you_mean
from featuremaps.layers.addresses import glob

Between = Literal["places", "no places", "channels", "unknown"]
"""What is known of tokens: some are places of the picture, none is, they are channels, or it could not be followed."""
NOWHERE = -1


@dataclass(frozen=True, eq=False)
class Tokens:
    """What the tokens on one side of an attention stand for.

    `places` (window, token) numbers the place of each, row by row through `grid`: −1 for class and register tokens,
    queries and padding. `grid` is the number of places along each axis of the picture, all windows together.
    """

    count: int
    between: Between
    grid: tuple[int, ...] = ()
    places: Int[Tensor, "window token"] | None = None

    @property
    def extra(self) -> int:
        """How many tokens of a window are no places."""
        return self.count if self.places is None else int((self.places[0] == NOWHERE).sum())


@dataclass(frozen=True, eq=False)
class AttentionInfo:
    """One attention of a run: `name` is the address of the module that attends, with `#number` where it does so often.

    `leading` are the axes before (query, key) after the batch: how long each is, and whether it runs over windows.
    `after` names the attentions whose result it sees; None where that could not be followed. `changed` is the operation
    that changes its probabilities before they weigh the values, "" where none does.
    """

    name: str
    queries: Tokens
    keys: Tokens
    leading: tuple[tuple[int, bool], ...] = ()
    after: frozenset[str] | None = None
    changed: str = ""

    @property
    def windows(self) -> int:
        """Into how many windows each picture is cut; 1 for attention over the whole picture."""
        return math.prod(size for size, windowed in self.leading if windowed)

    @property
    def heads(self) -> int:
        """How many heads attend."""
        return math.prod(size for size, windowed in self.leading if not windowed)

    def split(self, values: Float[Tensor, "..."], batch: int) -> Float[Tensor, "batch window head query key"]:
        """Probabilities as the model has them, or what belongs to them, with an axis for each of these."""
        query, key = values.shape[-2:]
        apart = values.reshape(-1, *(size for size, _ in self.leading), query, key)
        windows = [place + 1 for place, (_, windowed) in enumerate(self.leading) if windowed]
        heads = [place + 1 for place, (_, windowed) in enumerate(self.leading) if not windowed]
        ordered = apart.permute(0, *windows, *heads, apart.ndim - 2, apart.ndim - 1)
        whole = ordered.reshape(-1, self.windows, self.heads, query, key)
        return whole.expand(batch, -1, -1, -1, -1)  # what is made of weights alone may be there once


def named(infos: Sequence[AttentionInfo], patterns: Sequence[str]) -> list[int]:
    """The numbers of the attentions that addresses stand for, in the order in which they run.

    An address is an attention's own, that of a module that holds it, a glob of such, or "last". Raises
    `LayerNotFoundError` for one that stands for none.
    """
    found: set[int] = set()
    for pattern in patterns:
        matches = glob(pattern).fullmatch
        fitting = {
            number
            for number, info in enumerate(infos)
            if any(matches(text) for text in (info.name, *_holding(info.name)))
        }
        if not fitting and pattern == "last":
            fitting = {max(n for n, info in enumerate(infos) if info.keys.between == "places" or n == len(infos) - 1)}
        if not fitting:
            names = [info.name for info in infos]
            raise LayerNotFoundError(
                f"there is no attention in {pattern!r}.{did_you_mean(pattern, names)} Attentions: {', '.join(names)}."
            )
        found |= fitting
    return sorted(found)


def _holding(name: str) -> list[str]:
    """The addresses of the modules that hold an attention."""
    parts = name.partition("#")[0].split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
