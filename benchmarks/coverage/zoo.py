"""The architectures that are tried: how each is built, randomly initialised, and for which pictures.

torchvision's are all there; of timm, Hugging Face and Keras a small one of each family.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest import mock

import torchvision.models as tv
from torch import nn
from torchvision.models.video import mvit

TIMM = [
    "beit_base_patch16_224",
    "beitv2_base_patch16_224",
    "eca_halonext26ts",
    "botnet26t_256",
    "lambda_resnet26t",
    "mobileone_s0",
    "repvgg_a0",
    "cait_xxs24_224",
    "coat_lite_tiny",
    "convit_tiny",
    "convmixer_768_32",
    "convnext_atto",
    "convnextv2_atto",
    "crossvit_9_240",
    "cs3darknet_focus_s",
    "cspresnet50",
    "darknet53",
    "davit_tiny",
    "deit_tiny_distilled_patch16_224",
    "deit3_small_patch16_224",
    "densenet121",
    "dla34",
    "dpn48b",
    "edgenext_xx_small",
    "efficientformer_l1",
    "efficientformerv2_s0",
    "efficientnet_b0",
    "efficientvit_b0",
    "efficientvit_m0",
    "eva02_tiny_patch14_224",
    "fasternet_t0",
    "fastvit_t8",
    "fbnetc_100",
    "focalnet_tiny_srf",
    "gcvit_xxtiny",
    "ghostnet_050",
    "gmlp_s16_224",
    "hardcorenas_a",
    "hgnet_tiny",
    "hiera_tiny_224",
    "hrnet_w18_small",
    "inception_next_atto",
    "inception_resnet_v2",
    "inception_v4",
    "lcnet_050",
    "legacy_seresnet18",
    "levit_128s",
    "mambaout_femto",
    "maxvit_rmlp_pico_rw_256",
    "coatnet_nano_rw_224",
    "caformer_s18",
    "poolformer_s12",
    "mixer_s32_224",
    "mixnet_s",
    "mnasnet_small",
    "mobilenetv2_050",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small_050",
    "mobilevit_xxs",
    "mobilevitv2_050",
    "mvitv2_tiny",
    "nasnetalarge",
    "nest_tiny",
    "nextvit_small",
    "nf_resnet50",
    "dm_nfnet_f0",
    "pit_ti_224",
    "pnasnet5large",
    "pvt_v2_b0",
    "regnetx_002",
    "regnety_002",
    "repghostnet_050",
    "repvit_m0_9",
    "res2net50_26w_4s",
    "resmlp_12_224",
    "resnest14d",
    "resnet18",
    "resnetv2_50",
    "rexnet_100",
    "selecsls42",
    "sequencer2d_s",
    "seresnext26d_32x4d",
    "skresnet18",
    "spnasnet_100",
    "starnet_s1",
    "swiftformer_xs",
    "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256",
    "swinv2_cr_tiny_224",
    "tf_efficientnetv2_b0",
    "tinynet_e",
    "tiny_vit_5m_224",
    "tnt_s_patch16_224",
    "tresnet_m",
    "twins_pcpvt_small",
    "twins_svt_small",
    "vgg11",
    "visformer_tiny",
    "vit_tiny_patch16_224",
    "vit_relpos_small_patch16_224",
    "vit_small_r26_s32_224",
    "vit_small_patch14_reg4_dinov2",
    "vitamin_small_224",
    "volo_d1_224",
    "ese_vovnet19b_dw",
    "xception41",
    "xcit_nano_12_p16_224",
]
KERAS = {
    "MobileNet": 64,
    "MobileNetV2": 64,
    "MobileNetV3Small": 64,
    "EfficientNetB0": 64,
    "EfficientNetV2B0": 64,
    "ResNet50": 64,
    "ResNet50V2": 64,
    "DenseNet121": 64,
    "VGG16": 64,
    "Xception": 80,
    "InceptionResNetV2": 128,
    "ConvNeXtTiny": 64,
    "InceptionV3": 128,
}


@dataclass(frozen=True, eq=False)
class Entry:
    """One architecture: `build` makes it; it is given pictures of `shape` (channel, *spatial)."""

    group: str
    name: str
    build: Callable[[], Any]
    shape: tuple[int, ...] = (3, 64, 64)
    kind: str = "classifier"
    options: dict[str, Any] = field(default_factory=dict)
    """What the user would say: keywords of `Scope`."""
    scores: int | str | None = None
    """Which part of what it returns has the class scores."""

    @property
    def key(self) -> str:
        """What it is called among all of them."""
        return f"{self.group}: {self.name}"


def zoo() -> list[Entry]:
    """All of them, group after group."""
    from benchmarks.coverage.homemade import homemade

    return [*_torchvision(), *_timm(), *_huggingface(), *_keras(), *homemade()]


def _torchvision() -> Iterator[Entry]:
    for name in tv.list_models(module=tv):
        side, given = 64, {}
        if name.startswith("vit_"):
            side = 56 if name.endswith("14") else 64
            given = {"image_size": side}
        elif name.startswith("maxvit"):
            side = 224
        elif name == "inception_v3":
            side, given = 128, {"init_weights": False}
        elif name == "googlenet":
            given = {"init_weights": False}
        yield Entry("torchvision classification", name, _model(name, given), (3, side, side))
    for name in tv.list_models(module=tv.segmentation):
        yield Entry("torchvision segmentation", name, _model(name, {"weights_backbone": None}), kind="segmentation")
    for name in tv.list_models(module=tv.detection):
        given = {"weights_backbone": None, "num_classes": 5}
        side = 320 if "320" in name or "ssd" in name else 128
        given |= {} if "ssd" in name else {"min_size": side, "max_size": side}
        # untrained ones find nothing above their own
        given["box_score_thresh" if "rcnn" in name else "score_thresh"] = 0.0
        yield Entry("torchvision detection", name, _model(name, given), (3, side, side), "detector")
    for name in tv.list_models(module=tv.video):
        shape = (3, 16, 224, 224) if name == "s3d" else (3, 8, 64, 64)
        build = partial(_small_mvit, name) if name.startswith("mvit") else _model(name, {})
        yield Entry("torchvision video", name, build, shape)


def _small_mvit(name: str) -> nn.Module:
    """One for 8 frames of 64 × 64; torchvision's are for 16 of 224 × 224, which take longer than there is time."""
    whole = mvit._mvit

    def smaller(**given: Any) -> nn.Module:
        return whole(**{**given, "temporal_size": 8, "spatial_size": (64, 64)})

    with mock.patch.object(mvit, "_mvit", smaller):
        return tv.get_model(name, weights=None)


def _model(name: str, given: dict[str, Any]) -> Callable[[], nn.Module]:
    return lambda: tv.get_model(name, weights=None, **given)


def _timm() -> Iterator[Entry]:
    for name in TIMM:
        yield Entry("timm", name, lambda name=name: _of_timm(name), _timm_shape(name))


def _timm_shape(name: str) -> tuple[int, ...]:
    import timm

    config = timm.get_pretrained_cfg(name)
    channels, side, _ = config.input_size if config else (3, 224, 224)
    fixed = config is None or config.fixed_input_size or side < 224 or "halo" in name
    return (channels, side, side) if fixed else (channels, 128, 128)


def _of_timm(name: str) -> nn.Module:
    import timm

    return timm.create_model(name, num_classes=10)


def _huggingface() -> Iterator[Entry]:
    from benchmarks.coverage.huggingface import FAMILIES, build

    for name, (kind, side, given) in FAMILIES.items():
        yield Entry("Hugging Face", name, lambda name=name, given=given: build(name, given), (3, side, side), kind)


def _keras() -> Iterator[Entry]:
    for name, side in KERAS.items():
        yield Entry("Keras", name, lambda name=name, side=side: _of_keras(name, side), (3, side, side))


def _of_keras(name: str, side: int) -> Any:
    import keras

    return getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3), classes=10)
