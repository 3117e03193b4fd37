"""Running many pictures in batches: those of one size together, and fewer at a time where memory is short."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType

import torch
from torch import Tensor

from featuremaps.errors import ModelError, check_least
from featuremaps.pictures.seen import Seen
from featuremaps.progress import track
from featuremaps.runtime.run_errors import out_of_memory


@dataclass(eq=False)
class Batch:
    """Pictures of one size: `inputs` (batch, channel, height, width), and their places `rows` in the whole list.

    What is done with it stands in a `with` block: where memory runs out there, it comes again in two halves.
    """

    inputs: Tensor
    rows: list[int]
    too_large: bool = False

    def __enter__(self) -> "Batch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not out_of_memory(error):
            return False
        if len(self.rows) == 1:
            raise ModelError("memory ran out on a single picture; use smaller pictures or fewer layers.") from error
        self.too_large = True
        return True


def probe(pictures: Sequence[Seen], most: int | None = None) -> Tensor:
    """The first picture, (batch, channel, *space), as often as pictures run together: a model is looked at with it.

    Most models are looked at with one of these; those made for a fixed number of pictures need as many.
    """
    first = pictures[0].input
    return first.expand(max(1, min(len(pictures), most or len(pictures))), *first.shape)


def batches(pictures: Sequence[Seen], most: int, doing: str) -> Iterator[Batch]:
    """Pictures of equal shape together, at most `most` at a time; `doing` names the progress bar.

    Their inputs are asked for batch by batch.
    """
    check_least("batch_size", most, "how many pictures run together")
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for row, picture in enumerate(pictures):
        by_shape.setdefault(tuple(picture.shape), []).append(row)
    planned = [rows[start : start + most] for rows in by_shape.values() for start in range(0, len(rows), most)]
    for chunk in track(planned, doing):
        pending = [chunk]
        while pending:
            batch = Batch(torch.stack([pictures[row].input for row in pending[0]]), pending.pop(0))
            yield batch
            if batch.too_large:
                half = len(batch.rows) // 2
                pending[:0] = [batch.rows[:half], batch.rows[half:]]
