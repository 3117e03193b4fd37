"""Products of two tensors in LRP: a matrix product has its rule however it is written, and others are told of."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from method_samples import noise


class Head(nn.Module):
    """Mean maps without a bias, then a product with weights, written in some way."""

    def __init__(self, product: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.weight, self.product = (
            nn.Conv2d(3, 8, 3, 1, 1, bias=False),
            nn.Parameter(torch.randn(5, 8)),
            product,
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.product(self.conv(x).relu().mean((2, 3)), self.weight)


@pytest.mark.parametrize(
    "product",
    [F.linear, lambda p, w: p @ w.T, lambda p, w: torch.mm(p, w.T), lambda p, w: p.mm(w.T)],
)
def test_a_matrix_product_passes_all_relevance(product: Callable[[Tensor, Tensor], Tensor]) -> None:
    model = Head(product).eval()
    heat = fm.Scope(model).explain(noise(2), "lrp", target=1, composite="epsilon")
    torch.testing.assert_close(heat.tensor.sum((1, 2, 3)), model(noise(2))[:, 1].detach(), rtol=1e-3, atol=1e-4)
    assert heat.warnings == ((),) * 2


@pytest.mark.parametrize(
    "product",
    [
        lambda p, w: torch.addmm(w.new_zeros(5), p, w.T),
        lambda p, w: w.mm(p.T).T,
        lambda p, w: torch.inner(p, w),
        lambda p, w: torch.tensordot(p, w, ([1], [1])),
        lambda p, w: -torch.cdist(p, w),
    ],
)
def test_other_products_are_told_of(product: Callable[[Tensor, Tensor], Tensor]) -> None:
    heat = fm.Scope(Head(product).eval()).explain(noise(1), "lrp", target=1, composite="epsilon")
    assert any("has no rule for" in note for note in heat.warnings[0])
