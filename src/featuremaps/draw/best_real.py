"""How far real pictures come: the measure that a drawing is held against."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.draw.drawing import Goal, Real
from featuremaps.errors import ImageError, ModelError
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches

ValuesOfInputs = Callable[[Float[Tensor, "batch channel height width"]], Float[Tensor, "batch objectives"]]
"""From a batch of model inputs to the value of every objective."""
Known = Callable[[str, int], Real | None]
"""From a layer and a channel to the best real picture that is known of it already, from a survey say."""


def best_real(
    values: ValuesOfInputs, pictures: Sequence[Seen], *, batch_size: int = 32, goal: Goal = "maximised"
) -> tuple[Real, ...]:
    """For each objective the best value that a real picture gives, and the picture; the first of equal ones.

    `values` is run under `no_grad` on the model's inputs, those of one size together. Raises `ImageError` without
    pictures, `ModelError` for a value that is not finite.
    """
    if not pictures:
        raise ImageError("real pictures to compare with were asked for, and there are none.")
    by_row: dict[int, Tensor] = {}
    with torch.no_grad():
        for batch in batches(pictures, batch_size, "looking at real pictures"):
            with batch:
                by_row |= zip(batch.rows, values(batch.inputs).detach().float().cpu(), strict=True)
    table = torch.stack([by_row[row] for row in range(len(pictures))])
    bad = (~table.isfinite()).any(1)
    if bool(bad.any()):
        raise ModelError(
            f"{pictures[int(bad.nonzero()[0])].picture.name}: the objective is not finite on this real picture. "
            "scope.maps(picture, 'all') names the first layer where values are not finite."
        )
    best = table.argmax(0) if goal == "maximised" else table.argmin(0)
    return tuple(
        Real(float(table[row, column]), pictures[row].picture.name, len(pictures), pictures[row])
        for column, row in enumerate(best.tolist())
    )
