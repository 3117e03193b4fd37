"""One model of each family of torchvision, with random weights whose activations stay at a sensible size."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchvision
from torch import nn

models = torchvision.models


@dataclass(frozen=True)
class Family:
    """How to make a model, the pictures' size, and an early, a middle and the last layer of it."""

    make: Callable[[], nn.Module]
    size: int
    layers: tuple[str, str, str]


def _vgg11() -> nn.Module:
    """VGG-11 without its hundred million parameters in fully connected layers."""
    model = models.vgg11(init_weights=False)
    model.avgpool = nn.AdaptiveAvgPool2d(2)
    model.classifier = nn.Sequential(nn.Linear(2048, 64), nn.ReLU(True), nn.Dropout(), nn.Linear(64, 10))
    for module in model.features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return model


def _convnext() -> nn.Module:
    """ConvNeXt-T with fewer channels, and four blocks fewer in its third stage."""
    stages = [(24, 48, 3), (48, 96, 3), (96, 192, 5), (192, None, 3)]
    return models.ConvNeXt([models.convnext.CNBlockConfig(*stage) for stage in stages])


def _swin() -> nn.Module:
    """Swin-T with fewer channels, and four blocks fewer in its third stage."""
    return models.SwinTransformer([4, 4], 24, [2, 2, 2, 2], [3, 6, 12, 24], [7, 7])


FAMILIES = {
    "resnet18": Family(models.resnet18, 64, ("layer1.0.conv1", "layer2.1", "layer4")),
    "vgg11": Family(_vgg11, 48, ("features.0", "features.8", "features")),
    "squeezenet1_0": Family(models.squeezenet1_0, 64, ("features.0", "features.7.squeeze", "features")),
    "densenet121": Family(
        models.densenet121,
        64,
        ("features.denseblock1.denselayer1.conv1", "features.denseblock3.denselayer2.conv2", "features"),
    ),
    "inception_v3": Family(
        lambda: models.inception_v3(init_weights=False), 96, ("Conv2d_1a_3x3", "Mixed_6b.branch7x7_1", "Mixed_7c")
    ),
    "googlenet": Family(
        lambda: models.googlenet(init_weights=False), 64, ("conv1", "inception4a.branch2", "inception5b")
    ),
    "mobilenet_v3_small": Family(models.mobilenet_v3_small, 64, ("features.0", "features.5.block.2.fc1", "features")),
    "efficientnet_b0": Family(models.efficientnet_b0, 64, ("features.0", "features.4.1.block.1", "features")),
    "convnext": Family(_convnext, 64, ("features.0", "features.5.4.block.0", "features")),
    "regnet_x_400mf": Family(models.regnet_x_400mf, 64, ("stem", "trunk_output.block3.block3-1", "trunk_output")),
    "shufflenet_v2_x0_5": Family(models.shufflenet_v2_x0_5, 64, ("conv1", "stage3.1.branch2", "conv5")),
    "swin": Family(_swin, 64, ("features.0", "features.5.1.attn", "norm")),
    "vit": Family(
        # vit_b_16 with fewer and smaller layers
        lambda: models.VisionTransformer(64, 16, 4, 4, 48, 96),
        64,
        ("conv_proj", "encoder.layers.encoder_layer_1.self_attention", "encoder.ln"),
    ),
}


def calibrated(family: Family) -> nn.Module:
    """The model in evaluation mode: batch norm fitted to noise, no layer scaled away, no head at zero."""
    torch.manual_seed(0)
    model = family.make().eval()
    for name, parameter in model.named_parameters():
        if "layer_scale" in name:
            nn.init.ones_(parameter)
        elif name == "heads.head.weight":
            nn.init.normal_(parameter)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = None
    with torch.no_grad():
        model(torch.randn(4, 3, family.size, family.size))
    for norm in norms:
        norm.eval()
        norm.momentum = 0.1
    return model
