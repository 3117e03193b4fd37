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
from planted_detector import CAT, FORMS, NAMES, Form, PlantedDetector, scene, scope_of

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


@pytest.mark.parametrize("form", ["tensors", "tuple", "dict", "rows"])
def test_a_detector_that_lists_a_single_box_is_no_classifier(form: str) -> None:
    """Rows of six numbers, of one box for one picture, look like six class scores, and are none."""

    class Listing(PlantedDetector):
        def forward(self, x: Tensor) -> Any:
            listed = super().forward(x)
            parts = [{name: part[:1] for name, part in each.items()} for each in listed]
            rows = [torch.cat([each["boxes"], each["scores"][:, None], each["labels"][:, None]], 1) for each in parts]
            boxes, scores, labels = (
                torch.stack([each[name] for each in parts]) for name in ("boxes", "scores", "labels")
            )
            given = {"tensors": rows, "tuple": (scores, labels, boxes), "rows": torch.stack(rows)}
            return given.get(form, {"scores": scores, "labels": labels, "boxes": boxes})

    scope = fm.Scope(Listing(least=0.0).eval(), classes=NAMES)
    assert scope.layers(torch.rand(1, 3, 64, 64)).levels == ("fine", "coarse")
    heat = scope.explain(scene(CAT)[None])
    assert [box and box.label for box in heat.boxes] == ["cat"]
    assert heat.levels == ({"fine": 1, "coarse": 0},)


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


class Pyramid(nn.Module):
    """Three maps handed over together, the finest scaled to a length of its own, as SSD300's backbone does."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.ReLU())
        self.middle, self.coarse = (nn.Sequential(nn.Conv2d(4, 4, 2, 2), nn.ReLU()) for _ in range(2))
        self.scale = nn.Parameter(torch.full((1, 4, 1, 1), 20.0))

    def forward(self, x: Tensor) -> list[Tensor]:
        fine = self.fine(x)
        middle = self.middle(fine)
        return [self.scale * nn.functional.normalize(fine), middle, self.coarse(middle)]


class Normalised(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.heads = Pyramid(), nn.ModuleList(nn.Conv2d(4, 7, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        maps = zip(self.heads, self.backbone(x), strict=True)
        return torch.cat([head(each).flatten(2) for head, each in maps], 2).sigmoid()


def test_a_level_that_is_normalised_before_the_heads_read_it_is_one() -> None:
    scope = fm.Scope(Normalised().eval(), classes=("a", "b", "c"))
    levels = ("backbone.fine", "backbone.middle", "backbone.coarse")
    assert scope.layers(torch.rand(1, 3, 64, 64)).levels == levels


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


def test_maps_packed_inside_an_output_are_handed_over_together() -> None:
    """As RT-DETR's encoder gives them: in a list inside a dict, after maps of the same sizes went into it one by one."""

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 4, 2, 2)
            self.merge = nn.Conv2d(8, 4, 1)

        def forward(self, maps: list[Tensor]) -> dict[str, Any]:
            fine, coarse = maps
            large = self.up(torch.cat([fine, nn.functional.interpolate(coarse, scale_factor=2.0)], 1))
            return {"maps": [large, self.merge(torch.cat([self.down(large), coarse], 1))]}

    class WithNeck(PlantedDetector):
        def __init__(self) -> None:
            super().__init__("columns")
            self.neck = Mixed()

        def forward(self, x: Tensor) -> Any:
            fine = self.fine(self.stem(x))
            maps = self.neck([fine, self.coarse(fine)])["maps"]
            logits = [head(each).flatten(2) for head, each in zip(self.heads, maps, strict=True)]
            return self.given(torch.cat(logits, 2).mT)

    assert fm.Scope(WithNeck().eval(), classes=("a", "b", "c")).layers(torch.rand(1, 3, 64, 64)).levels == (
        "neck.up",
        "neck.merge",
    )


class OneStride(nn.Module):
    """A detector with towers of their own for scores, boxes and weights of masks, all on one map."""

    def __init__(self, listed: bool) -> None:
        super().__init__()
        self.listed = listed
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.scores, self.boxes, self.weights = (
            nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1), nn.ReLU(), nn.Conv2d(8, out, 1)) for out in (3, 4, 8)
        )

    def forward(self, x: Tensor) -> Any:
        features = self.features(x)
        scores, boxes = (head(features).flatten(2).mT for head in (self.scores, self.boxes))
        masks = torch.einsum("bqc,bchw->bqhw", self.weights(features).flatten(2).mT[:, :2], features).sigmoid()
        middles, sides = 8 + 48 * boxes[..., :2].sigmoid(), 4 + 8 * boxes[..., 2:].sigmoid()
        if not self.listed:
            return torch.cat([middles, sides, scores.sigmoid()], 2), masks
        best, labels = scores.sigmoid().max(2)
        edges = torch.cat([middles - sides / 2, middles + sides / 2], 2)
        parts = zip(edges[:, :2], labels[:, :2], best[:, :2], masks, strict=True)
        return [dict(zip(("boxes", "labels", "scores", "masks"), each, strict=True)) for each in parts]


@pytest.mark.parametrize("listed", [True, False])
def test_the_last_map_of_one_stride_is_what_all_heads_read(listed: bool) -> None:
    """What runs last is the head of the masks, which no score depends on."""
    torch.manual_seed(0)
    scope = fm.Scope(OneStride(listed).eval(), classes=NAMES)
    heat = scope.explain(torch.rand(1, 3, 64, 64), "hires_cam", threshold=0.0)
    assert heat.layer == "features"
    assert all(float(map.abs().max()) > 0 for map in heat.maps)
