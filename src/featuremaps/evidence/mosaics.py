"""Mosaics for the grid pointing game: a picture in one cell, pictures of other classes in all others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice, product

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from featuremaps.evidence.measured import Measured, together
from featuremaps.evidence.shapes import Inputs
from featuremaps.explain.request import Request
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches
from featuremaps.runtime.recording import take
from featuremaps.session import Session

SIDE = 2
"""So many cells along each axis (Böhle et al. 2021 take 2 and 3)."""
NO_CLASS = -1
NO_OTHER_CLASS = "no other picture of this size, explained for another class, is there to stand beside it in a mosaic"


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Inputs of mosaics, the cell of each that holds its picture, and the pictures that have others beside them."""

    inputs: Float[Tensor, "batch colour *space"]
    cells: Bool[Tensor, "batch *space"]
    complete: Bool[Tensor, " batch"]

    def judged(self, said: Measured) -> Measured:
        """What a measure says of them, undefined first of all where nothing stands beside a picture."""
        whole = Measured(torch.zeros_like(said.values)).where(self.complete.to(said.values.device), NO_OTHER_CLASS)
        return together([whole, said], said.values)


@dataclass(frozen=True, eq=False)
class Mosaics:
    """All pictures of a trial and the `classes` explained of them, out of which mosaics are laid."""

    pictures: Sequence[Seen]
    classes: Sequence[int]

    def of(self, inputs: Inputs, rows: Sequence[int]) -> Mosaic:
        """A mosaic of each of these pictures, whose numbers are `rows`, whatever runs together.

        The others are the next ones in the trial that are explained for another class, repeated where they are fewer
        than cells. Pictures keep their size, so that a mosaic is larger along each axis.
        """
        places = list(product(range(SIDE), repeat=inputs.ndim - 2))
        space = tuple(inputs.shape[2:])
        mosaics = inputs.new_zeros(*inputs.shape[:2], *(SIDE * side for side in space))
        cells = torch.zeros(len(inputs), *mosaics.shape[2:], dtype=torch.bool, device=inputs.device)
        complete = torch.zeros(len(inputs), dtype=torch.bool, device=inputs.device)
        for picture, row in enumerate(rows):
            own = row % len(places)
            others = list(islice(self._others(row), len(places) - 1))
            complete[picture] = bool(others)
            beside = cycle(others or [row])
            for number, place in enumerate(places):
                at: tuple[slice, ...] = tuple(
                    slice(i * side, (i + 1) * side) for i, side in zip(place, space, strict=True)
                )
                shown = inputs[picture] if number == own else self.pictures[next(beside)].input.to(inputs)
                mosaics[picture][(slice(None), *at)] = shown
                cells[picture][at] = number == own
        return Mosaic(mosaics, cells, complete)

    def _others(self, row: int) -> Iterator[int]:
        """The pictures of this one's size and of other classes, from the next one on."""
        for other in (*range(row + 1, len(self.pictures)), *range(row)):
            same_size = self.pictures[other].shape == self.pictures[row].shape
            if same_size and self.classes[other] != self.classes[row]:
                yield other


def mosaics_of(session: Session, pictures: Sequence[Seen], request: Request, batch_size: int) -> Mosaics | None:
    """What mosaics are laid of: a pass of each picture finds its class. None where it is no class of a whole
    picture that is explained."""
    classes = [NO_CLASS] * len(pictures)
    for batch in batches(pictures, batch_size, "finding classes"):
        target = next(iter(request.of(batch.rows, pictures).targets.values()))
        with batch:
            record = take(session, batch.inputs, (), [target], classes=request.classes, gradients=False)
            bound = record.targets[0]
            if len(record.targets) != 1 or bound.indices is None or bound.region is not None or bound.boxes is not None:
                return None
            for row, index in zip(batch.rows, bound.indices.tolist(), strict=True):
                classes[row] = index
    return Mosaics(pictures, classes)
