"""A group of channels whose activations are added up in every picture, and how well the sum tells a class apart."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from featuremaps.survey.measures.auc import Area
from featuremaps.survey.measures.roc import Threshold


@dataclass(frozen=True, eq=False)
class SummedGroup:
    """The sum of `channels` in every picture.

    `label` is the number of the class that the group is called after, None where there is no such class; `area` and
    `threshold` tell how well the sum separates it, None where that was not measured.
    """

    name: str
    channels: tuple[int, ...]
    sums: Float[np.ndarray, " picture"]
    label: int | None
    area: Area | None
    threshold: Threshold | None
