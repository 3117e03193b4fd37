"""Logistic regression is at the minimum of its loss, and stays finite where classes separate or channels do not move."""

import math

import numpy as np
import pytest

from featuremaps.survey.measures.logistic_regression import fit_logistic, fit_platt


def cloud(seed: int = 0, pictures: int = 300, channels: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Channels of very different scales; the first three tell the class, with noise."""
    random = np.random.default_rng(seed)
    truth = random.random(pictures) < 0.3
    vectors = random.gamma(2.0, 1.0, (pictures, channels))
    vectors[:, :3] += truth[:, None] * np.array([1.0, 0.5, 2.0])
    return (vectors * 10.0 ** np.arange(-3, channels - 3)).astype(np.float32), truth


def chance(log_odds: float) -> float:
    """A probability from its log-odds."""
    return 1 / (1 + math.exp(-log_odds))


@pytest.mark.parametrize("strength", [0.0, 0.1, 1.0, 30.0])
def test_no_slope_is_left_in_the_penalised_loss(strength: float) -> None:
    """Its derivative by each standardised weight w and by the bias, summed over the pictures one by one, is 0."""
    vectors, truth = cloud()
    weights, bias = fit_logistic(vectors, truth, strength)
    mean, deviation = vectors.astype(float).mean(0), vectors.astype(float).std(0)
    slopes, of_bias = strength * weights * deviation, 0.0
    for vector, positive in zip(vectors.astype(float), truth, strict=True):
        error = chance(float(vector @ weights + bias)) - positive
        slopes += error * (vector - mean) / deviation
        of_bias += error
    np.testing.assert_allclose(slopes, 0.0, atol=1e-6)
    assert of_bias == pytest.approx(0.0, abs=1e-6)  # the free bias matches the share


def test_a_channel_in_other_units_changes_nothing() -> None:
    vectors, truth = cloud()
    (found, _), (doubled, _) = fit_logistic(vectors, truth), fit_logistic(vectors * 2 + 5, truth)
    np.testing.assert_allclose(doubled * 2, found, rtol=1e-3)


def test_a_channel_that_never_moves_gets_no_weight() -> None:
    vectors, truth = cloud()
    vectors[:, 4] = 7.0
    weights, _ = fit_logistic(vectors, truth)
    assert weights[4] == 0.0
    assert np.isfinite(weights).all()


def test_perfect_separation_stays_finite() -> None:
    truth = np.arange(20) >= 10
    scores = np.where(truth, 5.0, 1.0) + np.linspace(0, 0.1, 20)
    slope, offset = fit_platt(scores, truth)
    assert 0 < slope < 100
    chances = np.array([chance(slope * score + offset) for score in scores])
    assert chances[truth].min() > 0.8
    assert chances[~truth].max() < 0.2
    assert np.isfinite(fit_logistic(scores[:, None].astype(np.float32), truth)[0]).all()


def test_platt_is_at_the_minimum_of_its_loss() -> None:
    """Platt 1999, eq. 3 with the targets of section 2.2, by loops: its derivatives by slope and offset are 0."""
    vectors, truth = cloud(3)
    scores = vectors[:, 2].astype(float)
    slope, offset = fit_platt(scores, truth)
    positives, of_slope, of_offset = sum(truth), 0.0, 0.0
    for score, positive in zip(scores, truth, strict=True):
        target = (positives + 1) / (positives + 2) if positive else 1 / (len(truth) - positives + 2)
        error = chance(slope * score + offset) - target
        of_slope += error * score
        of_offset += error
    assert (of_slope, of_offset) == pytest.approx((0.0, 0.0), abs=1e-6)


def test_scores_that_are_all_alike_say_only_how_common_the_class_is() -> None:
    truth = np.array([True, False, False, False])
    slope, offset = fit_platt(np.full(4, 0.7), truth)
    assert slope == 0.0
    assert chance(offset) == pytest.approx((2 / 3 + 3 * 1 / 5) / 4)
