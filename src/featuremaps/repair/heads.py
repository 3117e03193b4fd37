"""Last layers trained anew on features: pure formulas of features, labels, weights of pictures, and a penalty."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Features = Float[Tensor, "picture feature"]
Labels = Int[Tensor, " picture"]
ROUNDS = 60


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
    spread = features.double().std(0).clamp_min(1e-8)
    scaled = features.double() / spread
    start = anchor.double() * spread
    weight, offset = start.clone().requires_grad_(), bias.double().clone().requires_grad_()
    optimiser = torch.optim.LBFGS([weight, offset], max_iter=ROUNDS, line_search_fn="strong_wolfe")
    share = weights.double() / weights.sum()

    def loss() -> Tensor:
        optimiser.zero_grad()
        entropy = torch.nn.functional.cross_entropy(scaled @ weight.T + offset, labels, reduction="none")
        total = (share * entropy).sum() + penalty * (weight - start).square().sum()
        total.backward()
        return total

    with torch.enable_grad():
        optimiser.step(loss)
    return (weight.detach() / spread).to(anchor), offset.detach().to(bias)


def balanced(labels: Labels, present: Bool[Tensor, " picture"]) -> Float[Tensor, " picture"]:
    """Weights with which every group, a label with or without it, counts alike: deep feature reweighting.

    DFR (Kirichenko, Izmailov & Wilson 2023, section 4), by weights in the place of subsets.
    """
    return _alike(2 * labels + present.long())


def hard(labels: Labels, probability: Float[Tensor, " picture"], strength: float) -> Float[Tensor, " picture"]:
    """Weights that grow where the model gives a picture's own class little: automatic feature reweighting.

    AFR (Qiu, Potapczynski, Izmailov & Wilson 2023, eq. 2): β exp(−γ p), each class counting alike; needs no groups.
    """
    return _alike(labels) * torch.exp(-strength * probability.double())


def _alike(groups: Int[Tensor, " picture"]) -> Float[Tensor, " picture"]:
    counts = torch.bincount(groups).clamp_min(1)
    return (1.0 / counts.double())[groups]
