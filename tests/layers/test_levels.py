"""The maps of several strides that a detector's heads read."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayerNotFoundError
from nets import TinyUNet, plain
from planted_detector import FORMS, Form, PlantedDetector, scope_of

SIZES = {"min_size": 64, "max_size": 80}
FPN = ("backbone.fpn.layer_blocks.0", "backbone.fpn.layer_blocks.1", "backbone.fpn.layer_blocks.2")
EXTRA = ("backbone.fpn.extra_blocks.p6", "backbone.fpn.extra_blocks.p7")


def small(name: str, **settings: Any) -> nn.Module:
    """One of torchvision's detectors with random weights."""
    return torchvision.models.get_model(name, weights=None, weights_backbone=None, **settings).eval()


@pytest.mark.parametrize(
    ("name", "settings", "levels"),
    [
        (
            "ssdlite320_mobilenet_v3_large",
            {},
            ("backbone.features.0", "backbone.features.1", *(f"backbone.extra.{i}" for i in range(4))),
        ),
        ("retinanet_resnet50_fpn", SIZES, (*FPN, *EXTRA)),
        ("fcos_resnet50_fpn", SIZES, (*FPN, *EXTRA)),
        ("fasterrcnn_resnet50_fpn", SIZES, (*FPN, "backbone.fpn.layer_blocks.3")),
    ],
)
def test_levels_of_torchvision(name: str, settings: dict[str, Any], levels: tuple[str, ...]) -> None:
    layers = fm.Scope(small(name, **settings)).layers(torch.rand(1, 3, 64, 80))
    assert layers.levels == levels
    assert layers.fused("last") == layers.fused("levels") == ("levels", levels)
    assert f"levels that the heads read: {', '.join(levels)}" in str(layers)


@pytest.mark.parametrize("form", FORMS)
def test_heads_that_take_their_maps_one_by_one(form: Form) -> None:
    assert scope_of(form).layers(torch.rand(1, 3, 64, 64)).levels == ("fine", "coarse")


class Towers(PlantedDetector):
    """Scores and boxes from towers of their own, as in RetinaNet, the scores' shared by the levels."""

    def __init__(self) -> None:
        super().__init__()
        self.tower, self.other = (nn.Sequential(nn.Conv2d(4, 4, 3, 1, 1), nn.ReLU()) for _ in range(2))
        self.scores, self.shifts = nn.Conv2d(4, 3, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Any:
        fine = self.fine(self.stem(x))
        maps = [fine, self.coarse(fine)]
        logits = torch.cat([self.scores(self.tower(each)).flatten(2) for each in maps], 2).mT
        shifts = torch.cat([self.shifts(self.other(each)).flatten(2) for each in maps], 2).mT
        return torch.cat([self.boxes + shifts, logits.sigmoid()], 2)


def test_towers_are_above_the_levels() -> None:
    assert fm.Scope(Towers().eval(), classes=("a", "b", "c")).layers(torch.rand(1, 3, 64, 64)).levels == (
        "fine",
        "coarse",
    )


def test_a_head_of_several_layers_is_left_out() -> None:
    class Heads(PlantedDetector):
        def __init__(self) -> None:
            super().__init__("columns")
            self.heads = nn.ModuleList(nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), each) for each in self.heads)

    assert fm.Scope(Heads().eval(), classes=("a", "b", "c")).layers(torch.rand(1, 3, 64, 64)).levels == (
        "fine",
        "coarse",
    )


@pytest.mark.parametrize("build", [plain, TinyUNet])
def test_others_have_none(build: Callable[[], nn.Module]) -> None:
    layers = fm.Scope(build().eval()).layers(torch.rand(1, 3, 32, 32))
    assert layers.levels == ()
    assert layers.fused("last") == ("last", ())
    with pytest.raises(LayerNotFoundError, match="'levels'. 'last' is the last map; 'layer2 \\+ layer3' adds"):
        layers.resolve("levels")


def test_several_layers_by_name_are_one() -> None:
    layers = scope_of().layers(torch.rand(1, 3, 64, 64))
    assert layers.fused("stem+ fine") == ("stem + fine", ("stem", "fine"))
    with pytest.raises(LayerNotFoundError, match="'fnie' is not in PlantedDetector. Did you mean 'fine'"):
        layers.fused("stem + fnie")
