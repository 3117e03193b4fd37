"""How far real pictures come: the measure that a drawing is held against."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from featuremaps.chunks import in_chunks
from featuremaps.draw.drawing import Goal, Real
from featuremaps.errors import ImageError, ModelError
from featuremaps.sight import Seen

Values = Callable[[Float[Tensor, "batch channel height width"]], Float[Tensor, "batch objectives"]]
"""From a batch of model inputs to the value of every objective."""


def best_real(
    values: Values, pictures: Sequence[Seen], *, batch_size: int = 32, goal: Goal = "maximised"
) -> tuple[Real, ...]:
    """For each objective the best value that a real picture gives, and the picture; the first of equal ones.

    `values` is run under `no_grad` on the model's inputs, those of one size together. Raises `ImageError` without
    pictures, `ModelError` for a value that is not finite.
    """
    if not pictures:
        raise ImageError("real pictures to compare with were asked for, and there are none.")

    def measured(batch: Tensor, rows: list[int]) -> Tensor:
        found = values(batch).detach().float().cpu()
        bad = (~found.isfinite()).any(1)
        if bool(bad.any()):
            name = pictures[rows[int(bad.nonzero()[0])]].picture.name
            raise ModelError(
                f"{name}: the objective is not finite on this real picture. scope.maps(picture, 'all') names the "
                "first layer where values are not finite."
            )
        return found

    with torch.no_grad():
        inputs = [seen.input for seen in pictures]
        chunks = list(in_chunks(inputs, batch_size, measured, "looking at real pictures"))
    order = torch.tensor([row for rows, _ in chunks for row in rows])
    table = torch.cat([found for _, found in chunks])[order.argsort()]
    best = table.argmax(0) if goal == "maximised" else table.argmin(0)
    return tuple(
        Real(float(table[row, column]), pictures[row].picture.name, len(pictures), pictures[row])
        for column, row in enumerate(best.tolist())
    )
