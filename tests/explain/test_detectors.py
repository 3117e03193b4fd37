"""Detectors explained without a target: each box found, held against evidence that lies outside it."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, MethodError, OptionError, TargetError
from featuremaps.explain.fused import fused
from featuremaps.plotting.outlines import BOX
from featuremaps.running import counting
from planted_detector import CAT, DOG, FORMS, PLANTS, SIDE, Form, PlantedDetector, inside, scene, scope_of

METHODS: dict[str, dict[str, Any]] = {
    "grad_cam": {},
    "layer_cam": {},
    "hires_cam": {},
    "d_rise": {"masks": 400, "cells": 8},
    "occlusion": {"window": 8},
    "integrated_gradients": {},
    "saliency": {},
}


def both(form: Form = "listed") -> tuple[fm.Scope, Tensor]:
    return scope_of(form), scene(CAT, DOG)[None]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", METHODS)
def test_the_evidence_is_found_outside_the_box(method: str, form: Form) -> None:
    scope, picture = both(form)
    explained = scope.explain(picture, method, **METHODS[method])
    heat = explained if isinstance(explained, fm.Heatmaps) else explained.map()
    assert [box and box.label for box in heat.boxes] == ["dog", "cat"]
    for map, plant in zip(heat.upsample((SIDE, SIDE)).maps, (DOG, CAT), strict=True):
        for_it, evidence = map.relu(), inside(plant.evidence)
        assert evidence.flatten()[for_it.argmax()] == 1
        share = float((for_it * evidence).sum() / for_it.sum())
        assert share > 2.5 * float((for_it * inside(plant.box)).sum() / for_it.sum())
        assert share > 4 * float(evidence.mean())


def test_a_row_for_each_detection_knows_its_picture_class_score_and_box() -> None:
    pictures = torch.stack([scene(CAT, DOG), scene(DOG, seed=1)])
    heat = scope_of().explain(pictures)
    assert (heat.picture_numbers, heat.layer) == ((0, 0, 1), "levels")
    assert [(box.number, box.label, box.index, box.box) for box in heat.boxes if box] == [
        (0, "dog", 1, DOG.box),
        (1, "cat", 0, CAT.box),
        (0, "dog", 1, DOG.box),
    ]
    assert heat.titles == ["0: dog 97%", "1: cat 97%", "0: dog 97%"]
    assert heat.captions[1] == "detection 1: cat (97%, box 20, 36, 36, 52)"
    one = heat[1]
    assert (one.picture_numbers, one.targets, one.boxes) == ((0,), ("cat, detection 1",), heat.boxes[1:2])
    for picture, rows in enumerate([(0, 1), (2,)]):  # batch = one by one
        alone = scope_of().explain(pictures[picture : picture + 1])
        for row, map in zip(rows, alone.maps, strict=True):
            torch.testing.assert_close(map, heat.maps[row])


def test_the_levels_that_a_detection_comes_from_are_said() -> None:
    scope, picture = both()
    heat = scope.explain(picture)
    for levels, plant in zip(heat.levels, (DOG, CAT), strict=True):
        assert levels["fine"] + levels["coarse"] == pytest.approx(1)
        assert levels[plant.level] == max(levels.values())
    assert heat.levels[1] == {"fine": 1, "coarse": 0}
    how = heat.how()
    assert "levels: fine: 4 channels of 8 × 8 places" in how
    assert " + coarse: 4 channels of 4 × 4 places" in how
    assert "detections: boxes, labels and scores of each picture" in how
    assert "1: cat 97%: fine 100%" in how


def test_fused_maps_add_up_to_what_each_layer_says() -> None:
    scope, picture = both()
    for name in ("hires_cam", "layer_cam"):
        heat = scope.explain(picture, name, layer="fine + coarse")
        parts = [scope.explain(picture, name, layer=layer) for layer in ("fine", "coarse")]
        for row, map in enumerate(heat.maps):
            own = [float(part.maps[row].sum()) for part in parts]
            assert float(map.sum()) == pytest.approx(sum(own), rel=1e-4)
            sizes = [abs(part.maps[row]).sum() for part in parts]
            assert heat.levels[row]["fine"] == pytest.approx(float(sizes[0] / sum(sizes)), abs=1e-3)
    again = scope.explain(picture, "hires_cam", layer="fine + coarse")
    assert again.layer == "fine + coarse"
    torch.testing.assert_close(again.maps[1], scope.explain(picture, "hires_cam").maps[1])


def test_a_level_counts_for_what_the_heads_read_of_it_and_not_for_what_is_made_of_it() -> None:
    """The coarse map is made of the fine one: named one by one both count the dog, as levels only the coarse one."""
    scope, picture = both()
    dog = scope.explain(picture).levels[0]
    assert dog == {"fine": 0, "coarse": 1}
    named = scope.explain(picture, layer="fine + coarse").levels[0]
    assert named["fine"] > 0.1
    comparison = scope.compare(picture, ["grad_cam", "saliency", "smooth_grad_cam_pp"], ["last", "fine"])
    torch.testing.assert_close(comparison["grad_cam", "levels", None].maps[0], scope.explain(picture).maps[0])
    alone = scope.explain(picture, layer="fine").maps[0]
    torch.testing.assert_close(comparison["grad_cam", "fine", None].maps[0], alone)
    assert float(alone.abs().max()) > 0
    assert comparison["smooth_grad_cam_pp", "levels", None].levels[0]["fine"] == 0


def test_fused_by_hand() -> None:
    fine, coarse = torch.zeros(1, 4, 4), torch.zeros(1, 2, 2)
    coarse[0, 1, 1], fine[0, 0, 0] = 8.0, 2.0
    map, ((first, second),) = fused([fine, coarse])
    assert map.shape == (1, 4, 4)
    assert (float(map.sum()), first, second) == pytest.approx((10, 0.2, 0.8))
    assert float(map[0, 3, 3]) == 2  # a quarter of what the coarse place says
    assert fused([torch.zeros(1, 2, 2), torch.zeros(1, 1, 1)])[1] == [[0, 0]]


def test_boxes_of_one_picture_share_the_forward_pass_and_the_masked_ones() -> None:
    scope, picture = both()
    scope.explain(picture)
    with counting() as first:
        scope.explain(picture)
    with counting() as second:
        scope.explain(picture, "d_rise", masks=32, cells=4)
    assert (first.pictures, second.pictures) == (1, 33)


@pytest.mark.parametrize("target", ["cat", 0, fm.Detection(0, "cat"), fm.Detection(1)])
def test_one_thing_among_those_found(target: Any) -> None:
    scope, picture = both()
    heat = scope.explain(picture, target=target)
    torch.testing.assert_close(heat.maps[0], scope.explain(picture).maps[1])
    assert [box and box.label for box in heat.boxes] == ["cat"]


def test_a_box_given_is_drawn_and_explained() -> None:
    scope, picture = both()
    heat = scope.explain(picture, target=fm.Box(CAT.box, "cat"))
    assert heat.boxes[0] is not None
    assert heat.boxes[0].box == CAT.box
    torch.testing.assert_close(heat.maps[0], scope.explain(picture).maps[1])
    rise = scope.explain(picture, "d_rise", target=fm.Box(CAT.box, "cat"), masks=100, cells=8)
    assert inside(CAT.evidence).flatten()[rise.map().maps[0].argmax()] == 1


def test_several_targets_side_by_side() -> None:
    scope, picture = both()
    comparison = scope.compare(picture, ["grad_cam", "saliency", "eigen_cam"], targets=[None, "cat"])
    assert {key: len(heat) for key, heat in comparison.items()} == {
        ("grad_cam", "levels", None): 2,
        ("eigen_cam", "levels", None): 1,
        ("saliency", "input", None): 2,
        ("grad_cam", "levels", "cat"): 1,
        ("eigen_cam", "levels", "cat"): 1,
        ("saliency", "input", "cat"): 1,
    }
    torch.testing.assert_close(
        comparison["saliency", "input", None].values[1], comparison["saliency", "input", "cat"].values[0]
    )


def test_nothing_above_the_threshold_shows_the_best_and_says_so() -> None:
    scope, picture = scope_of(least=0.0), scene(CAT)[None]
    heat = scope.explain(picture, threshold=0.99)
    assert [box and box.label for box in heat.boxes] == ["cat"]
    assert heat.warnings[0][0].startswith(
        "Nothing was found with a score of 0.99 or more: this is the surest detection"
    )
    assert len(scope.explain(picture, threshold=0.002)) > 3
    with pytest.raises(OptionError, match="threshold is a score from 0 to 1; got 1.5"):
        scope.explain(picture, threshold=1.5)


def test_pictures_in_which_nothing_is_found() -> None:
    scope = scope_of()
    with pytest.warns(
        FeatureMapsWarning, match="The detector found nothing in picture 1, however unsure: not explained"
    ):
        heat = scope.explain(torch.stack([scene(CAT), scene(seed=1), scene(DOG, seed=2)]))
    assert heat.picture_numbers == (0, 2)
    assert [seen.picture.name for seen in heat.unexplained] == ["picture 1"]
    assert "picture 1: nothing found to explain" in heat.how()
    with pytest.warns(FeatureMapsWarning, match="found no 'cup' in picture 0, picture 1, however unsure.*lower them"):
        heat = scope.explain(torch.stack([scene(CAT), scene(DOG)]), target="cup")
    assert len(heat) == 0


@pytest.mark.parametrize("method", ["hires_cam", "saliency"])
def test_a_picture_in_which_nothing_is_listed_is_shown_without_a_map(method: str, tmp_path: Path) -> None:
    scope, picture = scope_of(), scene()[None]
    with pytest.warns(FeatureMapsWarning, match="found nothing"):
        comparison = scope.compare(picture, [method])
    (heat,) = comparison.values()
    assert (len(heat), len(heat.unexplained)) == (0, 1)
    assert "nothing found to explain" in repr(heat)
    for shown in (heat, comparison):
        figure = shown.figure()
        assert figure.get_suptitle() == "nothing found to explain"
        assert [axes.get_title() for axes in figure.axes] == ["picture 0"]
    assert [*heat.save(tmp_path), *heat.save(tmp_path / "one.png"), *comparison.save(tmp_path)] == []


def test_a_detector_in_training_mode_is_explained_and_stays_so() -> None:
    """In training torchvision's detectors return losses, and ask for what there is to find."""
    model = torchvision.models.get_model(
        "ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None, score_thresh=0.0
    ).train()
    heat = fm.Scope(model, classes=[f"label {i}" for i in range(91)]).explain(torch.rand(1, 3, 60, 90))
    assert model.training
    assert len(heat) == 1
    assert heat.boxes[0] is not None
    assert heat.boxes[0].note


def test_a_method_for_boxes_refuses_classes_and_one_for_classes_boxes() -> None:
    scope, picture = both()
    with pytest.raises(MethodError, match="this method compares boxes, and the target is none"):
        scope.explain(picture, "d_rise", target=lambda outputs: torch.stack([each["scores"].sum() for each in outputs]))
    with pytest.raises(TargetError, match="compares classes, and the target 'dog, detection 0' is not a class"):
        scope.explain(picture, "finer_cam")


def colour_at(image: Image.Image, x: int, y: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*image.getpixel((x, y)))  # type: ignore[misc]


def test_boxes_are_drawn_on_figures_and_on_what_is_saved(tmp_path: Path) -> None:
    scope, picture = both()
    for explained in (scope.explain(picture), scope.explain(picture, "saliency")):
        for image, plant in zip(explained.overlay(), (DOG, CAT), strict=True):
            left, top, right, bottom = map(int, plant.box)
            for x, y in ((left, top), (right - 1, top), (left, bottom - 1), (right - 1, bottom - 1)):
                assert colour_at(image, x, y) == BOX
            assert colour_at(image, left - 2, top) != BOX
        written = [path.name for path in explained.save(tmp_path)]
        assert len({*written}) == len(written) >= 4
        assert explained.figure().axes


@pytest.mark.parametrize("size", [(97, 61), (50, 133), (64, 64)])
def test_boxes_on_the_original_are_right_to_within_a_pixel(size: tuple[int, int]) -> None:
    """A letterboxed picture of an odd size: the box found in the input is put back on the picture."""
    scope = fm.Scope(
        PlantedDetector().eval(), fm.preprocess(size=SIDE, mode="letterbox"), classes=("cat", "dog", "cup")
    )
    scale = SIDE / max(size)
    width, height = (round(side * scale) for side in size)
    left, top = (SIDE - width) / 2, (SIDE - height) / 2
    seen = scope.see(Image.fromarray(np.full((size[1], size[0], 3), 128, np.uint8))).seen[0]
    for plant in PLANTS:
        expected = [(plant.box[0] - left) / scale, (plant.box[1] - top) / scale]
        expected += [(plant.box[2] - left) / scale, (plant.box[3] - top) / scale]
        assert seen.box_on_original(plant.box) == pytest.approx(expected, abs=1)


def test_no_warning_where_all_is_well() -> None:
    scope, picture = both()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not any(scope.explain(picture).warnings)


MULTI = {"min_size": 64, "max_size": 96, "box_score_thresh": 0.0, "box_detections_per_img": 3}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("maskrcnn_resnet50_fpn", MULTI),
        ("keypointrcnn_resnet50_fpn", MULTI),
        ("fcos_resnet50_fpn", {"min_size": 64, "max_size": 96, "score_thresh": 0.0, "detections_per_img": 3}),
        ("ssdlite320_mobilenet_v3_large", {"score_thresh": 0.0, "detections_per_img": 3}),
    ],
)
def test_torchvision_without_user_code(name: str, settings: dict[str, Any]) -> None:
    """They normalise pictures themselves, so that none is asked for; each box has a map of the levels it comes from."""
    torch.manual_seed(0)
    model = torchvision.models.get_model(name, weights=None, weights_backbone=None, **settings)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 90, 3), np.uint8))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heat = fm.Scope(model).explain(picture, threshold=0.0)
    assert (len(heat), heat.layer) == (3, "levels")
    for map, levels, box, notes in zip(heat.maps, heat.levels, heat.boxes, heat.warnings, strict=True):
        assert box is not None
        assert map.any() or "the target's gradient is zero at the layer" in notes[0]  # sure, or without an area
        assert sum(levels.values()) == pytest.approx(float(map.any()))
        assert 0 <= box.box[0] <= box.box[2] <= 90
        assert 0 <= box.box[1] <= box.box[3] <= 64


def detr() -> nn.Module:
    hf = pytest.importorskip("transformers")
    names = {"id2label": dict(enumerate("abc")), "label2id": {name: i for i, name in enumerate("abc")}}
    backbone = hf.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[1] * 4, layer_type="basic", out_features=["stage4"]
    )
    layers = {f"{part}_{what}": count for part in ("encoder", "decoder") for what, count in SMALL.items()}
    config = hf.DetrConfig(
        use_timm_backbone=False, backbone_config=backbone, d_model=16, num_queries=7, **layers, **names
    )
    return hf.DetrForObjectDetection(config)


def yolos() -> nn.Module:
    hf = pytest.importorskip("transformers")
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = hf.YolosConfig(**size, image_size=[64, 96], patch_size=16, num_detection_tokens=5, num_labels=3)
    return hf.YolosForObjectDetection(config)


SMALL = {"layers": 1, "ffn_dim": 16, "attention_heads": 2}


@pytest.mark.parametrize("build", [detr, yolos])
def test_hugging_face_without_user_code(build: Callable[[], nn.Module]) -> None:
    """A "no object" among the names, as `load("hf:…")` gives them, or not among them, is the same."""
    torch.manual_seed(0)
    model, picture = build().eval(), torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        outputs = model(picture)
    shares = outputs.logits.softmax(2)[0, :, :-1]
    for names in ("abc", [*"abc", "no object"]):
        heat = fm.Scope(model, classes=list(names)).explain(picture, threshold=0.0)
        assert len(heat) == len(shares)
        first = heat.boxes[0]
        assert first is not None
        assert first.score == pytest.approx(float(shares.max()))
        middle = outputs.pred_boxes[0, shares.amax(1).argmax()] * torch.tensor([96.0, 64, 96, 64])
        assert (first.box[0] + first.box[2]) / 2 == pytest.approx(float(middle[0]), abs=0.01)
        assert heat.maps[0].any()


def test_grad_cam_that_marks_another_thing_of_the_label_says_so() -> None:
    """The weaker of two cats: Grad-CAM's channels are strongest at the other one, HiResCAM stays with its evidence."""
    scope, picture = scope_of(), scene(CAT)[None]
    picture[:, 0, 8:16, 32:40] = 0.7
    said = "strongest at a place that this detection does not depend on"
    for method, doubted in {"grad_cam": True, "hires_cam": False, "layer_cam": False}.items():
        (notes,) = scope.explain(picture, method, target=fm.Detection(1, "cat")).warnings
        assert any(said in note for note in notes) == doubted
        assert not any(scope.explain(picture, method, target=fm.Detection(0, "cat")).warnings)


@pytest.mark.parametrize("method", ["grad_cam", "d_rise"])
def test_a_class_among_targets_one_per_picture_is_the_surest_of_it(method: str) -> None:
    pictures, given = torch.stack([scene(CAT, DOG), scene(CAT, DOG, seed=1)]), METHODS[method]
    alone = [scope_of().explain(pictures, method, target=fm.Detection(0, label), **given) for label in ("cat", "dog")]
    for target in (["cat", "dog"], [0, "dog"], torch.tensor([0, 1]), [fm.Detection(0, "cat"), 1]):
        heat = scope_of().explain(pictures, method, target=target, **given)
        assert heat.picture_numbers == (0, 1)
        assert [box and box.label for box in heat.boxes] == ["cat", "dog"]
        for row in range(2):
            torch.testing.assert_close(heat.tensor[row], alone[row].tensor[row])
    mixed = scope_of().explain(pictures, method, target=[fm.Box(CAT.box, 0), None], **given)
    assert [box and box.label for box in mixed.boxes] == ["cat", "dog"]
    with pytest.raises(TargetError, match=r"out of range: the model has 3 labels"):
        scope_of().explain(pictures, method, target=[0, 7], **given)
