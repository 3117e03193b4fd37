"""One model of each family of torchvision, with random weights whose activations stay at a sensible size.

Each has every kind of block of its family, and fewer of a kind than the published one.
"""

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
    """VGG-11 with fewer channels, and without its hundred million parameters in fully connected layers."""
    channels = (16, "M", 32, "M", 64, 64, "M", 128, 128, "M", 128, 128, "M")
    with torch.device("meta"):
        model = models.VGG(nn.Identity(), init_weights=False)
    model.features = models.vgg.make_layers(channels)
    model.avgpool = nn.AdaptiveAvgPool2d(2)
    model.classifier = nn.Sequential(nn.Linear(512, 64), nn.ReLU(True), nn.Dropout(), nn.Linear(64, 10))
    for module in model.features:
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return model


def quarter(model: nn.Module) -> nn.Module:
    """The model with a quarter of its channels and outputs, and weights that keep activations at their size.

    It may have been made without memory (on "meta") where it has no other weights than these layers'.
    """
    for block in list(model.modules()):
        for place, layer in list(block.named_children()):
            if isinstance(layer, nn.Conv2d):
                inputs, groups = layer.in_channels, layer.groups
                depthwise, colours = inputs == groups > 1, inputs == 3
                shape = (inputs if colours else inputs // 4, layer.out_channels // 4, layer.kernel_size)
                options = {name: getattr(layer, name) for name in ("stride", "padding", "dilation")}
                options |= {"groups": groups // 4 if depthwise else groups, "bias": layer.bias is not None}
                layer = nn.Conv2d(*shape, **options)
                nn.init.kaiming_normal_(layer.weight)
            elif isinstance(layer, nn.BatchNorm2d):
                layer = nn.BatchNorm2d(layer.num_features // 4, layer.eps)
            elif isinstance(layer, nn.Linear):
                layer = nn.Linear(layer.in_features // 4, layer.out_features // 4)
            setattr(block, place, layer)
    return model


def quarter_of(name: str) -> nn.Module:
    """A network of torchvision with a quarter of its channels; weights of its own full width are never drawn."""
    if name in _OF_OTHER_LAYERS:
        return _OF_OTHER_LAYERS[name]()
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    with torch.device("cpu" if name.startswith("regnet") else "meta"):
        model = models.get_model(name, **options)
    return quarter(model)


_SWIN = ([4, 4], 24, [2, 2, 6, 2], [3, 6, 12, 24])
_V2 = {"block": models.swin_transformer.SwinTransformerBlockV2}
_V2 |= {"downsample_layer": models.swin_transformer.PatchMergingV2}
_CONVNEXT = [(24, 48, 3), (48, 96, 3), (96, 192, 9), (192, None, 3)]
_OF_OTHER_LAYERS: dict[str, Callable[[], nn.Module]] = {
    "swin_t": lambda: models.SwinTransformer(*_SWIN, [7, 7]),
    "swin_v2_t": lambda: models.SwinTransformer(*_SWIN, [8, 8], **_V2),
    "convnext_tiny": lambda: models.ConvNeXt([models.convnext.CNBlockConfig(*stage) for stage in _CONVNEXT]),
}


def _without(model: nn.Module, *blocks: str) -> nn.Module:
    """The model with some blocks, whose output is as large as their input, left out."""
    for block in blocks:
        setattr(model, block, nn.Identity())
    return model


def _densenet() -> nn.Module:
    """DenseNet-121 with fewer and narrower dense layers."""
    return models.DenseNet(16, (2, 2, 3, 2), 32)


def _efficientnet() -> nn.Module:
    """EfficientNet-B0 with half of its layers."""
    stages = [(1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 1), (6, 5, 2, 24, 40, 1), (6, 3, 2, 40, 80, 2)]
    stages += [(6, 5, 1, 80, 112, 1), (6, 5, 2, 112, 192, 1), (6, 3, 1, 192, 320, 1)]
    return models.EfficientNet([models.efficientnet.MBConvConfig(*stage) for stage in stages], 0.2)


def _mobilenet() -> nn.Module:
    """MobileNetV3-Small with 7 of its 11 blocks."""
    blocks = [(16, 3, 16, 16, True, "RE", 2), (16, 3, 72, 24, False, "RE", 2), (24, 3, 88, 24, False, "RE", 1)]
    blocks += [(24, 5, 96, 40, True, "HS", 2), (40, 5, 240, 40, True, "HS", 1), (40, 5, 120, 48, True, "HS", 1)]
    blocks += [(48, 5, 288, 96, True, "HS", 2)]
    return models.MobileNetV3([models.mobilenetv3.InvertedResidualConfig(*block, 1, 1.0) for block in blocks], 1024)


def _regnet() -> nn.Module:
    """RegNetX-400MF with 6 of its 22 blocks."""
    widths = [32, 64, 160, 400]
    return models.RegNet(models.regnet.BlockParams([1, 1, 2, 2], widths, [16] * 4, [1.0] * 4, [2] * 4))


def _convnext() -> nn.Module:
    """ConvNeXt-T with fewer channels and blocks."""
    stages = [(24, 48, 1), (48, 96, 1), (96, 192, 2), (192, None, 1)]
    return models.ConvNeXt([models.convnext.CNBlockConfig(*stage) for stage in stages])


def _swin() -> nn.Module:
    """Swin-T with fewer channels and blocks."""
    return models.SwinTransformer([4, 4], 24, [1, 1, 2, 1], [3, 6, 12, 24], [7, 7])


FAMILIES = {
    "resnet18": Family(lambda: quarter(models.resnet18()), 64, ("layer1.0.conv1", "layer2.1", "layer4")),
    "vgg11": Family(_vgg11, 48, ("features.0", "features.8", "features")),
    "squeezenet1_0": Family(
        lambda: quarter(models.squeezenet1_0()), 64, ("features.0", "features.7.squeeze", "features")
    ),
    "densenet121": Family(
        _densenet, 64, ("features.denseblock1.denselayer1.conv1", "features.denseblock3.denselayer2.conv2", "features")
    ),
    "inception_v3": Family(
        lambda: quarter(
            _without(models.inception_v3(init_weights=False), "Mixed_5d", "Mixed_6c", "Mixed_6d", "Mixed_6e")
        ),
        96,
        ("Conv2d_1a_3x3", "Mixed_6b.branch7x7_1", "Mixed_7c"),
    ),
    "googlenet": Family(
        lambda: quarter(_without(models.googlenet(init_weights=False), "inception4b", "inception4c", "inception5a")),
        64,
        ("conv1", "inception4a.branch2", "inception5b"),
    ),
    "mobilenet_v3_small": Family(_mobilenet, 64, ("features.0", "features.5.block.2.fc1", "features")),
    "efficientnet_b0": Family(lambda: quarter(_efficientnet()), 64, ("features.0", "features.4.1.block.1", "features")),
    "convnext": Family(_convnext, 64, ("features.0", "features.5.1.block.0", "features")),
    "regnet_x_400mf": Family(_regnet, 64, ("stem", "trunk_output.block3.block3-1", "trunk_output")),
    "shufflenet_v2_x0_5": Family(
        lambda: models.ShuffleNetV2([2, 3, 2], [24, 48, 96, 192, 1024]), 64, ("conv1", "stage3.1.branch2", "conv5")
    ),
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
