"""Many copies of each picture through a function, few at a time."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

CHUNK = 32
"""So many copies run together."""
SAME = 1e-6
"""Scores that differ by less than this share of the largest are the same, but for rounding."""


def of_each(pictures: int, chunk: int) -> int:
    """How many copies of each of so many pictures make a chunk, at least one."""
    return max(1, chunk // max(1, pictures))


def in_chunks(
    copies: Iterable[Float[Tensor, "batch colour *space"]], run: Callable[[Tensor], Tensor], chunk: int
) -> Iterator[Float[Tensor, "batch copy *rest"]]:
    """What `run` gives for each copy of every picture, in the order of `copies`, a chunk at a time.

    `run` takes new inputs (batch·k, …), picture by picture, as `score`, `probability` and `explain_again` do.
    """
    remaining = iter(copies)
    for first in remaining:
        part = torch.stack([first, *islice(remaining, of_each(len(first), chunk) - 1)], 1)
        yield run(part.flatten(0, 1)).detach().unflatten(0, part.shape[:2])


def scores_of(
    copies: Iterable[Float[Tensor, "batch colour *space"]], score: Callable[[Tensor], Tensor], chunk: int
) -> Float[Tensor, "batch copy"]:
    """The score of each copy of every picture, in the order of `copies`, in single precision or double."""
    with torch.no_grad():
        return precise(torch.cat(list(in_chunks(copies, score, chunk)), 1))


def precise(values: Float[Tensor, "*size"]) -> Float[Tensor, "*size"]:
    """Values of half precision in single, others as they are."""
    return values if values.dtype == torch.float64 else values.float()


def rounded(scores: Float[Tensor, "batch copy"]) -> Float[Tensor, "batch copy"]:
    """The scores as multiples of a millionth of the largest: no order comes from rounding."""
    unit = SAME * scores.abs().amax(1, keepdim=True)
    return torch.where(unit > 0, (scores / unit).round() * unit, scores)


class KnownScores:
    """A score function that remembers what it was asked, where it is asked by `remembered`."""

    def __init__(self, score: Callable[[Tensor], Tensor]) -> None:
        self._score = score
        self._known: dict[bytes, Tensor] = {}

    def remembered(self, new: Tensor) -> Tensor:
        """The scores of new inputs; those of the same inputs are not computed again."""
        name = sha256(new.contiguous().cpu().numpy().tobytes()).digest()
        if name not in self._known:
            self._known[name] = self(new)
        return self._known[name]

    def __call__(self, new: Tensor) -> Tensor:
        """The scores of new inputs."""
        return self._score(new)
