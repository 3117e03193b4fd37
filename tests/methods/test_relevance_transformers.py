"""LRP adds up on every family of transformers: the score is the pixels' relevance and what biases keep."""

from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
import transformers
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.plotting.rendering import is_remark
from featuremaps.rules.composites import COMPOSITES, LrpSettings
from featuremaps.rules.lrp import Relevance
from relevance_samples import propagator

models = torchvision.models
TOKENS = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
SIZED = {**TOKENS, "image_size": 64, "patch_size": 16}
TEXT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
TEXT |= {"vocab_size": 50, "bos_token_id": 1, "eos_token_id": 2}
SMALL = {"depth": 2, "embed_dim": 48, "num_heads": 4}
STAGES = {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 48, 64]}


def _swin_v2() -> nn.Module:
    layers = models.swin_transformer
    blocks = {"block": layers.SwinTransformerBlockV2, "downsample_layer": layers.PatchMergingV2}
    return models.SwinTransformer([4, 4], 24, [2, 2], [3, 6], [4, 4], num_classes=10, **blocks)


def _timm(name: str, **options: object) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, pretrained=False, num_classes=10, **options)


def _hf(name: str, kind: str = "ForImageClassification", **options: object) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        config = getattr(transformers, f"{name}Config")(num_labels=10, **options)
        return getattr(transformers, f"{name}{kind}")(config)

    return make


FAMILIES: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "torchvision ViT": (lambda: models.VisionTransformer(64, 16, 2, 4, 48, 96, num_classes=10), 64),
    "torchvision Swin": (lambda: models.SwinTransformer([4, 4], 24, [2, 2], [3, 6], [4, 4], num_classes=10), 64),
    "torchvision Swin v2": (_swin_v2, 64),
    "torchvision MaxViT": (lambda: models.MaxVit((64, 64), 16, 4, [16, 32], [1, 1], 8, 0.0, num_classes=10), 64),
    "timm ViT": (_timm("vit_tiny_patch16_224", img_size=64, **SMALL), 64),
    "timm DeiT": (_timm("deit_tiny_distilled_patch16_224", img_size=64, **SMALL), 64),
    "timm DINOv2 with registers": (_timm("vit_small_patch14_reg4_dinov2", img_size=56, **SMALL), 56),
    "timm SigLIP": (_timm("vit_base_patch16_siglip_224", img_size=64, **SMALL), 64),
    "timm EVA-02": (_timm("eva02_tiny_patch14_224", img_size=56, **SMALL), 56),
    "timm BEiT": (_timm("beit_base_patch16_224", img_size=64, **SMALL), 64),
    "timm CaiT": (_timm("cait_xxs24_224", img_size=64, **SMALL), 64),
    "timm XCiT": (_timm("xcit_nano_12_p16_224", img_size=64, **SMALL), 64),
    "timm PVT v2": (_timm("pvt_v2_b0", depths=(1, 1, 1, 1), embed_dims=(16, 32, 40, 64)), 64),
    "timm Hiera": (_timm("hiera_tiny_224", embed_dim=16, num_heads=1, stages=(1, 1, 1, 1)), 224),
    "timm MobileViT": (_timm("mobilevit_xxs"), 64),
    "timm MobileViT v2": (_timm("mobilevitv2_050"), 64),
    "Hugging Face ViT": (_hf("ViT", **SIZED), 64),
    "Hugging Face CLIP": (_hf("CLIP", vision_config={**SIZED, "projection_dim": 16}, text_config=TEXT), 64),
    "Hugging Face SigLIP": (_hf("Siglip", vision_config=SIZED, text_config=TEXT), 64),
    "Hugging Face SegFormer": (_hf("Segformer", decoder_hidden_size=32, **STAGES), 64),
    "Hugging Face BEiT": (_hf("Beit", use_relative_position_bias=True, **SIZED), 64),
    "Hugging Face MAE": (_hf("ViTMAE", "Model", mask_ratio=0.0, **SIZED), 64),
}


class Scores(nn.Module):
    """A model that gives class scores, or tokens whose mean stands for them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        given = self.model(x)
        if isinstance(given, Tensor):
            return given
        return given["logits"] if "logits" in given else given["last_hidden_state"].mean(1)


def randomised(make: Callable[[], nn.Module]) -> nn.Module:
    """In evaluation mode and double precision, no bias, class token or layer scale at its first value."""
    torch.manual_seed(0)
    model, random = make().eval().double(), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim <= 1 or parameter.abs().max() < 1e-3 or "head" in name or "classifier" in name:
                parameter.add_(0.2 * torch.randn(parameter.shape, generator=random, dtype=torch.float64))
    return Scores(model)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_score_is_what_arrives_and_what_biases_keep(family: str) -> None:
    make, size = FAMILIES[family]
    model = randomised(make)
    picture = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    for composite in ("epsilon_gamma_box", "cp_lrp"):
        rule = Relevance(COMPOSITES[composite](LrpSettings()))
        found = propagator(model, picture, 1)(rule)
        assert found.isfinite().all()
        assert found.abs().max() > 0
        assert rule.warning() is None
        score = model(picture)[0, 1].detach()
        torch.testing.assert_close(found.sum() + rule.ledger.total(), score, rtol=1e-3, atol=1e-9)
        assert rule.missing < 1e-3


def test_the_remark_is_the_rest_of_the_score() -> None:
    model = randomised(FAMILIES["torchvision ViT"][0]).float()
    pictures = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    heat = fm.Scope(model).explain(pictures, "lrp", target=[0, 1, 2])
    kept, scores = torch.tensor(heat.remarks["relevance kept by biases"]), model(pictures).diagonal().detach()
    torch.testing.assert_close(heat.tensor.sum((1, 2, 3)) + kept, scores)
    for notes, much, score in zip(heat.warnings, kept, scores, strict=True):
        assert bool(notes) == bool(much.abs() > score.abs())
        assert all(note.startswith(f"Biases keep {much:.3g} of the score, {score:.3g}") for note in notes)


def test_it_is_said_where_biases_keep_more_than_the_whole_score() -> None:
    class Shifted(nn.Module):
        """A score of the picture, from which a constant is taken."""

        def __init__(self, shift: float) -> None:
            super().__init__()
            self.head = nn.Linear(48, 2)
            nn.init.constant_(self.head.weight, 0.1)
            nn.init.constant_(self.head.bias, shift)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x.flatten(1))

    picture = torch.ones(1, 3, 4, 4)  # by the weights alone a score of 4.8
    for shift, said in ((-4.0, True), (-6.0, True), (-1.0, False), (3.0, False)):
        heat = fm.Scope(Shifted(shift)).explain(picture, "lrp", target=0, composite="epsilon")
        assert heat.remarks["relevance kept by biases"][0] == pytest.approx(shift, abs=1e-3)
        assert any(note.startswith("Biases keep") and is_remark(note) for note in heat.warnings[0]) == said


def test_with_attention_held_and_no_biases_the_pixels_have_the_whole_score() -> None:
    """What a class token and position embeddings keep is theirs; without them, and with averaged tokens, nothing is."""

    class Patches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Conv2d(3, 16, 8, 8, bias=False)
            layer = nn.TransformerEncoderLayer(
                16, 4, 32, activation="gelu", batch_first=True, norm_first=True, bias=False
            )
            self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(16, 4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.blocks(self.embed(x).flatten(2).mT).mean(1))

    torch.manual_seed(0)
    model, pictures = Patches().double().eval(), torch.randn(2, 3, 32, 32, dtype=torch.float64)
    rule = Relevance(COMPOSITES["cp_lrp"](LrpSettings()))
    found = propagator(model, pictures, 1)(rule)
    torch.testing.assert_close(found.sum((1, 2, 3)), model(pictures)[:, 1].detach(), rtol=1e-3, atol=1e-6)
