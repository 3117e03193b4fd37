"""Reading something of pictures from simple features: channels' means and maxima in the first half of the layers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from featuremaps.survey.measures.folds import dealt
from featuremaps.survey.measures.ridge import Ridge

FOLDS = 5
PENALTY = 0.1
"""Of the ridge, for every column."""


class Reader:
    """Ridge regression on standardised columns, the labels' means taken out, every picture read by others than itself.

    `columns` (picture, column) are the features. Which picture is in which fold is drawn from the generator.
    """

    def __init__(
        self,
        columns: Float[np.ndarray, "picture column"],
        labels: Int[np.ndarray, " picture"],
        generator: np.random.Generator,
    ) -> None:
        spread = columns.std(0)
        varies = spread > 1e-6 * np.abs(columns).max(0, initial=1e-12)
        self._columns = ((columns - columns.mean(0)) / np.where(varies, spread, 1))[:, varies].astype(np.float64)
        self._labels, self._within = labels, within(self._columns, labels)
        self._folds = dealt(labels, FOLDS, generator)
        penalty = PENALTY * self._columns.shape[1]
        self._ridges = [Ridge(self._within[self._folds != fold], penalty) for fold in range(FOLDS)]

    def read(self, targets: Float[np.ndarray, "picture target"]) -> Float[np.ndarray, "picture target"]:
        """What the features say of each target, picture by picture; labels differ in it as the features do."""
        wanted, said = within(targets.astype(np.float64), self._labels), np.zeros(targets.shape)
        for fold, ridge in enumerate(self._ridges):
            rest, here = self._folds != fold, self._folds == fold
            said[here] = self._columns[here] @ ridge.weights(self._within[rest], wanted[rest])
        return said


def within(
    values: Float[np.ndarray, "picture column"], labels: Int[np.ndarray, " picture"]
) -> Float[np.ndarray, "picture column"]:
    """Values without the mean of their label."""
    centred = values.astype(np.float64)
    for label in np.unique(labels):
        centred[labels == label] -= values[labels == label].mean(0)
    return centred


def first_half(layers: Sequence[str]) -> Sequence[str]:
    """The layers that come first, as they run."""
    return layers[: max(1, len(layers) // 2)]
