"""One tiny, randomly initialised model of every family of vision transformers: torchvision, timm, Hugging Face."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import timm
import torch
import torchvision
import transformers
from torch import nn

tv = torchvision.models


@dataclass(frozen=True)
class Family:
    """How to make a model, and the height and width of its pictures."""

    make: Callable[[], nn.Module]
    size: tuple[int, int] = (32, 32)


def _timm(architecture: str, size: tuple[int, int] = (32, 32), **options: Any) -> Family:
    return Family(lambda: timm.create_model(architecture, num_classes=5, **options), size)


def _hugging_face(kind: str, purpose: str, size: tuple[int, int] = (32, 32), **options: Any) -> Family:
    def make() -> nn.Module:
        labels = {} if kind == "CLIPVision" else {"num_labels": 5}
        config = getattr(transformers, f"{kind}Config")(**labels, **options)
        return getattr(transformers, f"{kind}{purpose}")(config)

    return Family(make, size)


def _mvit() -> nn.Module:
    config = timm.models.mvitv2.MultiScaleVitCfg(
        depths=(1, 2), embed_dim=(8, 16), num_heads=(1, 2), stride_q=((1, 1), (2, 2)), stride_kv_adaptive=(2, 2)
    )
    return timm.models.mvitv2.MultiScaleVit(config, img_size=32, num_classes=5)


def _mobilevit() -> nn.Module:
    known = timm.models.mobilevit.model_cfgs["mobilevit_xxs"]
    block = known.blocks[2][1]
    small = dataclasses.replace(
        block, c=16, block_kwargs={"transformer_dim": 16, "transformer_depth": 1, "patch_size": 2}
    )
    stages = (dataclasses.replace(known.blocks[0], c=8), (dataclasses.replace(known.blocks[2][0], c=16), small))
    return timm.models.byobnet.ByobNet(dataclasses.replace(known, blocks=stages, num_features=32), num_classes=5)


def _detr() -> nn.Module:
    backbone = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    config = transformers.DetrConfig(
        backbone_config=backbone, num_labels=4, d_model=16, num_queries=5, encoder_layers=2, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24,
    )  # fmt: skip
    return transformers.DetrForObjectDetection(config)


def small_rt_detr() -> nn.Module:
    """A detector whose queries attend to places of three maps that they name themselves (deformable attention)."""
    size = {"hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "layer_type": "basic", "embedding_size": 8}
    backbone = transformers.RTDetrResNetConfig(**size, out_features=["stage2", "stage3", "stage4"])
    config = transformers.RTDetrConfig(
        backbone_config=backbone, num_labels=3, encoder_hidden_dim=16, encoder_in_channels=[8, 16, 16], d_model=16,
        num_queries=10, decoder_in_channels=[16] * 3, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=16,
        decoder_ffn_dim=16, encoder_attention_heads=2, decoder_attention_heads=2, num_denoising=0, decoder_n_points=2,
    )  # fmt: skip
    return transformers.RTDetrForObjectDetection(config)


_SWIN_V2 = {"block": tv.swin_transformer.SwinTransformerBlockV2}
_SWIN_V2 |= {"downsample_layer": tv.swin_transformer.PatchMergingV2}
_TIMM: dict[str, Any] = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2}
_PLAIN: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
_PLAIN |= {"image_size": 32, "patch_size": 8}
_TEXT = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
_SWIN: dict[str, Any] = {"embed_dim": 16, "depths": [2, 1], "num_heads": [1, 2], "window_size": 4, "image_size": 32}
_PYRAMID: dict[str, Any] = {"num_encoder_blocks": 2, "depths": [1, 1], "hidden_sizes": [8, 16], "strides": [4, 2]}
_PYRAMID |= {"num_attention_heads": [1, 2]}
_HIERA: dict[str, Any] = {"depths": [1, 1], "num_heads": [1, 2], "embed_dim": 16, "num_query_pool": 1}

FAMILIES: dict[str, Family] = {
    "torchvision ViT": Family(lambda: tv.VisionTransformer(32, 8, 2, 2, 32, 48, num_classes=5)),
    "timm ViT": _timm("vit_tiny_patch16_224", (32, 48), **_TIMM | {"img_size": (32, 48)}),
    "HF ViT": _hugging_face("ViT", "ForImageClassification", **_PLAIN),
    "timm DeiT": _timm("deit_tiny_distilled_patch16_224", **_TIMM),
    "HF DeiT": _hugging_face("DeiT", "ForImageClassificationWithTeacher", **_PLAIN),
    "torchvision Swin": Family(lambda: tv.SwinTransformer([4, 4], 16, [2, 1], [1, 2], [4, 4], num_classes=5), (48, 48)),
    "timm Swin": _timm(
        "swin_tiny_patch4_window7_224", (32, 64), img_size=(32, 64), embed_dim=16, depths=(2, 1), num_heads=(1, 2),
        window_size=4,
    ),
    "HF Swin": _hugging_face("Swin", "ForImageClassification", **_SWIN),
    "torchvision Swin v2": Family(
        lambda: tv.SwinTransformer([4, 4], 16, [2, 1], [1, 2], [4, 4], num_classes=5, **_SWIN_V2), (32, 32)
    ),
    "timm Swin v2": _timm(
        "swinv2_tiny_window8_256", img_size=32, embed_dim=16, depths=(2, 1), num_heads=(1, 2), window_size=4
    ),
    "HF Swin v2": _hugging_face("Swinv2", "ForImageClassification", **_SWIN),
    "timm DINOv2": _timm("vit_small_patch14_reg4_dinov2", **_TIMM),
    "HF DINOv2": _hugging_face("Dinov2WithRegisters", "ForImageClassification", **_PLAIN, num_register_tokens=3),
    "timm BEiT": _timm("beit_base_patch16_224", **_TIMM),
    "HF BEiT": _hugging_face("Beit", "ForImageClassification", **_PLAIN, use_relative_position_bias=True),
    "timm EVA-02": _timm("eva02_tiny_patch14_224", **_TIMM),
    "HF CLIP": _hugging_face("CLIPVision", "ModelWithProjection", **_PLAIN, projection_dim=5),
    "timm CLIP": _timm("vit_base_patch16_clip_224", **_TIMM),
    "timm SigLIP": _timm("vit_base_patch16_siglip_224", **_TIMM),
    "HF SigLIP": _hugging_face("Siglip", "ForImageClassification", vision_config=_PLAIN, text_config=_TEXT),
    "torchvision MaxViT": Family(lambda: tv.MaxVit((64, 64), 8, 4, [8, 16], [1, 1], 8, 0.0, num_classes=5), (64, 64)),
    "timm MaxViT": _timm("maxvit_tiny_rw_224", (64, 64), img_size=64, embed_dim=(32, 32), depths=(1, 1), stem_width=8),
    "timm CaiT": _timm("cait_xxs24_224", **_TIMM),
    "timm XCiT": _timm("xcit_nano_12_p8_224", **_TIMM),
    "timm PVT v2": _timm(
        "pvt_v2_b0", embed_dims=(8, 16), depths=(1, 1), num_heads=(1, 2), sr_ratios=(4, 1), mlp_ratios=(2, 2)
    ),
    "HF PVT": _hugging_face(
        "Pvt", "ForImageClassification", image_size=32, patch_sizes=[4, 2], sequence_reduction_ratios=[4, 1],
        mlp_ratios=[2, 2], **_PYRAMID,
    ),
    "timm MViT": Family(_mvit),
    "timm Hiera": _timm(
        "hiera_tiny_224", (64, 64), img_size=64, embed_dim=16, num_heads=1, stages=(1, 1, 1), q_pool=2,
        mask_unit_attn=(True, True, False), mask_unit_size=(4, 4), patch_kernel=(3, 3), patch_padding=(1, 1),
    ),
    "HF Hiera": _hugging_face("Hiera", "ForImageClassification", (64, 64), image_size=[64, 64], **_HIERA),
    "timm MobileViT": Family(_mobilevit, (48, 32)),
    "HF MobileViT": _hugging_face(
        "MobileViT", "ForImageClassification", image_size=32, hidden_sizes=[16, 16, 16], num_attention_heads=2,
        neck_hidden_sizes=[8, 8, 8, 8, 8, 8, 16],
    ),
    "HF SegFormer": _hugging_face(
        "Segformer", "ForSemanticSegmentation", patch_sizes=[7, 3], sr_ratios=[2, 1], mlp_ratios=[2, 2],
        decoder_hidden_size=16, **_PYRAMID,
    ),
    "HF YOLOS": _hugging_face(
        "Yolos", "ForObjectDetection", **_PLAIN | {"image_size": [32, 32]}, num_detection_tokens=3,
        use_mid_position_embeddings=False,
    ),
    "HF DETR": Family(_detr, (64, 64)),
    "HF MAE": _hugging_face("ViTMAE", "Model", **_PLAIN, mask_ratio=0.0),
    "timm MAE": _timm("vit_base_patch16_224", **_TIMM, global_pool="avg"),
}  # fmt: skip


def tiny(name: str, seed: int = 0) -> nn.Module:
    """The family's model in evaluation mode, with weights that keep activations at their size.

    Published starts leave attention almost uniform at this width, and some layers at zero or scaled away.
    """
    torch.manual_seed(seed)
    model = FAMILIES[name].make().eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=(parameter.shape[0] / parameter.numel()) ** 0.5)
        elif not bool((parameter.detach().abs() > 0.01).any()):
            nn.init.normal_(parameter, std=0.2)
    return model
