"""Last layers trained anew on features: pure formulas of features, labels, weights of pictures, and a penalty."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

Features = Float[Tensor, "picture feature"]
Labels = Int[Tensor, " picture"]
ROUNDS = 300


def fitted(
    features: Features,
    labels: Labels,
    weights: Float[Tensor, " picture"],
    anchor: Float[Tensor, "output feature"],
    bias: Float[Tensor, " output"],
    penalty: float,
) -> tuple[Float[Tensor, "output feature"], Float[Tensor, " output"]]:
    """Weights and biases of a last layer that has the least weighted cross entropy, and a ridge around `anchor`.

    Features are measured in their own spread, so that the penalty means the same for each. L-BFGS in float64.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    spread = features.double().std(0).clamp_min(1e-8).numpy()
    scaled, truth = features.double().numpy() / spread, labels.numpy()
    share = (weights.double() / weights.double().sum()).numpy()
    start = np.concatenate([anchor.double().numpy() * spread, bias.double().numpy()[:, None]], 1)
    rows = np.arange(len(scaled))

    def loss(flat: Float[np.ndarray, " parameter"]) -> tuple[float, Float[np.ndarray, " parameter"]]:
        layer = flat.reshape(start.shape)
        logarithms = log_softmax(scaled @ layer[:, :-1].T + layer[:, -1], 1)
        away = layer[:, :-1] - start[:, :-1]
        total = -float(share @ logarithms[rows, truth]) + penalty * float((away**2).sum())
        wrong = np.exp(logarithms)
        wrong[rows, truth] -= 1
        wrong *= share[:, None]
        slope = np.concatenate([wrong.T @ scaled + 2 * penalty * away, wrong.sum(0)[:, None]], 1)
        return total, slope.ravel()

    best = minimize(loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": ROUNDS})
    layer = torch.from_numpy(best.x.reshape(start.shape))
    return (layer[:, :-1] / torch.from_numpy(spread)).to(anchor), layer[:, -1].to(bias)


def balanced(groups: Int[Tensor, " picture"]) -> Float[Tensor, " picture"]:
    """Weights with which every group counts alike, and pictures of none (−1) not at all: deep feature reweighting.

    DFR (Kirichenko, Izmailov & Wilson 2023, section 4), by weights in the place of subsets.
    """
    weights = torch.zeros(len(groups), dtype=torch.float64)
    weights[groups >= 0] = _alike(groups[groups >= 0])
    return weights


def hard(labels: Labels, probability: Float[Tensor, " picture"], strength: float) -> Float[Tensor, " picture"]:
    """Weights that grow where the model gives a picture's own class little: automatic feature reweighting.

    AFR (Qiu, Potapczynski, Izmailov & Wilson 2023, eq. 2): β exp(−γ p), each class counting alike; needs no groups.
    """
    return _alike(labels) * torch.exp(-strength * probability.double())


def _alike(groups: Int[Tensor, " picture"]) -> Float[Tensor, " picture"]:
    counts = torch.bincount(groups).clamp_min(1)
    return (1.0 / counts.double())[groups]
