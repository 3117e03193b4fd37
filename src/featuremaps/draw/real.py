"""How far real pictures come: the measure that a drawing is held against."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from featuremaps.chunks import in_chunks
from featuremaps.draw.drawing import Goal, Real
from featuremaps.errors import ImageError, ModelError
from featuremaps.images import Picture
from featuremaps.sight import Seen, see
from featuremaps.view import Preprocessing

Values = Callable[[Float[Tensor, "batch channel height width"]], Float[Tensor, "batch objectives"]]
"""From a batch of model inputs to the value of every objective."""


@runtime_checkable
class Ranked(Protocol):
    """A picture among a unit's strongest: its row among those of a survey, and the value."""

    @property
    def row(self) -> int:
        """The row."""

    @property
    def value(self) -> float:
        """The value."""


@runtime_checkable
class Surveyed(Protocol):
    """What a survey of the same model already knows: the strongest pictures of its units, by their mean."""

    @property
    def layers(self) -> Mapping[str, object]:
        """The layers that were surveyed."""

    @property
    def pictures(self) -> Any:
        """The pictures, with their `names`."""

    def top(self, unit: str, n: int = 9, *, by: Any = "max") -> Sequence[Ranked]:
        """The strongest pictures of a unit."""

    def picture(self, row: int) -> Image.Image:
        """One of the pictures."""


def best_surveyed(survey: Surveyed, layer: str, channel: int, preprocessing: Preprocessing) -> Real | None:
    """The best picture that a survey knows of a channel, by the mean of its map; None where the layer is not in it."""
    if layer not in survey.layers:
        return None
    best = survey.top(f"{layer}:{channel}", 1, by="mean")[0]
    names = survey.pictures.names
    try:
        seen = see(Picture(names[best.row], image=survey.picture(best.row)), preprocessing).seen[0]
    except ImageError:  # the value is known all the same
        seen = None
    return Real(float(best.value), names[best.row], len(names), seen)


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
