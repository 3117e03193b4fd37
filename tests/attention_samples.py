"""A small vision transformer that can write its attention in every way that models do, and keeps it where by hand."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
KEPT: list[Tensor] = []
"""The probabilities of the last run whose attention was written by hand."""
Matrix = list[list[float]]
TOKENS = 25
"""How many tokens the transformer has."""


def by_hand(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    logits = query @ key.mT / query.shape[-1] ** 0.5
    weights = logits.exp() / logits.exp().sum(-1, keepdim=True)
    weights.retain_grad()
    KEPT.append(weights)
    return weights @ value


def functional(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.softmax(query @ key.mT / query.shape[-1] ** 0.5, dim=-1) @ value


def in_place_after(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(3)
    return weights.mul_(1.0) @ value


class TinyViT(nn.Module):
    """Two layers of attention over 4×6 patches and a class token; `attend` says how the attention is written.

    With `pooled` the score is read from the mean of the patches, else from the class token.
    """

    def __init__(self, attend: Attend, pooled: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.first = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        self.mix = nn.ModuleList(nn.Linear(8, 24) for _ in range(2))
        self.grow = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.norm = nn.LayerNorm(8)
        self.head, self.attend, self.pooled = nn.Linear(8, 5), attend, pooled

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.first.expand(len(x), 1, 8), tokens], 1)
        for mix, grow in zip(self.mix, self.grow, strict=True):
            query, key, value = mix(tokens).view(len(x), -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
            tokens = tokens + self.attend(query, key, value).transpose(1, 2).flatten(2)
            tokens = tokens + F.relu(grow(tokens))
        tokens = self.norm(tokens)
        return self.head(tokens[:, 1:].mean(1) if self.pooled else tokens[:, 0])


def tiny_vit() -> TinyViT:
    """One for the command line, of pictures of 16 × 24 pixels."""
    return TinyViT(F.scaled_dot_product_attention)


def kept(x: Tensor, target: int, pooled: bool = False) -> tuple[list[Tensor], list[Tensor]]:
    """One picture: each layer's attention (head, query, key) and the score's gradient there."""
    KEPT.clear()
    TinyViT(by_hand, pooled).double()(x[None])[0, target].backward()
    gradients = [each.grad for each in KEPT]
    return [each.detach()[0] for each in KEPT], [each[0] for each in gradients if each is not None]


def product(left: Matrix, right: Matrix) -> Matrix:
    return [[sum(row[k] * right[k][j] for k in range(TOKENS)) for j in range(TOKENS)] for row in left]


def drawn(row: list[float], size: tuple[int, int]) -> Tensor:
    """A row's patches, without the class token, over the picture."""
    patches = torch.tensor(row[1:], dtype=torch.float64).view(1, 1, 4, 6)
    return F.interpolate(patches, size, mode="bilinear")[0]
