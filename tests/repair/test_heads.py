"""Last layers trained anew are at the minimum of what they minimise, and weights do what their papers say."""

import numpy as np
import torch

from featuremaps.repair.heads import balanced, fitted, hard


def test_what_is_fitted_is_the_minimum() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(60, 5, generator=generator) * torch.tensor([1.0, 10.0, 0.1, 1.0, 1.0])
    labels, weights = torch.randint(3, (60,), generator=generator), torch.rand(60, generator=generator)
    anchor, bias = torch.randn(3, 5, generator=generator), torch.zeros(3)
    weight, offset = fitted(features, labels, weights, anchor, bias, 0.01)
    spread = features.double().std(0)

    def loss(weight: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        entropy = torch.nn.functional.cross_entropy(features.double() @ weight.T + offset, labels, reduction="none")
        away = (weight - anchor.double()) * spread
        return (weights.double() / weights.double().sum() * entropy).sum() + 0.01 * away.square().sum()

    at = weight.double().requires_grad_(), offset.double().requires_grad_()
    gradients = torch.autograd.grad(loss(*at), at)
    assert max(float(gradient.abs().max()) for gradient in gradients) < 1e-3
    assert loss(*at) < loss(anchor.double(), bias.double())


def test_a_heavy_penalty_leaves_the_layer_as_it_was() -> None:
    features, labels = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 2
    anchor = torch.ones(2, 4)
    weight, _ = fitted(features, labels, torch.ones(20), anchor, torch.zeros(2), 1e6)
    torch.testing.assert_close(weight, anchor, atol=1e-4, rtol=0)


def test_every_group_and_every_class_counts_alike() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 1])
    groups = torch.tensor([1, 1, 1, 0, 3, 2, -1])
    weights = balanced(groups)
    for group in range(4):
        torch.testing.assert_close(weights[groups == group].sum(), torch.tensor(1.0).double())
    assert weights[-1] == 0
    probability = torch.tensor([0.9, 0.9, 0.9, 0.1, 0.5, 0.5, 0.5])
    expected = np.array([1 / 4] * 4 + [1 / 3] * 3) * np.exp(-3 * probability.numpy())
    np.testing.assert_allclose(hard(labels, probability, 3.0), expected, rtol=1e-6)
