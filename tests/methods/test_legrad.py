"""LeGrad: a slow re-derivation on a ViT with explicit attention, and every way that models write attention."""

import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from attention_samples import KEPT, Attend, TinyViT, by_hand, functional, in_place_after
from featuremaps.errors import MethodError
from featuremaps.methods.legrad import legrad
from method_samples import Little, noise
from propagating import Given


def ours(model: nn.Module, x: Tensor, target: int | list[int] = 1) -> Tensor:
    return Given(model.eval(), x, target).run(legrad, "inputs", "attentions")


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
    found = ours(TinyViT(attend), x, [1, 4])
    assert found.shape == (2, 1, 16, 24)
    for row, target in enumerate([1, 4]):
        torch.testing.assert_close(found[row, 0], slow(x[row], target), rtol=1e-4, atol=1e-7)
    assert float(found.max()) > 0


def in_chunks(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The last of 25 queries alone."""
    return torch.cat([functional(each, key, value) for each in query.split(8, 2)], 2)


def head_by_head(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    each = zip(query.split(1, 1), key.split(1, 1), value.split(1, 1), strict=True)
    return torch.cat([functional(*head) for head in each], 1)


@pytest.mark.parametrize("attend", [in_chunks, head_by_head])
def test_an_attention_in_parts_is_one_layer(attend: Attend) -> None:
    x = noise(2, (16, 24))
    found = ours(TinyViT(attend), x, [1, 4])
    for row, target in enumerate([1, 4]):
        torch.testing.assert_close(found[row, 0], slow(x[row], target), rtol=1e-4, atol=1e-7)


def test_torchvision_vit_with_modules_of_torch() -> None:
    torch.manual_seed(0)
    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32).eval()
    nn.init.normal_(model.heads.head.weight)
    x = noise(2, (32, 32))
    found = ours(model, x)
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
    fused = ours(model, x)
    for block in model.blocks:
        block.attn.fused_attn = False
    plain = ours(model, x)
    torch.testing.assert_close(fused, plain, rtol=1e-3, atol=1e-7)
    assert float(fused.max()) > 0


def test_pictures_do_not_depend_on_each_other() -> None:
    model, x = TinyViT(F.scaled_dot_product_attention), noise(3, (16, 24))
    together = ours(model, x)
    torch.testing.assert_close(ours(model, x[1:2])[0], together[1])


def test_windows_are_laid_back_over_the_picture() -> None:
    """Against each window's own gradients, put where the window stands; the second layer attends over all there is."""
    torch.manual_seed(0)
    model = torchvision.models.SwinTransformer([4, 4], 8, [1, 1], [2, 2], [4, 4], num_classes=5).eval()
    x = noise(2, (32, 32))
    windows, whole = Given(model, x, 1).attentions
    assert (windows.info.windows, whole.info.windows) == (4, 1)
    assert windows.gradients is not None
    assert whole.gradients is not None
    first, second = (each.gradients.relu().mean((2, 3)) for each in (windows, whole))
    laid = torch.zeros(2, 1, 8, 8)
    for window in range(4):
        top, left = window // 2 * 4, window % 2 * 4
        laid[:, 0, top : top + 4, left : left + 4] = first[:, window].view(2, 4, 4)
    maps = [F.interpolate(each, (32, 32), mode="bilinear") for each in (laid, second.view(2, 1, 4, 4))]
    torch.testing.assert_close(ours(model, x), torch.stack(maps).mean(0))


def test_a_model_without_attention_is_told_what_to_use() -> None:
    with pytest.raises(MethodError, match=r"this model has no softmax attention\. Choose grad_cam"):
        ours(Little(), noise(1))


def test_tokens_that_are_no_patches() -> None:
    class Text(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            tokens = x.flatten(2)[:, :, :12].reshape(len(x), 1, 3, 12)
            return F.scaled_dot_product_attention(tokens, tokens, tokens).flatten(1)

    with pytest.raises(MethodError, match="attention is to other tokens"):
        ours(Text(), noise(1, (16, 24)))
