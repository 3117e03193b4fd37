"""Rollout on the grid of tokens, before anything is enlarged, beside attention that is recomputed step by step.

Of transformers as they are today: fused attention, normed queries and keys, rotary embeddings, fewer heads of keys than
of queries, register tokens.
"""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.plotting.rendering import enlarged

WIDTH, HEADS, SIDE, PIXELS = 32, 4, 4, 16


class Attention(nn.Module):
    """Fused; `seen` is its attention recomputed, (batch, head, query, key)."""

    def __init__(self, key_heads: int, normed: bool, turned: bool) -> None:
        super().__init__()
        each = WIDTH // HEADS
        self.query, self.key, self.value = nn.Linear(WIDTH, WIDTH), *(nn.Linear(WIDTH, key_heads * each) for _ in "kv")
        self.norms = nn.ModuleList(nn.LayerNorm(each) if normed else nn.Identity() for _ in "qk")
        self.out, self.turned, self.seen = nn.Linear(WIDTH, WIDTH), turned, torch.zeros(0)

    def forward(self, tokens: Tensor, prefix: int) -> Tensor:
        query, key, value = (
            layer(tokens).unflatten(2, (-1, WIDTH // HEADS)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        query, key = self.norms[0](query), self.norms[1](key)
        if self.turned:
            query, key = _turned(query, prefix), _turned(key, prefix)
        repeated = key.repeat_interleave(HEADS // key.shape[1], 1)
        self.seen = (query @ repeated.mT / (WIDTH // HEADS) ** 0.5).softmax(-1).detach()
        mixed = F.scaled_dot_product_attention(query, key, value, enable_gqa=key.shape[1] < HEADS)
        return self.out(mixed.transpose(1, 2).flatten(2))


def _turned(heads: Tensor, prefix: int) -> Tensor:
    """Patches turned by their row and column, as RoPE does; what stands before them stays."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    pace = torch.tensor([1.0, 0.3])
    angle = torch.cat([rows.flatten()[:, None] * pace, columns.flatten()[:, None] * pace], 1)
    even, odd = heads[:, :, prefix:, ::2], heads[:, :, prefix:, 1::2]
    pairs = [even * angle.cos() - odd * angle.sin(), even * angle.sin() + odd * angle.cos()]
    return torch.cat([heads[:, :, :prefix], torch.stack(pairs, -1).flatten(-2)], 2)


class Transformer(nn.Module):
    def __init__(self, key_heads: int, normed: bool, turned: bool, registers: int, pooled: bool) -> None:
        super().__init__()
        self.patches, self.pooled, self.prefix = nn.Conv2d(3, WIDTH, 4, 4), pooled, registers + 1
        self.before = nn.Parameter(torch.randn(1, self.prefix, WIDTH))
        self.attentions = nn.ModuleList(Attention(key_heads, normed, turned) for _ in range(3))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))
        self.head = nn.Linear(WIDTH, 5)
        for attention in self.attentions:
            attention.query.weight.data *= 3

    def forward(self, x: Tensor) -> Tensor:
        tokens = torch.cat([self.before.expand(len(x), -1, -1), self.patches(x).flatten(2).mT], 1)
        for norm, attention in zip(self.norms, self.attentions, strict=True):
            tokens = tokens + attention(norm(tokens), self.prefix)
        return self.head(tokens[:, self.prefix :].mean(1) if self.pooled else tokens[:, 0])


def rolled_out(model: Transformer, x: Tensor) -> Tensor:
    """Abnar & Zuidema, eq. 1, float64, on the grid of tokens: (batch, row, column)."""
    model(x)
    rolled = torch.eye(model.prefix + SIDE**2, dtype=torch.float64)
    for attention in model.attentions:
        seen = attention.seen.double().mean(1)
        rolled = (seen + torch.eye(seen.shape[-1]).double()) / 2 @ rolled
    read = rolled[:, model.prefix :].mean(1) if model.pooled else rolled[:, 0]
    return read[:, model.prefix :].unflatten(1, (SIDE, SIDE))


KINDS = {
    "plain": (HEADS, False, False, 0, False),
    "normed queries and keys": (HEADS, True, False, 0, False),
    "rotary": (HEADS, True, True, 0, False),
    "grouped": (2, False, False, 0, False),
    "registers": (HEADS, False, False, 3, False),
    "all of these": (2, True, True, 3, False),
    "all of these, pooled": (1, True, True, 3, True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rollout_of_tokens_is_the_recomputed_one(kind: str) -> None:
    """Enlarging is linear and loses nothing, so the values of the tokens are found back from those of the pixels."""
    torch.manual_seed(1)
    model, x = Transformer(*KINDS[kind]).eval(), torch.rand(2, 3, PIXELS, PIXELS)
    found = torch.stack([torch.as_tensor(each) for each in fm.Scope(model).explain(x, "attention_rollout").values])
    grid = torch.eye(SIDE**2, dtype=torch.float64).view(-1, SIDE, SIDE)
    back = torch.linalg.pinv(enlarged(grid, (PIXELS, PIXELS)).flatten(1).mT)
    tokens = (found.double().sum(1).flatten(1) @ back.mT).unflatten(1, (SIDE, SIDE))
    expected = rolled_out(model, x)
    assert float(expected.std()) > 1e-3
    torch.testing.assert_close(tokens, expected, rtol=1e-5, atol=1e-7)
