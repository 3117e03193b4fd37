"""Products of two tensors in LRP: a matrix product has its rule however it is written."""

import itertools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.rules.composites import COMPOSITES, LrpSettings
from featuremaps.rules.lrp import Relevance
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
    [
        F.linear,
        lambda p, w: p @ w.T,
        lambda p, w: torch.mm(p, w.T),
        lambda p, w: p.mm(w.T),
        lambda p, w: torch.addmm(w.new_zeros(5), p, w.T),
        lambda p, w: w.mm(p.T).T,
        lambda p, w: torch.inner(p, w),
        lambda p, w: torch.tensordot(p, w, ([1], [1])),
        lambda p, w: torch.einsum("bc,dc->bd", p, w),
        lambda p, w: torch.bmm(p[:, None], w.T.expand(len(p), 8, 5))[:, 0],
    ],
)
def test_a_matrix_product_passes_all_relevance(product: Callable[[Tensor, Tensor], Tensor]) -> None:
    model = Head(product).eval()
    heat = fm.Scope(model).explain(noise(2), "lrp", target=1, composite="epsilon")
    torch.testing.assert_close(heat.tensor.sum((1, 2, 3)), model(noise(2))[:, 1].detach(), rtol=1e-3, atol=1e-4)
    assert heat.warnings == ((),) * 2


def test_a_distance_is_told_of() -> None:
    model = Head(lambda p, w: -torch.cdist(p, w)).eval()
    heat = fm.Scope(model).explain(noise(1), "lrp", target=1, composite="epsilon")
    assert any("has no rule for 1 distance" in note for note in heat.warnings[0])


def factors() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=random, dtype=torch.float64) for shape in ((2, 3, 4), (2, 4, 5)))


def sent(run: Callable[..., Tensor], *operands: Tensor) -> tuple[Tensor, ...]:
    """What a function of several tensors sends each of them, of its own output."""
    leaves = [operand.clone().requires_grad_() for operand in operands]
    with Relevance(COMPOSITES["epsilon"](LrpSettings(epsilon=1e-12))):
        output = run(*leaves)
    return torch.autograd.grad(output, leaves, output.detach())


def halves(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Achtibat et al. 2024, proposition 3.3, of what the product itself is: R_ji = Σ_p A_ji B_ip R_jp / (2 O_jp)."""
    first, second = torch.zeros_like(a), torch.zeros_like(b)
    for batch, row, column in itertools.product(range(a.shape[0]), range(a.shape[1]), range(b.shape[2])):
        output = (a[batch, row] * b[batch, :, column]).sum()
        for inner in range(a.shape[2]):
            part = a[batch, row, inner] * b[batch, inner, column] / (2 * output) * output
            first[batch, row, inner] += part
            second[batch, inner, column] += part
    return first, second


@pytest.mark.parametrize(
    "run",
    [
        torch.matmul,
        torch.bmm,
        lambda a, b: a @ b,
        lambda a, b: torch.einsum("bij,bjk->bik", a, b),
        lambda a, b: torch.einsum("bij,bjk->bik", [a, b]),
        lambda a, b: torch.baddbmm(torch.zeros(5), a, b),
        lambda a, b: torch.stack([F.linear(x, y.mT) for x, y in zip(a, b, strict=True)]),
    ],
)
def test_two_factors_that_vary_get_half_of_their_share_each(run: Callable[..., Tensor]) -> None:
    for found, expected in zip(sent(run, *factors()), halves(*factors()), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_what_is_added_to_a_product_gets_its_own_share() -> None:
    a, b = factors()
    added = torch.rand(5, dtype=torch.float64)
    outputs = added + a @ b
    found = sent(torch.baddbmm, added, a, b)
    torch.testing.assert_close(found[0], 2 * 3 * added, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found[1].sum() + found[2].sum(), (outputs - added).sum(), rtol=1e-6, atol=1e-9)


def test_a_normalising_factor_takes_nothing() -> None:
    x = factors()[0]
    for run in (
        lambda x: x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6),
        lambda x: torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * x,
        lambda x: x * (x.pow(2).mean(-1)[..., None] + 1e-6).pow(-0.5),
        lambda x: x / (x.norm(dim=-1, keepdim=True) + 1e-6),
        lambda x: F.rms_norm(x, (4,)),
        lambda x: F.normalize(x, dim=-1),
    ):
        torch.testing.assert_close(sent(run, x)[0], run(x))


@pytest.mark.parametrize("heads", [None, 2])
def test_what_a_product_gives_may_be_written_over(heads: int | None) -> None:
    def logits(a: Tensor, b: Tensor) -> Tensor:
        if heads is not None:
            a, b = (each[:, None].expand(2, heads, *each.shape[1:]) for each in (a, b))
        product = a @ b
        product *= 0.5
        product += torch.ones(3, 5)
        return product

    first, second = sent(logits, *factors())
    torch.testing.assert_close(first.sum() + second.sum(), logits(*factors()).sum(), rtol=1e-6, atol=1e-9)


def test_what_a_dense_layer_over_tokens_gives_may_be_written_over() -> None:
    tokens = torch.randn(2, 3, 4, dtype=torch.float64)
    for layer in (nn.Linear(4, 5).double(), nn.Linear(4, 5, bias=False).double()):
        (found,) = sent(lambda x, layer=layer: layer(x).mul_(2).add_(1), tokens)
        outputs = 2 * (tokens @ layer.weight.mT) + (1 if layer.bias is None else 1 + 2 * layer.bias)
        share = tokens * ((outputs / (layer(tokens))) @ layer.weight)
        torch.testing.assert_close(found, share.detach(), rtol=1e-6, atol=1e-9)
