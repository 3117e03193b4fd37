"""Relevance of values that are read off a map at places of a grid, and of deformable attention, which does so."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import Tensor, nn

from featuremaps.rules.composites import COMPOSITES, LrpSettings
from featuremaps.rules.lrp import Relevance
from relevance_samples import propagator
from transformer_families import small_rt_detr


def rule(epsilon: float = 1e-12) -> Relevance:
    return Relevance(COMPOSITES["epsilon"](LrpSettings(epsilon=epsilon)))


def inputs() -> tuple[Tensor, Tensor]:
    """A map (2, 3, 4, 5) and places (2, 3, 2, 2), some of them beyond its edges."""
    random = torch.Generator().manual_seed(0)
    map = torch.randn(2, 3, 4, 5, generator=random, dtype=torch.float64)
    return map, 2.4 * torch.rand(2, 3, 2, 2, generator=random, dtype=torch.float64) - 1.2


def by_loops(map: Tensor, grid: Tensor, arriving: Tensor) -> Tensor:
    """Each value's share in what is read, bilinear weight times value over the sum of these, of what arrives there."""
    height, width = map.shape[2:]
    received = torch.zeros_like(map)
    for item, row, column in itertools.product(range(len(map)), *map_range(grid)):
        x, y = (float((grid[item, row, column, i] + 1) / 2 * side - 0.5) for i, side in enumerate((width, height)))
        corners = itertools.product((math.floor(y), math.floor(y) + 1), (math.floor(x), math.floor(x) + 1))
        weights = {
            (i, j): (1 - abs(y - i)) * (1 - abs(x - j)) for i, j in corners if 0 <= i < height and 0 <= j < width
        }
        for channel in range(map.shape[1]):
            total = sum(weight * map[item, channel, i, j] for (i, j), weight in weights.items())
            for (i, j), weight in weights.items():
                part = weight * map[item, channel, i, j] / total
                received[item, channel, i, j] += part * arriving[item, channel, row, column]
    return received


def map_range(grid: Tensor) -> tuple[range, range]:
    return range(grid.shape[1]), range(grid.shape[2])


@pytest.mark.parametrize(
    "run",
    [
        lambda map, grid: F.grid_sample(map, grid, align_corners=False),
        lambda map, grid: F.grid_sample(grid=grid, input=map, align_corners=False),
        lambda map, grid: torch.grid_sampler(map, grid, 0, 0, False),
        lambda map, grid: torch.grid_sampler_2d(map, grid, 0, 0, False),
    ],
    ids=["by position", "by name", "grid_sampler", "grid_sampler_2d"],
)
def test_the_map_gets_its_shares_and_the_grid_nothing(run: Callable[[Tensor, Tensor], Tensor]) -> None:
    map, grid = (each.requires_grad_() for each in inputs())
    acting = rule()
    with acting:
        output = run(map, grid)
    arriving = torch.randn(output.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found, of_grid = torch.autograd.grad(output, (map, grid), arriving, allow_unused=True)
    assert of_grid is None
    torch.testing.assert_close(found, by_loops(map.detach(), grid.detach(), arriving), rtol=1e-7, atol=1e-9)
    assert acting.warning() is None


def test_a_constant_map_read_at_places_that_vary_gives_constants() -> None:
    map, grid = inputs()
    with rule():
        assert not F.grid_sample(map, grid.requires_grad_(), align_corners=False).requires_grad


class Deformable(nn.Module):
    """Deformable attention of the places of a map to itself (Zhu et al. 2021, eq. 2), around it a skip connection."""

    def __init__(self, *, bias: bool, fixed: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.fixed = nn.Conv2d(3, 8, 4, 4, bias=bias), fixed
        self.values, self.out = nn.Linear(8, 8, bias=bias), nn.Linear(8, 8, bias=bias)
        self.steps, self.weights = nn.Linear(8, 2 * 3 * 2), nn.Linear(8, 2 * 3, bias=bias)
        self.head = nn.Linear(8, 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        map = self.first(x).relu()
        batch, _, height, width = map.shape
        tokens = map.flatten(2).mT
        values = self.values(tokens).view(batch, -1, 2, 4).permute(0, 2, 3, 1).reshape(batch * 2, 4, height, width)
        axes = [torch.linspace(-1, 1, side, dtype=x.dtype) for side in (height, width)]
        own = torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], -1).view(1, -1, 1, 1, 2)
        places = own + 0.2 * self.steps(tokens).view(batch, -1, 2, 3, 2)
        grid = places.permute(0, 2, 1, 3, 4).flatten(0, 1)
        read = F.grid_sample(values, grid, align_corners=False)
        weights = self.weights(tokens * 0 + 1 if self.fixed else tokens)
        weights = weights.detach() if self.fixed else weights
        weights = weights.view(batch, -1, 2, 3).softmax(3).permute(0, 2, 1, 3).reshape(batch * 2, 1, -1, 3)
        mixed = (read * weights).sum(-1).view(batch, 8, -1).mT
        return self.head((tokens + self.out(mixed)).mean(1))


@pytest.mark.parametrize("bias", [True, False])
def test_relevance_through_deformable_attention_adds_up_to_the_score(bias: bool) -> None:
    """All of it is at the picture, or was kept by biases and by softmax's offset; without either all is."""
    pictures = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model, acting = Deformable(bias=bias, fixed=False).double(), rule(1e-9)
    arrived = propagator(model, pictures, 1)(acting)
    score = model(pictures)[:, 1].detach().sum()
    torch.testing.assert_close(arrived.sum() + acting.ledger.total(), score, rtol=1e-3, atol=0)
    assert set(acting.ledger.kept) <= {"biases", "softmax"}
    assert (acting.warning(), acting.missing < 1e-3) == (None, True)
    held, acting = Deformable(bias=False, fixed=True).double(), rule(1e-9)
    arrived = propagator(held, pictures, 1)(acting)
    torch.testing.assert_close(arrived.sum((1, 2, 3)), held(pictures)[:, 1].detach(), rtol=1e-3, atol=1e-6)
    assert arrived.abs().flatten(1).amax(1).min() > 0


def scored(model: Any) -> nn.Module:
    """A detector as a model of one score a picture: that of the surest query."""

    class Surest(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            logits = model(x).logits.flatten(1)
            return logits.gather(1, logits.argmax(1, keepdim=True))

    return Surest()


def test_a_real_detector_with_deformable_attention_is_accounted_for() -> None:
    torch.manual_seed(0)
    model = small_rt_detr().eval().double()
    assert isinstance(model, transformers.RTDetrForObjectDetection)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(weight.numel()))
    pictures = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    acting = rule(1e-9)
    arrived = propagator(scored(model), pictures, 0)(acting)
    score = scored(model)(pictures).detach().sum()
    torch.testing.assert_close(arrived.sum() + acting.ledger.total(), score, rtol=1e-3, atol=0)
    assert (acting.warning(), bool(arrived.any())) == (None, True)
