"""Reading something of pictures from simple features: channels' means and maxima in the first half of the layers."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

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
        from scipy.linalg import cho_factor

        spread = columns.std(0)
        varies = spread > 1e-6 * np.abs(columns).max(0, initial=1e-12)
        self._columns = ((columns - columns.mean(0)) / np.where(varies, spread, 1))[:, varies].astype(np.float64)
        self._labels, self._within = labels, within(self._columns, labels)
        self._folds = _dealt(labels, generator)
        penalty = PENALTY * self._columns.shape[1] * np.eye(self._columns.shape[1])
        folds = (self._within[self._folds == fold] for fold in range(FOLDS))
        products = np.stack([fold.T @ fold for fold in folds])
        every = products.sum(0) + penalty
        self._solvers = [cho_factor(every - product) for product in products]

    def read(self, targets: Float[np.ndarray, "picture target"]) -> Float[np.ndarray, "picture target"]:
        """What the features say of each target, picture by picture; labels differ in it as the features do."""
        from scipy.linalg import cho_solve

        wanted, said = within(targets.astype(np.float64), self._labels), np.zeros(targets.shape)
        for fold, solver in enumerate(self._solvers):
            rest, here = self._folds != fold, self._folds == fold
            said[here] = self._columns[here] @ cho_solve(solver, self._within[rest].T @ wanted[rest])
        return said


def within(
    values: Float[np.ndarray, "picture column"], labels: Int[np.ndarray, " picture"]
) -> Float[np.ndarray, "picture column"]:
    """Values without the mean of their label."""
    centred = values.astype(np.float64)
    for label in np.unique(labels):
        centred[labels == label] -= values[labels == label].mean(0)
    return centred


def _dealt(labels: Int[np.ndarray, " picture"], generator: np.random.Generator) -> Int[np.ndarray, " picture"]:
    """The fold of each picture, each label's shared out evenly."""
    folds = np.empty(len(labels), int)
    for label in np.unique(labels):
        rows = generator.permutation(np.flatnonzero(labels == label))
        folds[rows] = np.arange(len(rows)) % FOLDS
    return folds


def first_half(layers: Sequence[str]) -> Sequence[str]:
    """The layers that come first, as they run."""
    return layers[: max(1, len(layers) // 2)]
