"""Reliability beside plain loops, and beside scikit-learn, whose bins hold their upper ends."""

import math

import numpy as np
import pytest
from sklearn import calibration, metrics

from featuremaps.errors import OptionError, SurveyError
from featuremaps.survey.measures.calibration import reliability
from featuremaps.survey.measures.proportions import wilson


def test_bins_error_and_brier_beside_loops() -> None:
    random = np.random.default_rng(0)
    probabilities = np.append(random.random(300), [0.0, 1.0, 0.1, 0.2, 0.5])
    positives = random.random(305) < probabilities**2
    found = reliability(probabilities, positives)
    error = 0.0
    for b in range(10):
        inside = [
            (p, y)
            for p, y in zip(probabilities, positives, strict=True)
            if found.edges[b] <= p < found.edges[b + 1] or (b == 9 and p == 1.0)
        ]
        assert found.counts[b] == len(inside)
        assert found.probabilities[b] == pytest.approx(sum(p for p, _ in inside) / len(inside))
        assert found.shares[b] == pytest.approx(sum(y for _, y in inside) / len(inside))
        assert found.intervals()[b] == wilson(int(found.came_true[b]), len(inside))
        error += len(inside) / 305 * abs(found.shares[b] - found.probabilities[b])
    assert found.expected_error == pytest.approx(error)
    expected = sum((p - y) ** 2 for p, y in zip(probabilities, positives.astype(float), strict=True)) / 305
    assert found.brier == pytest.approx(expected)


def test_beside_sklearn() -> None:
    random = np.random.default_rng(1)
    probabilities = random.random(400)
    positives = random.random(400) < 0.5
    shares, means = calibration.calibration_curve(positives, probabilities, n_bins=5)
    found = reliability(probabilities, positives, 5)
    np.testing.assert_allclose(found.shares, shares)
    np.testing.assert_allclose(found.probabilities, means)
    assert found.brier == pytest.approx(metrics.brier_score_loss(positives, probabilities))


def test_probabilities_that_are_right() -> None:
    found = reliability(np.array([0.0, 0.0, 1.0]), np.array([False, False, True]))
    assert (found.expected_error, found.brier) == (0.0, 0.0)
    assert math.isnan(found.shares[4])
    assert found.intervals()[4] == (0.0, 1.0)


def test_what_is_no_probability() -> None:
    with pytest.raises(SurveyError, match=r"probabilities go from 0 to 1, and these from -1\.0 to 2\.0"):
        reliability(np.array([-1.0, 2.0]), np.array([False, True]))
    with pytest.raises(SurveyError, match="there are no pictures"):
        reliability(np.array([]), np.array([], bool))
    with pytest.raises(OptionError, match="1 or more; got 0"):
        reliability(np.array([0.5]), np.array([True]), 0)
