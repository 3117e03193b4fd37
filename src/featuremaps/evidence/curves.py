"""Curves: the target's probability while places are taken out of a picture, from the ones its heatmap names first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.evidence.copies import CHUNK, of_each, precise
from featuremaps.evidence.fills import UNCHANGED, Fill, Filling
from featuremaps.evidence.measured import Measured, ranks, usable
from featuremaps.evidence.registry import check_sizes
from featuremaps.methods.chunking import checked

Order = Literal["most", "least"]
"""Whether the places that a heatmap names as most relevant are taken out first (MoRF), or the least (LeRF)."""


@dataclass(frozen=True, eq=False)
class Removal:
    """Each place's turn to be taken out of its picture, from 0."""

    turns: Int[Tensor, "batch *space"]

    @cached_property
    def name(self) -> bytes:
        """What tells this order of places from others."""
        return sha256(self.turns.cpu().numpy().tobytes()).digest()

    @property
    def places(self) -> int:
        """How many places a picture has."""
        return self.turns[0].numel()


@dataclass(frozen=True, eq=False)
class Curve:
    """Probabilities after each of so many equal `steps`, from the whole picture (step 0) to an empty one.

    After step s a share s / steps of the places is gone, rounded down. Only what is asked for is scored. `usable` is
    undefined for the pictures whose map gives no order, and for those that the fill leaves as they are.
    """

    curves: "Curves"
    removal: Removal
    fill: Fill
    steps: int
    usable: Measured

    @property
    def shares(self) -> Float[Tensor, " point"]:
        """The shares of the places that are gone, from none to all."""
        return torch.arange(self.steps + 1).to(self.usable.values) / self.steps

    def at(self, steps: Sequence[int]) -> Float[Tensor, "batch point"]:
        """The probabilities after these steps."""
        return self.curves.probabilities(self.removal, self.fill, self._gone(steps))

    @property
    def probabilities(self) -> Float[Tensor, "batch point"]:
        """The probabilities after all steps."""
        return self.at(range(self.steps + 1))

    def area(self) -> Measured:
        """The mean height of each curve: the area below it, by trapezia."""
        return self.usable.of(torch.trapezoid(self.probabilities, self.shares.to(self.probabilities), dim=1))

    def scored(self) -> Float[Tensor, "batch point"]:
        """The probabilities that were asked for; NaN elsewhere, and for the pictures without a usable curve."""
        known = self.curves.known(self.removal, self.fill, self._gone(range(self.steps + 1)))
        return known.masked_fill(~self.usable.defined[:, None], torch.nan)

    def _gone(self, steps: Sequence[int]) -> list[int]:
        return [step * self.removal.places // self.steps for step in steps]


class Curves:
    """The curves of one heatmap after another over the same pictures, each masked copy scored once.

    `probability` maps new inputs (batch·k, colour, *space), picture by picture, to (batch·k,). What was scored is
    remembered: the whole pictures and the empty ones for every curve, and copies without the same places. `filling`
    makes the copies.
    """

    def __init__(
        self,
        inputs: Float[Tensor, "batch colour *space"],
        probability: Callable[[Tensor], Tensor],
        *,
        seed: int = 0,
        chunk: int = CHUNK,
    ) -> None:
        self._inputs, self._probability = inputs, probability
        self.filling = Filling(inputs, seed)
        self._of_each = of_each(len(inputs), chunk)
        self._known: dict[object, Tensor] = {}

    def of(self, heatmap: Float[Tensor, "batch *space"]) -> Callable[[Order, Fill, int], Curve]:
        """The curves of this heatmap, as a measure takes them: a function of order, fill and steps."""
        check_sizes("a curve", {"heatmap": heatmap, "inputs": self._inputs})
        places, judged = ranks(heatmap), usable(heatmap)
        removals = {"most": Removal(places), "least": Removal(places[0].numel() - 1 - places)}

        def curve(order: Order, fill: Fill, steps: int) -> Curve:
            checked("steps", steps, "how many equal steps a curve has", least=1)
            changed = judged.where(self.filling.changes(fill), UNCHANGED)
            return Curve(self, removals[order], fill, steps, changed)

        return curve

    def probabilities(self, removal: Removal, fill: Fill, gone: Sequence[int]) -> Float[Tensor, "batch point"]:
        """The probabilities when so many places are gone; what was not scored before is scored now."""
        missing = {self._name(removal, fill, count): count for count in gone}
        missing = {name: count for name, count in missing.items() if name not in self._known}
        if missing:
            counts = torch.tensor(list(missing.values()), device=removal.turns.device)
            parts = [self._scores(_removed(removal.turns, part), fill) for part in counts.split(self._of_each)]
            self._known |= dict(zip(missing, torch.cat(parts, 1).unbind(1), strict=True))
        return self.known(removal, fill, gone)

    def known(self, removal: Removal, fill: Fill, gone: Sequence[int]) -> Float[Tensor, "batch point"]:
        """The same, NaN where it was not scored."""
        points = [self._known.get(self._name(removal, fill, count)) for count in gone]
        some = next((point for point in points if point is not None), precise(self._inputs[:, 0].flatten(1)[:, 0]))
        return torch.stack([torch.full_like(some, torch.nan) if point is None else point for point in points], 1)

    def _name(self, removal: Removal, fill: Fill, count: int) -> object:
        """What tells copies from others; the whole pictures and the empty ones are the same for every order."""
        if not count:
            return None
        return fill if count == removal.places else (fill, count, removal.name)

    def _scores(self, removed: Bool[Tensor, "batch copy *space"], fill: Fill) -> Float[Tensor, "batch copy"]:
        with torch.no_grad():
            copies = self.filling(removed, fill).flatten(0, 1)
            return precise(self._probability(copies).reshape(len(self._inputs), -1))


def _removed(turns: Int[Tensor, "batch *space"], gone: Int[Tensor, " copy"]) -> Bool[Tensor, "batch copy *space"]:
    """Which places are missing where so many are gone."""
    return turns[:, None] < gone.reshape(1, -1, *[1] * (turns.ndim - 1))
