"""Hugging Face's architectures, small: the class and what its configuration is given."""

from typing import Any

from torch import nn

SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
VIT = SMALL | {"image_size": 64, "patch_size": 8}
STAGES = {"depths": [1, 1, 2, 1], "hidden_sizes": [16, 32, 48, 64]}
WINDOWS = {"image_size": 64, "patch_size": 4, "window_size": 4}
SWIN = WINDOWS | {"depths": [1, 1, 2], "num_heads": [2, 2, 4], "embed_dim": 16}
FAMILIES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "ViTForImageClassification": ("classifier", 64, VIT),
    "DeiTForImageClassification": ("classifier", 64, VIT),
    "BeitForImageClassification": ("classifier", 64, VIT),
    "Data2VecVisionForImageClassification": ("classifier", 64, VIT),
    "Dinov2ForImageClassification": ("classifier", 64, VIT),
    "Dinov2WithRegistersForImageClassification": ("classifier", 64, VIT),
    "ViTMSNForImageClassification": ("classifier", 64, VIT),
    "IJepaForImageClassification": ("classifier", 64, VIT),
    "SwinForImageClassification": ("classifier", 64, SWIN),
    "Swinv2ForImageClassification": ("classifier", 64, SWIN),
    "ConvNextForImageClassification": ("classifier", 64, STAGES),
    "ConvNextV2ForImageClassification": ("classifier", 64, STAGES),
    "ResNetForImageClassification": ("classifier", 64, STAGES | {"embedding_size": 16, "layer_type": "basic"}),
    "RegNetForImageClassification": ("classifier", 64, STAGES | {"embedding_size": 16, "groups_width": 8}),
    "BitForImageClassification": ("classifier", 64, STAGES | {"embedding_size": 16, "num_groups": 8}),
    "MobileNetV1ForImageClassification": ("classifier", 64, {"depth_multiplier": 0.25}),
    "MobileNetV2ForImageClassification": ("classifier", 64, {"depth_multiplier": 0.5}),
    "MobileViTForImageClassification": (
        "classifier",
        64,
        {"image_size": 64, "hidden_sizes": [24, 32, 40], "neck_hidden_sizes": [8, 16, 24, 32, 40, 48, 96]},
    ),
    "MobileViTV2ForImageClassification": ("classifier", 64, {"image_size": 64, "width_multiplier": 0.5}),
    "EfficientNetForImageClassification": (
        "classifier",
        64,
        {"width_coefficient": 0.5, "depth_coefficient": 0.5, "hidden_dim": 640},
    ),
    "PoolFormerForImageClassification": (
        "classifier",
        64,
        {"depths": [1, 1, 2, 1], "hidden_sizes": [16, 32, 48, 64]},
    ),
    "PvtForImageClassification": (
        "classifier",
        64,
        {"image_size": 64, "depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 40, 64]},
    ),
    "PvtV2ForImageClassification": (
        "classifier",
        64,
        {"image_size": 64, "depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 80, 64]},
    ),
    "FocalNetForImageClassification": ("classifier", 64, {"image_size": 64, "embed_dim": 16, "depths": [1, 1, 2, 1]}),
    "CvtForImageClassification": (
        "classifier",
        64,
        {"embed_dim": [16, 32, 48], "num_heads": [1, 2, 4], "depth": [1, 2, 3]},
    ),
    "LevitForImageClassification": (
        "classifier",
        128,
        {"image_size": 128, "hidden_sizes": [32, 48, 64], "num_attention_heads": [2, 3, 4], "depths": [1, 1, 1]},
    ),
    "HieraForImageClassification": (
        "classifier",
        64,
        {"image_size": [64, 64], "embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 4]},
    ),
    "SegformerForImageClassification": (
        "classifier",
        64,
        {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 40, 64], "num_attention_heads": [1, 2, 5, 4]},
    ),
    "SegformerForSemanticSegmentation": (
        "segmentation",
        64,
        {"depths": [1, 1, 1, 1], "hidden_sizes": [16, 32, 40, 64], "decoder_hidden_size": 32},
    ),
    "CLIPForImageClassification": ("classifier", 64, {"vision_config": VIT}),
    "SiglipForImageClassification": ("classifier", 64, {"vision_config": VIT}),
    "YolosForObjectDetection": (
        "queries",
        64,
        SMALL | {"image_size": [64, 64], "patch_size": 8, "num_detection_tokens": 6},
    ),
}


def build(name: str, given: dict[str, Any]) -> nn.Module:
    """A model of this class, randomly initialised."""
    import transformers

    config = getattr(transformers, name).config_class(**given, num_labels=10)
    made: nn.Module = getattr(transformers, name)(config)
    return made
