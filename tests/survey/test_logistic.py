"""Newton's method finds what scikit-learn finds, and stays finite where classes separate or channels do not move."""

import numpy as np
import pytest

from featuremaps.survey.logistic import chances, fit_logistic, fit_platt


def cloud(seed: int = 0, pictures: int = 300, channels: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Channels of very different scales; the first three tell the class, with noise."""
    random = np.random.default_rng(seed)
    truth = random.random(pictures) < 0.3
    vectors = random.gamma(2.0, 1.0, (pictures, channels))
    vectors[:, :3] += truth[:, None] * np.array([1.0, 0.5, 2.0])
    return (vectors * 10.0 ** np.arange(-3, channels - 3)).astype(np.float32), truth


@pytest.mark.parametrize("strength", [0.1, 1.0, 30.0])
def test_the_weights_are_those_of_scikit_learn(strength: float) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    vectors, truth = cloud()
    found = fit_logistic(vectors, truth, strength)
    mean, deviation = vectors.astype(float).mean(0), vectors.astype(float).std(0)
    oracle = linear.LogisticRegression(C=1 / strength, tol=1e-12, max_iter=10_000)
    oracle.fit((vectors - mean) / deviation, truth)
    np.testing.assert_allclose(found.weights * deviation, oracle.coef_[0], rtol=1e-4, atol=1e-6)
    odds = vectors.astype(float) @ found.weights + found.bias
    np.testing.assert_allclose(odds, oracle.decision_function((vectors - mean) / deviation), atol=1e-4)
    np.testing.assert_allclose(chances(odds).mean(), truth.mean(), atol=1e-9)  # the free bias matches the share


def test_a_channel_in_other_units_changes_nothing() -> None:
    vectors, truth = cloud()
    found, doubled = fit_logistic(vectors, truth), fit_logistic(vectors * 2 + 5, truth)
    np.testing.assert_allclose(doubled.weights * 2, found.weights, rtol=1e-3)


def test_a_channel_that_never_moves_gets_no_weight() -> None:
    vectors, truth = cloud()
    vectors[:, 4] = 7.0
    found = fit_logistic(vectors, truth)
    assert found.weights[4] == 0.0
    assert np.isfinite(found.weights).all()


def test_perfect_separation_stays_finite() -> None:
    truth = np.arange(20) >= 10
    scores = np.where(truth, 5.0, 1.0) + np.linspace(0, 0.1, 20)
    slope, offset = fit_platt(scores, truth)
    assert 0 < slope < 100
    odds = chances(slope * scores + offset)
    assert odds[truth].min() > 0.8
    assert odds[~truth].max() < 0.2
    assert np.isfinite(fit_logistic(scores[:, None].astype(np.float32), truth).weights).all()


def test_platt_is_that_of_scikit_learn() -> None:
    calibration = pytest.importorskip("sklearn.calibration")
    vectors, truth = cloud(3)
    scores = vectors[:, 2].astype(float)
    slope, offset = fit_platt(scores, truth)
    a, b = calibration._sigmoid_calibration(scores, truth.astype(int))
    assert (slope, offset) == pytest.approx((-a, -b), rel=1e-4)


def test_scores_that_are_all_alike_say_only_how_common_the_class_is() -> None:
    truth = np.array([True, False, False, False])
    slope, offset = fit_platt(np.full(4, 0.7), truth)
    assert slope == 0.0
    assert chances(np.array([offset]))[0] == pytest.approx((2 / 3 + 3 * 1 / 5) / 4)


def test_chances_do_not_overflow() -> None:
    np.testing.assert_array_equal(chances(np.array([-1e5, 0.0, 1e5])), [0.0, 0.5, 1.0])
