"""LeGrad: a slow re-derivation on a ViT with explicit attention, and every way that models write attention."""

from collections.abc import Callable

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from featuremaps.errors import MethodError
from featuremaps.methods.legrad import legrad
from featuremaps.rules.attention import AttentionMaps
from method_samples import Little, noise
from propagating import Given

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
KEPT: list[Tensor] = []


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
    """Two layers of attention over 4×6 patches and a class token; `attend` says how the attention is written."""

    def __init__(self, attend: Attend) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.first = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        self.mix = nn.ModuleList(nn.Linear(8, 24) for _ in range(2))
        self.grow = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.head, self.attend = nn.Linear(8, 5), attend

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.first.expand(len(x), 1, 8), tokens], 1)
        for mix, grow in zip(self.mix, self.grow, strict=True):
            query, key, value = mix(tokens).view(len(x), -1, 3, 2, 4).permute(2, 0, 3, 1, 4)
            tokens = tokens + self.attend(query, key, value).transpose(1, 2).flatten(2)
            tokens = tokens + F.relu(grow(tokens))
        return self.head(tokens[:, 0])


def ours(model: nn.Module, x: Tensor, target: int | list[int] = 1) -> tuple[Tensor, AttentionMaps]:
    given = Given(model.eval(), x, target)
    return given.run(legrad, "inputs", "propagate", "token_layouts"), given.rules[0]


def slow(x: Tensor, target: int) -> Tensor:
    """One picture: loops over the layers, heads and queries of the attention written by hand."""
    KEPT.clear()
    TinyViT(by_hand)(x[None])[0, target].backward()
    total = torch.zeros(x.shape[1:])
    for weights in KEPT:
        assert weights.grad is not None
        keys = torch.zeros(25)
        for head in weights.grad[0]:
            for query in head:
                keys += query.clamp(min=0) / (len(weights.grad[0]) * len(head))
        patches = keys[1:].reshape(1, 1, 4, 6)
        total += F.interpolate(patches, x.shape[1:], mode="bilinear")[0, 0] / len(KEPT)
    return total


@pytest.mark.parametrize("attend", [functional, in_place_after, F.scaled_dot_product_attention])
def test_a_vit_against_the_slow_way(attend: Attend) -> None:
    x = noise(2, (16, 24))
    found, rule = ours(TinyViT(attend), x, [1, 4])
    assert found.shape == (2, 1, 16, 24)
    for row, target in enumerate([1, 4]):
        torch.testing.assert_close(found[row, 0], slow(x[row], target), rtol=1e-4, atol=1e-7)
    assert float(found.max()) > 0
    assert rule.warning() is None


def test_torchvision_vit_with_modules_of_torch() -> None:
    torch.manual_seed(0)
    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32).eval()
    nn.init.normal_(model.heads.head.weight)
    x = noise(2, (32, 32))
    found, rule = ours(model, x)
    assert rule.replaced == {"multi_head_attention": 2}
    maps: list[Tensor] = []
    for block in model.encoder.layers:
        inner = block.self_attention

        def explicit(
            query: Tensor, key: Tensor, value: Tensor, need_weights: bool, layer: nn.Module = inner
        ) -> tuple[Tensor, None]:
            states = F.linear(query, layer.in_proj_weight, layer.in_proj_bias).view(*query.shape[:2], 3, 2, 8)
            parts = states.permute(2, 0, 3, 1, 4)
            weights = (parts[0] @ parts[1].mT / 8**0.5).softmax(-1)
            weights.retain_grad()
            maps.append(weights)
            return layer.out_proj((weights @ parts[2]).transpose(1, 2).flatten(2)), None

        inner.forward = explicit
    model(x)[:, 1].sum().backward()
    layers = [
        F.interpolate(each.grad.relu().mean((1, 2))[:, 1:].view(2, 1, 4, 4), (32, 32), mode="bilinear") for each in maps
    ]  # type: ignore[union-attr]
    torch.testing.assert_close(found, torch.stack(layers).mean(0))


def test_timm_vit_fused_and_not() -> None:
    torch.manual_seed(0)
    model = timm.create_model("vit_tiny_patch16_224", depth=2, img_size=(64, 96), num_classes=5)
    x = noise(2, (64, 96))
    assert all(block.attn.fused_attn for block in model.blocks)
    fused, rule = ours(model, x)
    assert rule.replaced == {"attention": 2}
    for block in model.blocks:
        block.attn.fused_attn = False
    plain, rule = ours(model, x)
    assert rule.replaced == {"softmax": 2}
    torch.testing.assert_close(fused, plain, rtol=1e-3, atol=1e-7)
    assert float(fused.max()) > 0


def test_pictures_do_not_depend_on_each_other() -> None:
    model, x = TinyViT(F.scaled_dot_product_attention), noise(3, (16, 24))
    together, _ = ours(model, x)
    torch.testing.assert_close(ours(model, x[1:2])[0][0], together[1])


def test_windowed_attention_is_refused_or_left_out_and_said() -> None:
    torch.manual_seed(0)
    model = torchvision.models.SwinTransformer([4, 4], 8, [1, 1], [2, 2], [2, 2], num_classes=5)
    with pytest.raises(
        MethodError,
        match=r"attends inside windows only \(2 attentions\)\. Choose a method that reads any layer, such as",
    ):
        ours(model, noise(2, (32, 32)))
    found, rule = ours(model, noise(2, (16, 16)))
    assert found.shape == (2, 1, 16, 16)
    assert rule.warning() == ("Of 2 attentions, 1 inside windows cannot be laid over the picture and were left out.")


def test_a_model_without_attention_is_told_what_to_use() -> None:
    with pytest.raises(MethodError, match=r"this model has no softmax attention\. Choose .*'layer_cam' or 'grad_cam'"):
        ours(Little(), noise(1))


def test_tokens_that_are_no_patches() -> None:
    class Text(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2)[:, :, :12].reshape(len(x), 1, 3, 12)
            return F.scaled_dot_product_attention(tokens, tokens, tokens).flatten(1)

    with pytest.raises(MethodError, match="found attention over 3 tokens, which are not known to be a grid"):
        ours(Text(), noise(1, (16, 24)))
