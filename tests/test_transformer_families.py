"""Attention in every family of vision transformers: maps per head, methods, and the model as it was."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayoutError, MethodError
from featuremaps.explain.compare import compare
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.request import request_for
from featuremaps.layers.attention_info import AttentionInfo
from featuremaps.layers.discover import walk
from featuremaps.layers.known import known_layers
from featuremaps.maps.head_maps import AttentionMaps
from featuremaps.rules.attention import AttentionProbabilities
from featuremaps.runtime.attention import attend
from featuremaps.session import preserved
from featuremaps.targets.detection_targets import Query
from snapshots import snapshot
from transformer_families import FAMILIES, tiny

FLOWS = ("attention_rollout", "generic_attention", "transformer_attribution")
METHODS = (*FLOWS, "legrad", "grad_cam")
WINDOWED = ("Swin", "MaxViT", "Hiera", "MobileViT")
POOLED = ("PVT", "MViT", "SegFormer")
TARGETS: dict[str, Any] = {
    "HF YOLOS": Query(2, 1),
    "HF DETR": Query(2, 1),
    "HF SegFormer": fm.Mask(torch.ones(8, 8), 1),
    "HF CLIP": lambda outputs: outputs["image_embeds"][:, 1],
    "HF MAE": lambda outputs: outputs["last_hidden_state"].sum((1, 2)),
}


@cache
def model_of(name: str) -> nn.Module:
    return tiny(name)


def pictures(name: str, count: int = 2) -> Tensor:
    return torch.randn(count, 3, *FAMILIES[name].size, generator=torch.Generator().manual_seed(1))


def is_one_of(name: str, kinds: tuple[str, ...]) -> bool:
    return any(kind in name for kind in kinds)


@contextmanager
def unfused(name: str, *, spying: bool) -> Iterator[tuple[nn.Module, list[Tensor]]]:
    """The same model with its own unfused code, and, if `spying`, what each softmax over tokens gives in it, in order.

    Where a library has no switch, attention is written here.
    """
    model = tiny(name)
    found: list[Tensor] = []
    homes: tuple[Any, ...] = (torch, Tensor)
    softmaxes = [(home, "softmax", home.softmax) for home in homes] if spying else []

    def spied(original: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def softmax(values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            result = original(values, *args, **kwargs)
            if values.ndim > 2:
                found.append(result.detach().clone())
            return result

        return softmax

    def attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **options: Any) -> Tensor:
        logits = torch.einsum("...qd,...kd->...qk", query * options.get("scale", query.shape[-1] ** -0.5), key)
        return torch.softmax(logits if attn_mask is None else logits + attn_mask, -1) @ value

    def multi_head(module: nn.MultiheadAttention, *given: Tensor, **named: Any) -> tuple[Tensor, None]:
        given = (*given, *(named[name] for name in ("query", "key", "value") if name in named))
        weights, biases = module.in_proj_weight.chunk(3), module.in_proj_bias.chunk(3)
        parts = [F.linear(*each) for each in zip(given, weights, biases, strict=True)]
        heads = [part.unflatten(-1, (module.num_heads, -1)).transpose(1, 2) for part in parts]
        return module.out_proj(attention(*heads).transpose(1, 2).flatten(2)), None

    originals = [*softmaxes, (F, "scaled_dot_product_attention", F.scaled_dot_product_attention)]
    originals.append((nn.MultiheadAttention, "forward", nn.MultiheadAttention.forward))
    try:
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                module.fused_attn = False
        if hasattr(model, "set_attn_implementation"):
            model.set_attn_implementation("eager")
        for home, name, original in softmaxes:
            setattr(home, name, spied(original))
        F.scaled_dot_product_attention = attention
        nn.MultiheadAttention.forward = multi_head  # type: ignore[method-assign,assignment]
        yield model, found
    finally:
        for home, name, original in originals:
            setattr(home, name, original)


def attentions(name: str) -> tuple[AttentionInfo, ...]:
    return known_layers(model_of(name), pictures(name)).attentions


@pytest.mark.parametrize("name", FAMILIES)
def test_every_head_is_what_the_models_own_unfused_code_gives(name: str) -> None:
    model, x = model_of(name), pictures(name)
    infos = attentions(name)
    with preserved(model) as session:
        of_run, _ = attend(session, x, range(len(infos)))
    with unfused(name, spying=True) as (same, expected), torch.no_grad():
        same(x)
    assert len(of_run) == len(expected) == len(infos) >= 1
    for each, theirs in zip(of_run, expected, strict=True):
        torch.testing.assert_close(each.probabilities, each.info.split(theirs, 2), rtol=1e-5, atol=1e-6)
        assert each.probabilities.std() > 1e-4 or each.info.keys.count == 1


@pytest.mark.parametrize("name", FAMILIES)
def test_heads_picture_by_picture_and_the_model_as_it_was(name: str) -> None:
    model, x = model_of(name).train(), pictures(name)
    scope = fm.Scope(model, name=name)
    before = snapshot(model, x)
    if name == "HF MAE":
        with pytest.raises(LayoutError, match="places in the picture could not be followed"):
            scope.attention(x)
    else:
        both, alone = scope.attention(x), scope.attention(x[1:])
        for mine, theirs in zip(both.maps[1], alone.maps[0], strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)
            assert float(mine.min()) >= 0
            assert float(mine.flatten(1).sum(1).max()) <= 1 + 1e-5
    assert snapshot(model, x).differences(before) == []
    model.eval()


@pytest.mark.parametrize("name", FAMILIES)
def test_methods_run_or_say_why_not_whether_fused_or_not(name: str) -> None:
    model, x = model_of(name), pictures(name)
    scope, target = fm.Scope(model, name=name), TARGETS.get(name, 1)
    before = snapshot(model, x)
    if name == "HF MAE":
        with pytest.raises(MethodError, match="could not be followed: say how they lie"):
            scope.explain(x, "legrad", target=target)
        assert snapshot(model, x).differences(before) == []
        return
    found, failed = explained(scope, x, target)
    assert snapshot(model, x).differences(before) == []
    assert set(failed) == (set(FLOWS) if is_one_of(name, (*WINDOWED, *POOLED, "XCiT")) else set())
    for text in failed.values():
        assert "Choose legrad, which reads every layer by itself" in text
        kind = "inside windows" if is_one_of(name, WINDOWED) else "between channels" if "XCiT" in name else "places"
        assert kind in text
    for heat in found.values():
        assert bool(heat.tensor.isfinite().all())
        assert bool(heat.tensor.flatten(1).any(1).all()), heat.warnings
    with unfused(name, spying=False) as (same, _):
        again, _ = explained(fm.Scope(same), x, target)
    for method, fused in found.items():
        plain = again[method].tensor
        assert float((fused.tensor - plain).abs().max()) <= 1e-5 * max(1.0, float(plain.abs().max())), method


def explained(scope: fm.Scope, x: Tensor, target: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """What each method gives, and what those say that refuse."""
    request = request_for(scope._studied, x, METHODS, "last", [target], ExplainOptions(), keep_failures=True)
    found = compare(scope.model, scope.see(x).seen, request)
    return {key[0]: heat for key, heat in found.items()}, {key[0]: text for key, text in found.failures.items()}


WINDOWS = [
    ("torchvision Swin", "features.1.0.attn", "features.1.0.norm1"),
    ("torchvision Swin", "features.1.1.attn", "features.1.1.norm1"),
    ("torchvision Swin", "features.3.0.attn", "features.3.0.norm1"),
    ("timm Swin", "layers.0.blocks.1.attn", "layers.0.blocks.1.norm1"),
    ("HF Swin", "swin.encoder.layers.0.blocks.1.attention", "swin.encoder.layers.0.blocks.1.layernorm_before"),
    ("torchvision Swin v2", "features.1.1.attn", "features.1.0"),
    (
        "torchvision MaxViT",
        "blocks.0.layers.0.layers.grid_attention.attn_layer.1",
        "blocks.0.layers.0.layers.window_attention",
    ),
    ("timm MaxViT", "stages.0.blocks.0.attn_block.attn", "stages.0.blocks.0.conv"),
    ("timm Hiera", "blocks.0.attn", "patch_embed"),
    ("timm MobileViT", "stages.1.1.transformer.0.attn", "stages.1.1.conv_1x1"),
]


@pytest.mark.parametrize(("name", "attention", "layer"), WINDOWS)
def test_windows_stand_where_their_tokens_come_from(name: str, attention: str, layer: str) -> None:
    """Where a layer's map is changed at one place, what attention from that place gives is changed, and no other."""
    model, x = model_of(name), pictures(name, 1)
    infos = {info.name: info for info in attentions(name)}
    info, number = infos[attention], list(infos).index(attention)
    layout = known_layers(model, x)[layer].layout
    assert layout is not None
    maps = fm.Scope(model).record(x, layer, gradients=False).activations[layer]
    generator = torch.Generator().manual_seed(0)
    for _ in range(6):
        row, column = (int(torch.randint(size, (), generator=generator)) for size in maps.shape[2:])
        changed = maps.clone()
        changed[0, :, row, column] += torch.randn(maps.shape[1], generator=generator)
        first, second = (_with(model, x, layer, layout.from_maps(some, maps), number, info) for some in (maps, changed))
        different = ((first - second).abs().amax((0, 2, 4)) > 1e-6).nonzero()  # (window, query)
        window, query = info.queries.places.shape if info.queries.places is not None else (0, 0)
        assert 0 < len(different) < window * query
        assert info.queries.places is not None
        hit = {int(info.queries.places[at[0], at[1]]) for at in different}
        expected = row * layout.grid[1] + column
        if info.queries.places.shape == info.keys.places.shape:  # type: ignore[union-attr]
            own = (info.queries.places == expected).nonzero()
            assert {int(at[0]) for at in different} == {int(own[0, 0])}  # the whole window attends to it, and no other
        assert expected in hit


def _with(model: nn.Module, x: Tensor, layer: str, output: Tensor, number: int, info: AttentionInfo) -> Tensor:
    """An attention's probabilities in a run in which a layer gives `output`."""
    handle = model.get_submodule(layer).register_forward_hook(lambda *_: output)
    try:
        with torch.no_grad(), AttentionProbabilities([number], gradients=False) as seen:
            model(x)
    finally:
        handle.remove()
    return info.split(seen.probabilities[number], 1)


@pytest.mark.parametrize("name", ["torchvision ViT", "timm Swin", "HF DETR", "timm CaiT"])
def test_a_walk_on_several_pictures_finds_the_same(name: str) -> None:
    for one, several in zip(attentions(name), walk(model_of(name), pictures(name)).attentions, strict=True):
        assert (one.name, one.leading, one.queries.count) == (several.name, several.leading, several.queries.count)
        for mine, theirs in ((one.queries, several.queries), (one.keys, several.keys)):
            assert (mine.between, mine.grid) == (theirs.between, theirs.grid)


def test_cross_covariance_is_left_out_and_said() -> None:
    name = "timm XCiT"
    scope = fm.Scope(model_of(name), name=name)
    heads = scope.attention(pictures(name))
    assert heads.layers == ("cls_attn_blocks.0.attn", "cls_attn_blocks.1.attn")
    assert heads.warnings == ("2 of 4 attentions are not shown: each attends between channels (cross-covariance).",)
    with pytest.raises(LayoutError, match=r"blocks\.0\.attn attends between channels \(cross-covariance\), so its"):
        scope.attention(pictures(name), "blocks.0.attn")
    heat = scope.explain(pictures(name), "legrad", target=1)
    assert heat.warnings[0] == ("2 of 4 attentions are between channels (cross-covariance) and were left out.",)


def test_registers_and_distillation_tokens_are_no_places() -> None:
    for name, extra in (("timm DINOv2", 5), ("HF DINOv2", 4), ("timm DeiT", 2), ("HF YOLOS", 4), ("timm SigLIP", 0)):
        info = attentions(name)[0]
        assert (info.keys.grid, info.keys.extra) == ((4, 4), extra)


def test_the_last_layer_of_a_class_token_head_is_one_whose_patches_count() -> None:
    """After the last attention only the class token counts: "last" is before it, so that Grad-CAM is not zero."""
    for name in ("torchvision ViT", "timm ViT", "HF ViT", "timm DINOv2", "HF CLIP"):
        model, x = model_of(name), pictures(name)
        heat = fm.Scope(model).explain(x, "grad_cam", target=TARGETS.get(name, 1))
        assert bool(heat.tensor.flatten(1).any(1).all())
    scope = fm.Scope(model_of("timm ViT"))
    ((notes,), _) = scope.explain(pictures("timm ViT"), "grad_cam", layer="blocks.1", target=1).warnings
    assert "reads only the class token after the last attention. Choose layer 'last'" in notes


def heads(name: str, **options: Any) -> AttentionMaps:
    return fm.Scope(model_of(name), name=name).attention(pictures(name), **options)


def test_the_query_is_a_pixel_a_token_the_mean_or_the_class_token() -> None:
    probabilities = heads("timm ViT").tensor
    assert probabilities.shape == (2, 2, 2, 4, 6)
    with preserved(model_of("timm ViT")) as session:
        of_run, _ = attend(session, pictures("timm ViT"), [0, 1])
    raw = torch.stack([each.probabilities[:, 0] for each in of_run], 1)
    torch.testing.assert_close(probabilities.flatten(3), raw[:, :, :, 0, 1:])
    torch.testing.assert_close(heads("timm ViT", query=(9, 47)).tensor.flatten(3), raw[:, :, :, 1 + 6 + 5, 1:])
    torch.testing.assert_close(heads("timm ViT", query=3).tensor.flatten(3), raw[:, :, :, 3, 1:])
    torch.testing.assert_close(heads("timm ViT", query="mean").tensor.flatten(3), raw[:, :, :, 1:, 1:].mean(3))
