"""What is found in a picture as regions: boxes above the threshold and the rest, classes' regions and what has none."""

import warnings

import pytest
import torch

from featuremaps.errors import FeatureMapsWarning, TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.found_regions import ELSEWHERE, boxes_found, classes_found
from featuremaps.outputs.region_places import cells_of
from planted_detector import CAT, DOG, FORMS, NAMES, SIDE, Form, PlantedDetector, scene

SIZE = (SIDE, SIDE)
PIXELS = cells_of(SIZE, SIZE, None, None)


@pytest.mark.parametrize("form", FORMS)
def test_the_boxes_of_each_picture_and_the_rest(form: Form) -> None:
    model, pictures = PlantedDetector(form).eval(), torch.stack([scene(CAT, DOG), scene()])
    with torch.no_grad():
        both, none = boxes_found(model(pictures), ClassOutputs(NAMES, space=SIZE), SIZE)
    assert {NAMES[one.label] for one in both.regions[:2]} == {"cat", "dog"}
    for one, plant in zip(sorted(both.regions[:2], key=lambda one: one.label), (CAT, DOG), strict=True):
        assert one.box == pytest.approx(plant.box, abs=1e-4)
        left, top, right, bottom = plant.box
        assert one.share == pytest.approx((right - left) * (bottom - top) / SIDE**2, abs=1e-5)
    rest = both.regions[2]
    assert (rest.label, rest.score, rest.box) == (ELSEWHERE, None, (0, 0, SIDE, SIDE))
    assert rest.share == pytest.approx(1 - sum(one.share for one in both.regions[:2]), abs=1e-5)
    assert both.members(PIXELS).sum(0).eq(1).all()  # every pixel in one of three
    assert [(one.label, one.share) for one in none.regions] == [(ELSEWHERE, 1)]


def test_boxes_are_cut_to_the_picture_and_those_outside_or_below_the_threshold_are_none() -> None:
    boxes = torch.tensor(
        [[-10.0, -10.0, 6.0, 4.0], [7.0, 1.0, 30.0, 3.0], [20.0, 0.0, 30.0, 8.0], [0.0, 0.0, 8.0, 8.0]]
    )
    outputs = [{"boxes": boxes, "labels": torch.tensor([2, 1, 1, 1]), "scores": torch.tensor([0.9, 0.8, 0.7, 0.4])}]
    with pytest.warns(FeatureMapsWarning, match="boxes lie outside of the picture"):
        (found,) = boxes_found(outputs, ClassOutputs(threshold=0.5), (8, 10))
    assert [one.box for one in found.regions] == [(0, 0, 6, 4), (7, 1, 10, 3), (0, 0, 10, 8)]
    with pytest.warns(FeatureMapsWarning, match="boxes lie outside of the picture"):
        (whole,) = boxes_found(outputs, ClassOutputs(threshold=0.3), (8, 6))
    assert [one.label for one in whole.regions] == [2, 1]  # they cover all of it, so that nothing lies elsewhere


@pytest.mark.parametrize("broken", [[6.0, 6.0, 3.0, 3.0], [float("nan"), 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, float("nan")]])
def test_boxes_that_are_none_are_left_out_with_a_word(broken: list[float]) -> None:
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 6.0, 6.0], broken])
    labels = torch.tensor([1, 1, 1])

    def found(score: float) -> int:
        outputs = [{"boxes": boxes, "labels": labels, "scores": torch.tensor([0.9, 0.9, score])}]
        return len(boxes_found(outputs, ClassOutputs(threshold=0.5), (8, 8))[0].regions)

    with pytest.warns(FeatureMapsWarning, match="some of what the detector finds is left out"):
        assert found(0.8) == 3
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert found(0.4) == 3  # it would not have counted


def test_the_regions_of_a_segmenter() -> None:
    scores = torch.zeros(2, 3, 4, 4)
    scores[0, 2, :2], scores[0, 0, 2:] = 1, 1
    scores[1, 1] = 1
    first, second = classes_found(scores, ClassOutputs(("a", "b", "c")), 2, (8, 12))
    assert [(one.label, one.box, one.share, one.score) for one in first.regions] == [
        (0, (0, 4, 12, 8), 0.5, None),
        (2, (0, 0, 12, 4), 0.5, None),
    ]
    assert [(one.label, one.share) for one in second.regions] == [(1, 1.0)]
    assert first.members(cells_of((2, 2), (8, 12), None, None)).tolist() == [
        [[False, False], [True, True]],
        [[True, True], [False, False]],
    ]


def test_classes_that_do_not_exclude_each_other_overlap_and_leave_a_rest() -> None:
    scores = torch.full((1, 2, 2, 2), -5.0)
    scores[0, :, 0, 0], scores[0, 0, 0, 1] = 5.0, 5.0
    (found,) = classes_found(scores, ClassOutputs(("a", "b"), kind="multi_label"), 1, (2, 2))
    assert [(one.label, one.share) for one in found.regions] == [(0, 0.5), (1, 0.25), (ELSEWHERE, 0.5)]


def test_scores_that_leave_a_margin_lie_over_the_inner_part() -> None:
    scores = torch.zeros(1, 2, 4, 4)
    scores[0, 1, 0, 0] = 1
    classes = ClassOutputs(("a", "b"), uncovered=((2, 2), (3, 3)))
    (found,) = classes_found(scores, classes, 1, (8, 10))
    assert [one.box for one in found.regions] == [(3, 2, 7, 6), (3, 2, 4, 3)]
    assert sum(one.share for one in found.regions) == pytest.approx(16 / 80)


def test_volumes_have_no_regions() -> None:
    with pytest.raises(TargetError, match="each='picture'"):
        classes_found(torch.rand(1, 2, 3, 4, 4), ClassOutputs(("a", "b")), 1, (4, 4))
