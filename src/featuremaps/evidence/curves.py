"""Curves: the target's probability while places are taken out of a picture, from the ones its heatmap names first."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from featuremaps.evidence.copies import CHUNK, of_each, precise
from featuremaps.evidence.fills import UNCHANGED, Fill, Filling
from featuremaps.evidence.measured import Measured
from featuremaps.evidence.ordering import ranks, usable
from featuremaps.methods.chunking import checked

Order = Literal["most", "least"]
"""Whether the places that a heatmap names as most relevant are taken out first (MoRF), or the least (LeRF)."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Probabilities (batch, steps + 1) at `shares` (steps + 1,) of the places taken out, from none to all.

    `usable` is undefined for the pictures whose map gives no order, and for those that the fill leaves as they are.
    """

    shares: Float[Tensor, " point"]
    probabilities: Float[Tensor, "batch point"]
    usable: Measured

    def area(self) -> Measured:
        """The mean height of each curve: the area below it, by trapezia."""
        return self.usable.of(torch.trapezoid(self.probabilities, self.shares, dim=1))


class Curves:
    """The curves of one heatmap after another over the same pictures, each masked copy scored once.

    `probability` maps new inputs (batch·k, colour, *space), picture by picture, to (batch·k,). What was scored is
    remembered: the whole pictures and the empty ones for every curve, and curves that take out the same places.
    `filling` makes the copies.
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
        places, judged = ranks(heatmap), usable(heatmap)

        def curve(order: Order, fill: Fill, steps: int) -> Curve:
            checked("steps", steps, "how many equal steps a curve has", least=1)
            probabilities = self._curve(removal_times(places, order, steps), fill, steps)
            changed = judged.where(self.filling.changes(fill), UNCHANGED)
            shares = torch.arange(steps + 1).to(probabilities) / steps
            return Curve(shares, probabilities, changed)

        return curve

    def _curve(self, times: Int[Tensor, "batch *space"], fill: Fill, steps: int) -> Float[Tensor, "batch point"]:
        key = fill, steps, sha256(times.cpu().numpy().tobytes()).digest()
        if key not in self._known:
            between = torch.arange(1, steps, device=times.device)
            parts = [self._scores(_removed(times, part), fill) for part in between.split(self._of_each) if steps > 1]
            self._known[key] = torch.cat([self._end(None), *parts, self._end(fill)], 1)
        return self._known[key]

    def _end(self, fill: Fill | None) -> Float[Tensor, "batch 1"]:
        """The probability of the whole picture, or of one with everything taken out."""
        if fill not in self._known:
            removed = torch.full_like(self._inputs[:, :1], fill is not None, dtype=torch.bool)
            self._known[fill] = self._scores(removed, fill or "zero")
        return self._known[fill]

    def _scores(self, removed: Bool[Tensor, "batch copy *space"], fill: Fill) -> Float[Tensor, "batch copy"]:
        with torch.no_grad():
            copies = self.filling(removed, fill).flatten(0, 1)
            return precise(self._probability(copies).reshape(len(self._inputs), -1))


def removal_times(places: Int[Tensor, "batch *space"], order: Order, steps: int) -> Int[Tensor, "batch *space"]:
    """The step, from 1 to `steps`, at which each place is taken out; after step s it is a share s / steps of all."""
    count = places[0].numel()
    first = places if order == "most" else count - 1 - places
    return (first + 1).mul(steps).add(count - 1).div(count, rounding_mode="floor").to(torch.int32)


def _removed(times: Int[Tensor, "batch *space"], steps: Int[Tensor, " copy"]) -> Bool[Tensor, "batch copy *space"]:
    """Which places are gone after each of these steps."""
    return times[:, None] <= steps.reshape(1, -1, *[1] * (times.ndim - 1))
