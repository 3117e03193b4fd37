"""Which pictures are held out together: folds in which every group has its share."""

import numpy as np
from jaxtyping import Int


def dealt(
    groups: Int[np.ndarray, " picture"], folds: int, generator: np.random.Generator
) -> Int[np.ndarray, " picture"]:
    """The fold of each picture, from 0, each group's shared out evenly at random."""
    fold_of = np.empty(len(groups), int)
    for group in np.unique(groups):
        rows = generator.permutation(np.flatnonzero(groups == group))
        fold_of[rows] = np.arange(len(rows)) % folds
    return fold_of
