"""LRP through attention against the equations of AttnLRP (Achtibat et al. 2024), written out value by value."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.rules.composites import COMPOSITES, LrpSettings, winning
from featuremaps.rules.lrp import Excitation, Relevance
from relevance_samples import propagator

EPSILON = 1e-9


def relevance(composite: str = "epsilon") -> Relevance:
    return Relevance(COMPOSITES[composite](LrpSettings(epsilon=EPSILON)))


class Block(nn.Module):
    """Attention and two dense layers, each after a layer norm; attention is written as `way` says."""

    def __init__(self, way: str, heads: int = 2, width: int = 6) -> None:
        super().__init__()
        self.way, self.heads = way, heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.fc1, self.fc2 = nn.Linear(width, 9), nn.Linear(9, width)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm1(x)
        x = x + (self.attention(normed, normed, normed)[0] if self.way == "module" else self.attended(normed))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))

    def attended(self, x: Tensor) -> Tensor:
        packed = F.linear(x, self.attention.in_proj_weight, self.attention.in_proj_bias)
        q, k, v = packed.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.way == "fused":
            gathered = F.scaled_dot_product_attention(q, k, v)
        elif self.way == "einsum":
            logits = torch.einsum("bhqd,bhkd->bhqk", q, k) * q.shape[-1] ** -0.5
            gathered = torch.einsum("bhqk,bhkd->bhqd", logits.softmax(-1), v)
        elif self.way == "three axes":
            q, k, v = (each.flatten(0, 1) for each in (q, k, v))
            probabilities = F.softmax(torch.bmm(q / math.sqrt(q.shape[-1]), k.mT), dim=-1)
            gathered = torch.bmm(probabilities, v).unflatten(0, (-1, self.heads))
        else:
            probabilities = ((q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
            gathered = (probabilities.detach() if self.way == "held" else probabilities) @ v
        return self.attention.out_proj(gathered.transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    """Four patches, a class token, positions, two blocks, a norm and a head."""

    def __init__(self, way: str = "written") -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 2, 2)
        self.token, self.positions = nn.Parameter(torch.zeros(1, 1, 6)), nn.Parameter(torch.zeros(1, 5, 6))
        self.blocks = nn.Sequential(Block(way), Block(way))
        self.norm, self.head = nn.LayerNorm(6), nn.Linear(6, 3)
        random = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                parameter.normal_(0, 0.5, generator=random)
                if "norm" in name and name.endswith("weight"):
                    parameter.add_(1)
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).mT
        x = torch.cat([self.token.expand(len(x), -1, -1), x], dim=1) + self.positions
        return self.head(self.norm(self.blocks(x))[:, 0])


def pictures(count: int = 2) -> Tensor:
    return torch.randn(count, 3, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Oracle:
    """One picture's relevance, an equation at a time; `biases` and `softmax` add up what is not sent on."""

    def __init__(self, model: Transformer) -> None:
        self.model, self.biases, self.softmax = model, 0.0, 0.0

    def __call__(self, picture: Tensor, target: int) -> Tensor:
        model = self.model
        patches = picture.unfold(1, 2, 2).unfold(2, 2, 2).permute(1, 2, 0, 3, 4).reshape(4, 12)
        weight, bias = model.patches.weight.flatten(1), model.patches.bias
        embedded = torch.cat([model.token[0], patches @ weight.T + bias])
        x = embedded + model.positions[0]
        inputs = []
        for block in model.blocks:
            inputs.append(x)
            x = block(x[None])[0]
        normed = model.norm(x)
        scores = model.head(normed[0])
        back = torch.zeros_like(x)
        arriving = torch.zeros(3, dtype=torch.float64)
        arriving[target] = scores[target]
        back[0] = self.linear(normed[0], model.head.weight, model.head.bias, arriving)
        back = self.layer_norm(x, model.norm, back)
        for block, seen in zip(reversed(model.blocks), reversed(inputs), strict=True):
            back = self.block(block, seen, back)
        back, _ = self.terms(embedded, model.positions[0], back, constant=True)
        self.biases += float(back[0].sum())  # the class token
        sent = torch.stack([self.linear(patches[i], weight, bias, back[i + 1]) for i in range(4)])
        return sent.reshape(2, 2, 3, 2, 2).permute(2, 0, 3, 1, 4).reshape(3, 4, 4)

    def block(self, block: Block, x: Tensor, arriving: Tensor) -> Tensor:
        normed = block.norm1(x)
        attended = block.attended(normed[None])[0]
        middle = x + attended
        normed2 = block.norm2(middle)
        hidden = block.fc1(normed2)
        stayed, sent = self.terms(middle, block.fc2(F.gelu(hidden)), arriving)
        sent = self.rows(F.gelu(hidden), block.fc2, sent)  # through GELU unchanged, eq. 9
        stayed = stayed + self.layer_norm(middle, block.norm2, self.rows(normed2, block.fc1, sent))
        stayed, sent = self.terms(x, attended, stayed)
        return stayed + self.layer_norm(x, block.norm1, self.attention(block, normed, sent))

    def attention(self, block: Block, x: Tensor, arriving: Tensor) -> Tensor:
        attention, heads, size = block.attention, block.heads, x.shape[1] // block.heads
        packed = x @ attention.in_proj_weight.T + attention.in_proj_bias
        q, k, v = packed.reshape(len(x), 3, heads, size).permute(1, 2, 0, 3)
        logits = torch.einsum("hqd,hkd->hqk", q, k) / size**0.5
        probabilities = logits.exp() / logits.exp().sum(-1, keepdim=True)
        gathered = torch.einsum("hqk,hkd->hqd", probabilities, v)
        out = gathered.permute(1, 0, 2).reshape(len(x), -1)
        sent = self.rows(out, attention.out_proj, arriving).reshape(len(x), heads, size).permute(1, 0, 2)
        of_q, of_k, of_v = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for head in range(heads):
            of_probabilities, of_v[head] = self.product(probabilities[head], v[head], sent[head])
            of_logits = self.softmaxed(logits[head], probabilities[head], of_probabilities)
            of_q[head], transposed = self.product(q[head], k[head].T, of_logits)  # the scale is a constant factor
            of_k[head] = transposed.T
        all_three = torch.stack([of_q, of_k, of_v]).permute(2, 0, 1, 3).reshape(len(x), -1)
        return self.rows(x, (attention.in_proj_weight, attention.in_proj_bias), all_three)

    def rows(self, x: Tensor, layer: nn.Linear | tuple[Tensor, Tensor], arriving: Tensor) -> Tensor:
        weight, bias = layer if isinstance(layer, tuple) else (layer.weight, layer.bias)
        return torch.stack([self.linear(x[i], weight, bias, arriving[i]) for i in range(len(x))])

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor, arriving: Tensor) -> Tensor:
        """Eq. 8: R_i = Σ_j W_ji x_i R_j / (z_j + ε)."""
        outputs = weight @ x + bias
        received = torch.zeros_like(x)
        for j, i in itertools.product(range(len(outputs)), range(len(x))):
            received[i] += weight[j, i] * x[i] * arriving[j] / outputs[j]
        self.biases += float((bias / outputs * arriving).sum())
        return received

    def terms(self, one: Tensor, other: Tensor, arriving: Tensor, constant: bool = False) -> tuple[Tensor, Tensor]:
        """Eq. 8 for a sum of two terms."""
        shares = (one / (one + other) * arriving, other / (one + other) * arriving)
        self.biases += float(shares[1].sum()) if constant else 0.0
        return shares

    def layer_norm(self, x: Tensor, norm: nn.LayerNorm, arriving: Tensor) -> Tensor:
        """Proposition 3.4, and eq. 8 for what is linear in it: row by row a matrix weight·(1 − 1/n)/deviation."""
        received = []
        for row, sent in zip(x, arriving, strict=True):
            deviation = (((row - row.mean()) ** 2).mean() + norm.eps) ** 0.5
            matrix = norm.weight[:, None] * (torch.eye(len(row), dtype=row.dtype) - 1 / len(row)) / deviation
            received.append(self.linear(row, matrix, norm.bias, sent))
        return torch.stack(received)

    def product(self, a: Tensor, b: Tensor, arriving: Tensor) -> tuple[Tensor, Tensor]:
        """Proposition 3.3: R_ji(A) = Σ_p A_ji B_ip R_jp / (2 O_jp), and B's alike."""
        first, second, outputs = torch.zeros_like(a), torch.zeros_like(b), a @ b
        for j, i, p in itertools.product(range(a.shape[0]), range(a.shape[1]), range(b.shape[1])):
            part = a[j, i] * b[i, p] * arriving[j, p] / (2 * outputs[j, p])
            first[j, i] += part
            second[i, p] += part
        return first, second

    def softmaxed(self, logits: Tensor, probabilities: Tensor, arriving: Tensor) -> Tensor:
        """Proposition 3.1: R_i = x_i (R_i − s_i Σ_j R_j); the offset of the Taylor series keeps the rest."""
        received = torch.zeros_like(logits)
        for j, i in itertools.product(range(logits.shape[0]), range(logits.shape[1])):
            received[j, i] = logits[j, i] * (arriving[j, i] - probabilities[j, i] * arriving[j].sum())
            mean = (probabilities[j] * logits[j]).sum()
            self.softmax += float(arriving[j, i] * (1 - logits[j, i] + mean))  # (s_i − Σ_k ∂s_i/∂x_k x_k)·R_i/s_i
        return received


WAYS = ("written", "fused", "module", "einsum", "three axes")


@pytest.mark.parametrize("way", WAYS)
@torch.no_grad()
def test_a_transformer_of_two_blocks_is_the_papers_equations(way: str) -> None:
    oracle, model = Oracle(Transformer()), Transformer(way)
    for target, picture in enumerate(pictures()):
        rule = relevance()
        found = propagator(model, picture[None], target)(rule)
        oracle.biases = oracle.softmax = 0.0
        torch.testing.assert_close(found[0], oracle(picture, target), rtol=1e-6, atol=1e-7)
        assert rule.warning() is None
        assert float(rule.ledger.kept["biases"]) == pytest.approx(oracle.biases, abs=1e-6)
        assert float(rule.ledger.kept["softmax"]) == pytest.approx(oracle.softmax, abs=1e-6)
        score = float(model(picture[None])[0, target])
        assert float(found.sum()) + oracle.biases + oracle.softmax == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("composite", COMPOSITES)
def test_attention_fused_or_not_is_alike(composite: str) -> None:
    rules = {way: relevance(composite) for way in WAYS}
    found = {way: propagator(Transformer(way), pictures(), 1)(rule) for way, rule in rules.items()}
    for way in WAYS[1:]:
        torch.testing.assert_close(found[way], found["written"], rtol=1e-5, atol=1e-7)
        assert all(rule.warning() is None and rule.missing < 1e-6 for rule in rules.values())


@pytest.mark.parametrize("composite", COMPOSITES)
def test_a_batch_of_tokens_is_as_one_by_one(composite: str) -> None:
    model = Transformer("fused")
    together = propagator(model, pictures(3), 2)(relevance(composite))
    apart = [propagator(model, picture[None], 2)(relevance(composite)) for picture in pictures(3)]
    torch.testing.assert_close(together, torch.cat(apart))


def test_with_attention_held_probabilities_are_constants() -> None:
    for way in ("written", "fused", "module"):
        rule = relevance("cp_lrp")
        found = propagator(Transformer(way), pictures(), 0)(rule)
        torch.testing.assert_close(found, propagator(Transformer("held"), pictures(), 0)(relevance("attn_lrp")))
        assert "softmax" not in rule.ledger.kept


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_the_same_to_its_own(dtype: torch.dtype) -> None:
    exact = propagator(Transformer(), pictures(), 1)(relevance("attn_lrp"))
    for way in ("written", "fused", "module"):
        found = propagator(Transformer(way).to(dtype), pictures().to(dtype), 1)(relevance("attn_lrp"))
        assert found.isfinite().all()
        assert (found.double() - exact).norm() < 0.25 * exact.norm()


def attended(mask: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        logits = mask(x @ x.mT)
        return logits.softmax(-1) @ x

    return run


HIDDEN = torch.tensor([False, False, True, False])
MASKS = {
    "infinite": lambda logits: logits.masked_fill(HIDDEN, -torch.inf),
    "added": lambda logits: logits + torch.zeros(4, dtype=logits.dtype).masked_fill(HIDDEN, -torch.inf),
    "lowest": lambda logits: (
        logits + torch.zeros(4, dtype=logits.dtype).masked_fill(HIDDEN, torch.finfo(logits.dtype).min)
    ),
    "in place": lambda logits: logits.masked_fill_(HIDDEN, -torch.inf),
    "swin's": lambda logits: logits + torch.zeros(4, dtype=logits.dtype).masked_fill(HIDDEN, -1e4),
}


@pytest.mark.parametrize("mask", MASKS)
def test_what_a_mask_hides_gets_nothing(mask: str) -> None:
    x = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    with relevance() as rule:
        output = attended(MASKS[mask])(leaf)[:, 0]  # what the first token gathers
    found = torch.autograd.grad(output, leaf, output.detach())[0]
    assert found.isfinite().all()
    torch.testing.assert_close(found[:, 2], torch.zeros(1, 3, dtype=torch.float64), rtol=0, atol=1e-12)
    seen = x[:, [0, 1, 3]].clone().requires_grad_()
    with relevance():
        output = attended(lambda logits: logits)(seen)[:, 0]
    if mask != "added":
        expected = torch.autograd.grad(output, seen, output.detach())[0]
        torch.testing.assert_close(found[:, [0, 1, 3]], expected, rtol=1e-6, atol=1e-9)
    assert rule.kept == {}


@pytest.mark.parametrize("composite", COMPOSITES)
def test_a_black_picture_is_finite_and_accounted_for(composite: str) -> None:
    model = Transformer("fused").float()
    rule = relevance(composite)
    found = propagator(model, torch.zeros(2, 3, 4, 4), 0)(rule)
    assert found.isfinite().all()
    assert found.abs().sum() == 0 or composite == "epsilon_plus_flat"
    assert rule.missing < 1e-4


def test_nothing_but_zeros_gives_zeros() -> None:
    x = torch.zeros(1, 4, 3, requires_grad=True)
    with relevance():
        output = F.scaled_dot_product_attention(x, x, x).sum()
    assert torch.equal(torch.autograd.grad(output, x)[0], torch.zeros(1, 4, 3))


def test_a_gate_shares_half_and_half() -> None:
    """SwiGLU: silu(a)·b, both from one layer."""
    layer, x = nn.Linear(4, 6, bias=False).double(), torch.randn(2, 4, dtype=torch.float64)

    def gated(x: Tensor) -> Tensor:
        a, b = layer(x).chunk(2, -1)
        return F.silu(a) * b

    leaf = x.clone().requires_grad_()
    with relevance():
        output = gated(leaf)
    found = torch.autograd.grad(output, leaf, output.detach())[0]
    outputs, expected = layer(x).detach(), torch.zeros_like(x)
    for row, j, i in itertools.product(range(2), range(6), range(4)):
        arriving = output[row, j % 3].detach() / 2
        expected[row, i] += layer.weight[j, i].detach() * x[row, i] / outputs[row, j] * arriving
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9)


def test_a_bias_of_positions_keeps_its_share() -> None:
    layer, x = nn.Linear(4, 4, bias=False).double(), torch.rand(1, 3, 4, dtype=torch.float64) + 0.1
    nn.init.uniform_(layer.weight)
    positions = torch.rand(3, 4, dtype=torch.float64)
    for run in (
        lambda x: x + positions,
        lambda x: positions + x,
        lambda x: x.add_(positions),
        lambda x: x - -positions,
    ):
        leaf = x.clone().requires_grad_()
        with relevance() as rule:
            output = run(layer(leaf))
        arrived = torch.autograd.grad(output, leaf, output.detach())[0]
        torch.testing.assert_close(arrived.sum(), layer(x).sum().detach(), rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(rule.ledger.kept["biases"], positions.sum(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "norm", [nn.LayerNorm(4), nn.LayerNorm((3, 4)), nn.GroupNorm(1, 3), nn.InstanceNorm1d(3, affine=True)]
)
def test_norms_without_a_bias_send_on_all_and_none_for_the_mean(norm: nn.Module) -> None:
    norm = norm.double()
    nn.init.normal_(norm.weight)
    layer, x = nn.Linear(4, 4, bias=False).double(), torch.randn(2, 3, 4, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    with relevance() as rule:
        output = norm(layer(leaf))
    arriving = torch.randn_like(output) * output.detach()
    arrived = torch.autograd.grad(output, leaf, arriving)[0]
    torch.testing.assert_close(arrived.sum(), arriving.sum(), rtol=1e-6, atol=1e-6)
    assert abs(float(rule.ledger.kept["biases"])) < 1e-6


def test_excitation_backprop_has_no_rules_for_attention() -> None:
    rule = Excitation(winning(contrastive=False))
    propagator(Transformer("fused"), pictures(), 0)(rule)
    assert "has no rule for 2 attention" in rule.warning()
