"""The weights of a detector, and its calibration: scikit-learn's logistic regression on standardised channels."""

import numpy as np
from jaxtyping import Bool, Float

FREE = 1e-8
"""The penalty of a slope that should have none: it makes that of scores which are all alike 0."""


def fit_logistic(
    vectors: Float[np.ndarray, "picture channel"], truth: Bool[np.ndarray, " picture"], strength: float = 1.0
) -> tuple[Float[np.ndarray, " channel"], float]:
    """L2-regularised logistic regression on standardised channels: weights and bias for the channels as they are.

    `weights @ x + bias` is the logarithm of the odds that `x` is positive. Minimises the summed log-loss plus
    `strength`/2 times the squared norm of the standardised weights; the bias is free. A channel that never changes gets
    the weight 0.
    """
    return _fitted(vectors, truth, np.ones(len(truth)), strength)


def fit_platt(scores: Float[np.ndarray, " picture"], truth: Bool[np.ndarray, " picture"]) -> tuple[float, float]:
    """Slope and offset that turn a score into the log-odds of being positive (Platt 1999, section 2.2).

    The targets are Platt's, drawn in from 0 and 1, so that scores which separate perfectly stay finite: every picture
    counts as a positive by its target, and as a negative by the rest. Scores that are all alike get the slope 0.
    """
    positives = int(truth.sum())
    targets = np.where(truth, (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2))
    both = np.repeat([True, False], len(truth))
    weights, offset = _fitted(np.tile(scores, 2)[:, None], both, np.append(targets, 1 - targets), FREE)
    return float(weights[0]), offset


def _fitted(
    vectors: Float[np.ndarray, "row channel"],
    truth: Bool[np.ndarray, " row"],
    shares: Float[np.ndarray, " row"],
    strength: float,
) -> tuple[Float[np.ndarray, " channel"], float]:
    """Weights and bias; each row counts by its share."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    vectors = vectors.astype(np.float64)
    scaler = StandardScaler().fit(vectors)
    model = LogisticRegression(C=1 / (strength or FREE), solver="newton-cholesky", tol=1e-10)
    model.fit(scaler.transform(vectors), truth, shares)
    weights = model.coef_[0] / scaler.scale_
    return weights, float(model.intercept_[0] - scaler.mean_ @ weights)
