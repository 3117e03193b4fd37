"""Logistic regression by Newton's method in double precision: the weights of a detector, and its calibration.

Deterministic, and small enough not to need another library; the figures agree with scikit-learn's.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

STEPS = 100
CLOSE = 1e-10


@dataclass(frozen=True, eq=False)
class LogOdds:
    """`weights @ x + bias` is the logarithm of the odds that `x` is positive."""

    weights: Float[np.ndarray, " channel"]
    bias: float


def fit_logistic(
    vectors: Float[np.ndarray, "picture channel"], truth: Bool[np.ndarray, " picture"], strength: float = 1.0
) -> LogOdds:
    """L2-regularised logistic regression on standardised channels, expressed in the channels as they are.

    Minimises the summed log-loss plus `strength`/2 times the squared norm of the standardised weights; the bias is
    free. A channel that never changes gets the weight 0.
    """
    vectors = vectors.astype(np.float64)
    mean, deviation = vectors.mean(0), vectors.std(0)
    scale = np.where(deviation > 0, deviation, 1.0)
    found = _newton((vectors - mean) / scale, truth.astype(np.float64), strength)
    weights = np.where(deviation > 0, found.weights / scale, 0.0)
    return LogOdds(weights, float(found.bias - mean @ weights))


def fit_platt(scores: Float[np.ndarray, " picture"], truth: Bool[np.ndarray, " picture"]) -> tuple[float, float]:
    """Slope and offset that turn a score into the log-odds of being positive (Platt 1999, section 2.2).

    The targets are Platt's, drawn in from 0 and 1, so that scores which separate perfectly stay finite. Scores that
    are all alike get the slope 0.
    """
    positives = int(truth.sum())
    high, low = (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2)
    scores = scores.astype(np.float64)
    mean, deviation = float(scores.mean()), float(scores.std())
    if deviation <= 1e-12 * max(1.0, abs(mean)):
        share = float(np.where(truth, high, low).mean())
        return 0.0, float(np.log(share / (1 - share)))
    found = _newton(((scores - mean) / deviation)[:, None], np.where(truth, high, low), 0.0)
    slope = float(found.weights[0]) / deviation
    return slope, found.bias - slope * mean


def chances(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds as probabilities, without overflow at either end."""
    shrunk = np.exp(-np.abs(log_odds))
    return np.asarray(np.where(log_odds >= 0, 1 / (1 + shrunk), shrunk / (1 + shrunk)))


def _newton(features: NDArray[np.float64], targets: NDArray[np.float64], strength: float) -> LogOdds:
    """Newton steps, each halved until it improves; the problem is convex, so where they end is the optimum."""
    design = np.hstack([features, np.ones((len(features), 1))])
    penalty = np.full(design.shape[1], strength)
    penalty[-1] = 0.0
    theta = np.zeros(design.shape[1])
    loss = _loss(design, targets, penalty, theta)
    for _ in range(STEPS):
        share = chances(design @ theta)
        gradient = design.T @ (share - targets) + penalty * theta
        curvature = (design.T * (share * (1 - share))) @ design + np.diag(penalty + 1e-12)
        step = np.linalg.solve(curvature, gradient)
        for _ in range(40):
            new = _loss(design, targets, penalty, theta - step)
            if new <= loss:
                break
            step = step / 2
        else:
            break
        theta, loss = theta - step, new
        if float(np.abs(step).max()) < CLOSE:
            break
    return LogOdds(theta[:-1], float(theta[-1]))


def _loss(
    design: NDArray[np.float64], targets: NDArray[np.float64], penalty: NDArray[np.float64], theta: NDArray[np.float64]
) -> float:
    odds = design @ theta
    return float((np.logaddexp(0.0, odds) - targets * odds).sum() + (penalty * theta**2).sum() / 2)
