"""A small vision transformer that can write its attention in every way that models do, and keeps it where by hand."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
KEPT: list[Tensor] = []
"""The probabilities of the last run whose attention was written by hand."""


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
