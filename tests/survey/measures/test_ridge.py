"""Ridge regression by rows or by columns, and folds with a share of every group."""

import numpy as np
import pytest

from featuremaps.survey.measures.folds import dealt
from featuremaps.survey.measures.ridge import Ridge


@pytest.mark.parametrize("shape", [(30, 4), (4, 30), (8, 8)])
def test_weights_are_those_of_the_normal_equations(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    rows, targets = random.normal(size=shape), random.normal(size=(shape[0], 3))
    expected = np.linalg.inv(rows.T @ rows + 0.7 * np.eye(shape[1])) @ rows.T @ targets
    np.testing.assert_allclose(Ridge(rows, 0.7).weights(rows, targets), expected, atol=1e-9)


def test_every_group_is_shared_out_evenly() -> None:
    groups = np.repeat([0, 1, 2], [10, 7, 23])
    folds = dealt(groups, 5, np.random.default_rng(0))
    for group in range(3):
        counts = np.bincount(folds[groups == group], minlength=5)
        assert counts.max() - counts.min() <= 1
