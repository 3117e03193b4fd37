"""Rollout and relevance beside plain loops written from the papers, in float64, on a ViT of two blocks."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from attention_samples import TOKENS, Matrix, TinyViT, drawn, kept, product
from featuremaps.errors import MethodError, OptionError
from featuremaps.methods.rollout import attention_rollout, generic_attention
from method_samples import Little, noise
from propagating import Given


def slow_rollout(layers: list[Tensor], heads: str, discard: float, residual: float) -> Matrix:
    """Abnar & Zuidema, eq. 1: each layer's attention with the residual, multiplied from the first layer on."""
    rolled = [[float(i == j) for j in range(TOKENS)] for i in range(TOKENS)]
    for layer in layers:
        every = layer.tolist()
        fuse: Any = {"mean": lambda values: sum(values) / len(values), "max": max, "min": min}[heads]
        matrix = [[fuse([head[i][j] for head in every]) for j in range(TOKENS)] for i in range(TOKENS)]
        order = sorted((matrix[i][j], i, j) for i in range(TOKENS) for j in range(TOKENS))
        for _, i, j in order[: int(discard * len(order))]:
            matrix[i][j] = 0.0
        for i in range(TOKENS):
            matrix[i] = [(1 - residual) * matrix[i][j] + residual * (i == j) for j in range(TOKENS)]
            matrix[i] = [value / sum(matrix[i]) for value in matrix[i]]
        rolled = product(matrix, rolled)
    return rolled


def slow_relevance(layers: list[Tensor], gradients: list[Tensor]) -> Matrix:
    """Chefer et al., ICCV, eq. 5 and 6: R = R + Ā·R, with Ā the mean over heads of the positive part of ∇A ⊙ A."""
    relevance = [[float(i == j) for j in range(TOKENS)] for i in range(TOKENS)]
    for layer, gradient in zip(layers, gradients, strict=True):
        every, slopes = layer.tolist(), gradient.tolist()
        bar = [[0.0] * TOKENS for _ in range(TOKENS)]
        for i in range(TOKENS):
            for j in range(TOKENS):
                for head, slope in zip(every, slopes, strict=True):
                    bar[i][j] += max(head[i][j] * slope[i][j], 0.0) / len(every)
        added = product(bar, relevance)
        relevance = [[relevance[i][j] + added[i][j] for j in range(TOKENS)] for i in range(TOKENS)]
    return relevance


def ours(x: Tensor, target: list[int], method: Any, pooled: bool = False, **options: Any) -> Tensor:
    model = TinyViT(F.scaled_dot_product_attention, pooled).double().eval()
    return Given(model, x, target).run(method, "inputs", "attentions", **options)


@pytest.mark.parametrize(
    ("heads", "discard", "residual"), [("mean", 0.0, 0.5), ("max", 0.3, 0.5), ("min", 0.0, 0.2), ("mean", 0.9, 0.1)]
)
def test_rollout_is_the_papers(heads: str, discard: float, residual: float) -> None:
    x = noise(2, (16, 24)).double()
    found = ours(x, [1, 4], attention_rollout, heads=heads, discard=discard, residual=residual)
    assert found.shape == (2, 1, 16, 24)
    for row, target in enumerate([1, 4]):
        layers, _ = kept(x[row], target)
        expected = drawn(slow_rollout(layers, heads, discard, residual)[0], (16, 24))
        torch.testing.assert_close(found[row], expected, rtol=1e-9, atol=1e-12)


def test_relevance_is_the_papers() -> None:
    x = noise(2, (16, 24)).double()
    found = ours(x, [1, 4], generic_attention)
    for row, target in enumerate([1, 4]):
        expected = drawn(slow_relevance(*kept(x[row], target))[0], (16, 24))
        torch.testing.assert_close(found[row], expected, rtol=1e-9, atol=1e-12)


def test_pooled_patches_are_read_as_the_score_reads_them() -> None:
    x = noise(1, (16, 24)).double()
    layers, gradients = kept(x[0], 2, pooled=True)
    rolled = slow_rollout(layers, "mean", 0.0, 0.5)
    mean = [sum(row[j] for row in rolled[1:]) / 24 for j in range(TOKENS)]
    torch.testing.assert_close(ours(x, [2], attention_rollout, pooled=True)[0], drawn(mean, (16, 24)))
    relevance, strength = slow_relevance(layers, gradients), gradients[-1].abs().sum((0, 2)).tolist()
    assert strength[0] == 0
    weighted = [
        sum(share * row[j] for share, row in zip(strength, relevance, strict=True)) / sum(strength)
        for j in range(TOKENS)
    ]
    torch.testing.assert_close(ours(x, [2], generic_attention, pooled=True)[0], drawn(weighted, (16, 24)))


def test_rollout_is_the_same_for_every_class_and_relevance_is_not() -> None:
    x = noise(1, (16, 24)).double()
    torch.testing.assert_close(ours(x, [0], attention_rollout), ours(x, [3], attention_rollout))
    assert not torch.allclose(ours(x, [0], generic_attention), ours(x, [3], generic_attention), rtol=0.1)


def test_without_residual_and_alike_attention_every_patch_gets_the_same() -> None:
    model = TinyViT(F.scaled_dot_product_attention).eval()
    for mix in model.mix:
        torch.nn.init.zeros_(mix.weight)
        torch.nn.init.ones_(mix.bias)
    found = Given(model, noise(1, (16, 24)), 1).run(attention_rollout, "inputs", "attentions", residual=0.0)
    torch.testing.assert_close(found, torch.full_like(found, 1 / TOKENS))


@pytest.mark.parametrize("options", [{"discard": 1.0}, {"discard": -0.1}, {"residual": 1.5}])
def test_shares_that_are_none(options: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="of attention_rollout is a share"):
        ours(noise(1, (16, 24)).double(), [1], attention_rollout, **options)


@pytest.mark.parametrize("method", [attention_rollout, generic_attention])
def test_a_model_without_attention(method: Any) -> None:
    with pytest.raises(MethodError, match=r"this model has no softmax attention\. Choose grad_cam"):
        Given(Little(), noise(1), 1).run(method, "inputs", "attentions")
