"""Attention written out in steps gives what the fused functions give, with every mask and option."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.rules.attention import AttentionProbabilities
from featuremaps.rules.operations import operation_of
from featuremaps.rules.unfused_attention import written_out


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


MASK = torch.tensor([[True, False, True, True, True]]).expand(4, 5)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": 0.3},
        {"attn_mask": MASK},
        {"attn_mask": random(4, 5)},
        {"attn_mask": random(2, 6, 4, 5)},
        {"is_causal": True},
    ],
    ids=["plain", "scale", "mask", "bias", "a bias for each head", "causal"],
)
def test_scaled_dot_product(options: dict[str, Any]) -> None:
    query, key, value = random(2, 6, 4, 8), random(2, 6, 5, 8, seed=1), random(2, 6, 5, 3, seed=2)
    operation = operation_of(F.scaled_dot_product_attention, (query, key, value), options)
    assert operation is not None
    found = written_out(operation)
    assert found is not None
    torch.testing.assert_close(found.result(found.probabilities @ found.values), operation.run())
    torch.testing.assert_close(found.probabilities.sum(-1), torch.ones(2, 6, 4))


def test_grouped_queries_and_arguments_by_name() -> None:
    given = {"query": random(2, 6, 4, 8), "key": random(2, 3, 4, 8, seed=1), "value": random(2, 3, 4, 8, seed=2)}
    operation = operation_of(F.scaled_dot_product_attention, (), {**given, "enable_gqa": True})
    assert operation is not None
    found = written_out(operation)
    assert found is not None
    torch.testing.assert_close(found.probabilities @ found.values, operation.run())


LAYERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "no bias": {"bias": False},
    "added tokens": {"add_bias_kv": True, "add_zero_attn": True},
    "own sizes": {"kdim": 6, "vdim": 10},
    "batch first": {"batch_first": True},
}
CASES = [
    (layer, masks, weights)
    for layer in LAYERS
    for masks in ("none", "mask", "causal", "padding", "both")
    for weights in ("none", "mean", "all")
    # of added tokens under a causal mask torch itself gives another result with and without need_weights
    if (layer, masks, weights) != ("added tokens", "causal", "none")
]


@pytest.mark.parametrize(("layer_options", "masks", "weights"), CASES)
def test_multi_head(layer_options: str, masks: str, weights: str) -> None:
    options = LAYERS[layer_options]
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, **options).eval()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    query, key, value = random(3, 2, 8), random(4, 2, options.get("kdim", 8)), random(4, 2, options.get("vdim", 8))
    if "batch_first" in options:
        query, key, value = query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1)
    padding = torch.tensor([[False, False, True, False], [True, False, False, False]])
    given: dict[str, Any] = {
        "none": {},
        "mask": {"attn_mask": random(3, 4) > 1},
        "causal": {"attn_mask": torch.ones(3, 4).triu(1).bool(), "is_causal": True},
        "padding": {"key_padding_mask": padding},
        "both": {"attn_mask": random(4, 3, 4), "key_padding_mask": torch.zeros(2, 4).masked_fill(padding, -2.0)},
    }[masks]
    given |= {"need_weights": weights != "none", "average_attn_weights": weights == "mean"}
    query = query.detach().requires_grad_()
    expected = layer(query, key, value, **given)
    rule = AttentionProbabilities()
    with rule:
        found = layer(query, key, value, **given)
    torch.testing.assert_close(found, expected)
    assert rule.replaced == {"multi_head_attention": 1}
    assert len(rule.probabilities) == rule.count == 1


def test_a_form_that_is_not_known_is_left_alone() -> None:
    layer = nn.MultiheadAttention(8, 2).eval()
    query = random(3, 8).requires_grad_()
    rule = AttentionProbabilities()
    with rule:
        found = layer(query, query, query)
    torch.testing.assert_close(found, layer(query, query, query))
    assert not rule.replaced
