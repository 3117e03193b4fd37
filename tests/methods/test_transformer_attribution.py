"""Transformer attribution beside plain loops written from the papers, in float64, on a ViT of two blocks."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from attention_samples import TOKENS, Attend, Matrix, TinyViT, drawn, functional, in_place_after, kept, product
from featuremaps.errors import MethodError
from featuremaps.methods.transformer_attribution import transformer_attribution
from featuremaps.rules.attention_relevance import AttentionRelevance
from featuremaps.rules.composites import COMPOSITES, LrpSettings
from method_samples import Little, noise
from propagating import Given, propagator

EPSILON = 1e-6


def ours(x: Tensor, target: int | list[int], attend: Attend = F.scaled_dot_product_attention, **options: Any) -> Tensor:
    model = TinyViT(attend).to(x.dtype).eval()
    return Given(model, x, target).run(transformer_attribution, "inputs", "attentions", "propagate", **options)


def over(value: float, total: float) -> float:
    """Divided, with the divisor kept off zero."""
    return value / (total + (EPSILON if total >= 0 else -EPSILON))


def dense(x: Matrix, layer: nn.Linear, arriving: Matrix) -> Matrix:
    """Chefer et al., CVPR, eq. 4: only contributions x·w above zero count; with the bias, where that is."""
    weight, bias = layer.weight.tolist(), layer.bias.tolist()
    received = [[0.0] * len(row) for row in x]
    for token, row in enumerate(x):
        for j, weights in enumerate(weight):
            parts = [max(value * w, 0.0) for value, w in zip(row, weights, strict=True)]
            total = sum(parts) + max(bias[j], 0.0)
            for i, part in enumerate(parts):
                received[token][i] += over(part * arriving[token][j], total)
    return received


def summed(one: Matrix, other: Matrix, arriving: Matrix) -> tuple[Matrix, Matrix]:
    """AttnLRP, eq. 8: to two terms in proportion."""
    places = [[(i, j) for j in range(len(one[0]))] for i in range(len(one))]
    shares = [
        [[over(term[i][j] * arriving[i][j], one[i][j] + other[i][j]) for i, j in row] for row in places]
        for term in (one, other)
    ]
    return shares[0], shares[1]


def added(one: Matrix, other: Matrix) -> Matrix:
    return [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)]


def multiplied(a: Matrix, b: Matrix, arriving: Matrix) -> tuple[Matrix, Matrix]:
    """AttnLRP, proposition 3.3: each factor of a product of matrices gets half of its contributions' share."""
    first, second = [[0.0] * len(b) for _ in a], [[0.0] * len(b[0]) for _ in b]
    for j, p in itertools.product(range(len(a)), range(len(b[0]))):
        output = sum(a[j][i] * b[i][p] for i in range(len(b)))
        for i in range(len(b)):
            part = over(a[j][i] * b[i][p] * arriving[j][p], output) / 2
            first[j][i] += part
            second[i][p] += part
    return first, second


def transposed(matrix: Matrix) -> Matrix:
    return [list(row) for row in zip(*matrix, strict=True)]


def softmaxed(logits: Matrix, probabilities: Matrix, arriving: Matrix) -> Matrix:
    """AttnLRP, proposition 3.1: R_i = x_i (R_i − s_i Σ_j R_j)."""
    return [
        [x * (r - s * sum(sent)) for x, s, r in zip(row, shares, sent, strict=True)]
        for row, shares, sent in zip(logits, probabilities, arriving, strict=True)
    ]


def normed(x: Matrix, norm: nn.LayerNorm, arriving: Matrix) -> Matrix:
    """AttnLRP, proposition 3.4: a linear function with the deviation held."""
    received = []
    for row, sent in zip(x, arriving, strict=True):
        mean = sum(row) / len(row)
        deviation = (sum((value - mean) ** 2 for value in row) / len(row) + norm.eps) ** 0.5
        outputs = norm(torch.tensor(row, dtype=torch.float64)).tolist()
        shares = [over(w * r, y) / deviation for w, r, y in zip(norm.weight.tolist(), sent, outputs, strict=True)]
        received.append([value * (s - sum(shares) / len(row)) for value, s in zip(row, shares, strict=True)])
    return received


@torch.no_grad()
def relevance(x: Tensor, target: int) -> list[list[Matrix]]:
    """One picture: of each layer and head the relevance at attention (query, key), from 1 at the score of a class."""
    model = TinyViT(functional).double()
    tokens = torch.cat([model.first[0], model.patches(x[None]).flatten(2)[0].T])
    stages = []
    for mix, grow in zip(model.mix, model.grow, strict=True):
        parts = mix(tokens).view(TOKENS, 3, 2, 4).permute(1, 2, 0, 3)
        attended = functional(*parts).transpose(0, 1).flatten(1)
        stages.append((tokens, parts, attended, mix, grow))
        tokens = tokens + attended
        tokens = tokens + F.relu(grow(tokens))
    read = model.norm(tokens).tolist()
    back = [[0.0] * 8 for _ in range(TOKENS)]
    back[0] = dense(read[:1], model.head, [[float(number == target) for number in range(5)]])[0]
    back = normed(tokens.tolist(), model.norm, back)
    layers = []
    for before, parts, attended, mix, grow in reversed(stages):
        middle = before + attended
        stayed, sent = summed(middle.tolist(), F.relu(grow(middle)).tolist(), back)
        stayed, sent = summed(before.tolist(), attended.tolist(), added(stayed, dense(middle.tolist(), grow, sent)))
        heads, packed = [], [[0.0] * 24 for _ in range(TOKENS)]
        for head in range(2):
            query, key, value = (part[head].tolist() for part in parts)
            logits = parts[0, head] @ parts[1, head].T / 2
            probabilities = logits.softmax(1).tolist()
            at_attention, of_value = multiplied(probabilities, value, [row[head * 4 : head * 4 + 4] for row in sent])
            of_logits = softmaxed(logits.tolist(), probabilities, at_attention)
            of_query, of_key = multiplied(query, transposed(key), of_logits)
            for number, part in enumerate((of_query, transposed(of_key), of_value)):
                for token in range(TOKENS):
                    packed[token][number * 8 + head * 4 : number * 8 + head * 4 + 4] = part[token]
            heads.append(at_attention)
        layers.append(heads)
        back = added(stayed, dense(before.tolist(), mix, packed))
    return layers[::-1]


def slow(x: Tensor, target: int) -> Matrix:
    """Chefer et al., CVPR, eq. 13 and 14: the product of I + the mean over heads of the positive part of ∇A ⊙ R."""
    _, gradients = kept(x, target)
    carried = [[float(i == j) for j in range(TOKENS)] for i in range(TOKENS)]
    for heads, gradient in zip(relevance(x, target), gradients, strict=True):
        slopes = gradient.tolist()
        bar = [[float(i == j) for j in range(TOKENS)] for i in range(TOKENS)]
        for i, j, head in itertools.product(range(TOKENS), range(TOKENS), range(2)):
            bar[i][j] += max(slopes[head][i][j] * heads[head][i][j], 0.0) / 2
        carried = product(bar, carried)
    return carried


def test_it_is_the_papers() -> None:
    x = noise(2, (16, 24)).double()
    found = ours(x, [1, 4])
    assert found.shape == (2, 1, 16, 24)
    for row, target in enumerate([1, 4]):
        expected = drawn(slow(x[row], target)[0], (16, 24))
        torch.testing.assert_close(found[row], expected, rtol=1e-7, atol=1e-12)


def test_relevance_begins_with_one_whatever_the_sign_of_the_score() -> None:
    """What is sent back is 1, not the score: the opposite weights share it in the same way."""
    x = noise(1, (16, 24)).double()
    model = TinyViT(F.scaled_dot_product_attention).double().eval()
    arrived = []
    for _ in range(2):
        rule = AttentionRelevance(COMPOSITES["epsilon"](LrpSettings(epsilon=0.0)))
        propagator(model, x, 1)(rule)
        arrived.append(rule.at_attention)
        with torch.no_grad():
            model.head.weight.neg_()
            model.head.bias.neg_()
    for number in (0, 1):
        torch.testing.assert_close(arrived[0][number], arrived[1][number])


def test_the_papers_normalisation_of_products_gives_half_each() -> None:
    """Eq. 3 for each factor of u·v, then eq. 10: scaled to |ΣR_u| / (|ΣR_u| + |ΣR_v|) of what arrives."""
    random = torch.Generator().manual_seed(0)
    sizes = ((5, 5), (5, 3), (5, 3))
    u, v, arriving = (torch.randn(size, generator=random, dtype=torch.float64) for size in sizes)
    share = arriving / (u @ v)
    of_u, of_v = u * (share @ v.T), v * (u.T @ share)
    whole = of_u.sum().abs() + of_v.sum().abs()
    of_u = of_u * of_u.sum().abs() / whole * arriving.sum() / of_u.sum()
    of_v = of_v * of_v.sum().abs() / whole * arriving.sum() / of_v.sum()
    first, second = multiplied(u.tolist(), v.tolist(), arriving.tolist())
    torch.testing.assert_close(torch.tensor(first, dtype=torch.float64), of_u, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.tensor(second, dtype=torch.float64), of_v, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("composite", ["z_plus", "epsilon", "gamma", "attn_lrp"])
def test_attention_fused_or_not_is_alike(composite: str) -> None:
    x = noise(2, (16, 24)).double()
    fused = ours(x, [0, 3], composite=composite)
    for attend in (functional, in_place_after):
        torch.testing.assert_close(ours(x, [0, 3], attend, composite=composite), fused, rtol=1e-7, atol=1e-10)


def test_a_batch_is_as_one_by_one_and_classes_differ() -> None:
    x = noise(3, (16, 24)).double()
    together = ours(x, 2)
    torch.testing.assert_close(torch.cat([ours(picture[None], 2) for picture in x]), together)
    assert not torch.allclose(ours(x, 0), together, rtol=0.1)


def test_it_takes_one_pass_more_than_generic_attention() -> None:
    model, passes = TinyViT(F.scaled_dot_product_attention).eval(), []
    model.register_forward_hook(lambda *_: passes.append(1))
    scope, counts = fm.Scope(model), []
    scope.explain(noise(1, (16, 24)), "generic_attention", target=1)  # finds the layers
    for method in ("generic_attention", "transformer_attribution"):
        passes.clear()
        scope.explain(noise(1, (16, 24)), method, target=1)
        counts.append(len(passes))
    assert counts[1] == counts[0] + 1


def test_a_model_without_attention_costs_no_pass() -> None:
    given = Given(Little(), noise(1), 1)
    with pytest.raises(MethodError, match=r"transformer_attribution reads .* no softmax attention\. Choose grad_cam"):
        given.run(transformer_attribution, "inputs", "attentions", "propagate")
    assert given.rules == []
