"""Detections out of every form that detectors give them in."""

from typing import Any

import pytest
import torch
from torch import Tensor

import featuremaps as fm
from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.detections import Detections, detections_if_any, detections_of, form_of
from featuremaps.plotting.rendering import is_remark
from featuremaps.targets.detection_targets import bound_targets
from featuremaps.targets.targets import Bound
from planted_detector import CAT, DOG, FORMS, NAMES, SIDE, Form, PlantedDetector, scene, scope_of

CLASSES = ClassOutputs(NAMES, space=(SIDE, SIDE))
COCO = ("__background__", "person", "bicycle", "N/A")


def outputs_of(form: Form) -> Any:
    with torch.no_grad():
        return PlantedDetector(form)(torch.stack([scene(CAT, DOG), scene(DOG, seed=1)]))


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: Form) -> None:
    found = detections_of(outputs_of(form), CLASSES)
    assert [{NAMES[label] for label in each.labels[each.scores > 0.5]} for each in found] == [{"cat", "dog"}, {"dog"}]
    for each in found:
        assert torch.equal(each.scores, each.scores.sort(descending=True).values)
        for plant in (CAT, DOG):
            box = each.boxes[(each.labels == NAMES.index(plant.label)) & (each.scores > 0.5)]
            assert len(box) < 2
            torch.testing.assert_close(box, torch.tensor([plant.box])[: len(box)])


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("listed", "boxes, labels and scores of each picture"),
        ("queries", "boxes and class scores of 80 queries"),
        ("rows", "80 rows of x, y, width, height, objectness, 3 class scores; of those that overlap by more than 45%"),
        ("columns", "80 rows of x, y, width, height, 3 class scores; of those that overlap by more than 45%"),
    ],
)
def test_what_was_understood_is_said(form: Form, said: str) -> None:
    assert form_of(outputs_of(form), CLASSES).startswith(said)
    assert form_of(torch.rand(2, 10), CLASSES) == ""


def test_rows_without_names_are_read_where_that_is_said() -> None:
    """An objectness where rows come before numbers, none where they come after, as YOLO's heads have it."""
    for form in ("rows", "columns"):
        outputs = outputs_of(form)
        assert detections_if_any(outputs, ClassOutputs()) is None
        (with_names, _), (without, _) = (
            detections_of(outputs, classes) for classes in (CLASSES, ClassOutputs(kind="detections"))
        )
        torch.testing.assert_close(with_names.scores, without.scores)
        torch.testing.assert_close(with_names.boxes, without.boxes)


def test_rows_of_several_strides_are_taken_together() -> None:
    rows, _ = outputs_of("rows")
    apart = detections_of((rows[:, :50], rows[:, 50:]), CLASSES)
    for one, other in zip(detections_of(rows, CLASSES), apart, strict=True):
        torch.testing.assert_close(one.boxes, other.boxes)


def test_of_rows_that_overlap_the_surest_is_kept_and_of_unsure_ones_the_best() -> None:
    rows = torch.tensor(
        [[[10.0, 10, 8, 8, 0.9, 0.1, 0.0], [11, 10, 8, 8, 0.8, 0.0, 0.0], [11, 10, 8, 8, 0.0, 0.7, 0.0]]]
    )
    found = detections_of(rows, CLASSES)[0]
    assert (found.labels.tolist(), found.boxes[0].tolist()) == ([0, 1], [6, 6, 14, 14])
    assert detections_of(rows / 100, CLASSES)[0].labels.tolist() == [0]


def test_rows_of_logits_are_refused() -> None:
    with pytest.raises(TargetError, match=r"probabilities after the box, and here they go from .*through a sigmoid"):
        detections_of(torch.randn(1, 40, 8) * 3, ClassOutputs(kind="detections"))


@pytest.mark.parametrize("outputs", [torch.rand(2, 10), {"loss": torch.rand(1)}, [torch.rand(2, 4, 8, 8)]])
def test_an_unknown_form_is_refused_with_the_way_out(outputs: Any) -> None:
    with pytest.raises(TargetError, match=r"no detections were found.*as many names.*outputs='detections'; wrap"):
        detections_of(outputs, CLASSES)


def test_boxes_without_scores_are_refused() -> None:
    with pytest.raises(TargetError, match="this one 'boxes': 'labels' is missing"):
        detections_of([{"boxes": torch.zeros(1, 4)}], CLASSES)


def bound(outputs: Any, target: Any = None, classes: ClassOutputs = CLASSES, batch: int = 2) -> list[Bound]:
    return list(
        bound_targets(fm.Logit(target) if isinstance(target, str | int | None) else target, outputs, classes, batch)
    )


@pytest.mark.parametrize("form", FORMS)
def test_each_detection_is_a_target_of_its_own(form: Form) -> None:
    outputs = outputs_of(form)
    first, second = bound(outputs)
    assert [box and box.label for box in first.boxes or ()] == ["dog", "dog"]
    assert [box and box.label for box in second.boxes or ()] == ["cat", None]
    own = detections_of(outputs, CLASSES)[0].scores[:2]
    torch.testing.assert_close(torch.stack([first.scores(outputs)[0], second.scores(outputs)[0]]), own)
    assert float(second.scores(outputs)[1]) == 0


@pytest.mark.parametrize("form", FORMS)
def test_a_label_means_each_thing_of_it_and_the_surest_where_none_is_sure(form: Form) -> None:
    outputs = outputs_of(form)
    (cats,) = bound(outputs, "cat")
    sure, unsure = cats.boxes or ()
    assert sure is not None
    assert (sure.label, sure.note) == ("cat", "")
    if unsure is not None:
        assert unsure.label == "cat"
        assert "Nothing was found with a score of 0.5 or more" in unsure.note
    else:  # what torchvision's detectors leave out is not known any more
        assert form == "listed"


def test_the_nth_detection() -> None:
    outputs = outputs_of("listed")
    (one,) = bound(outputs, fm.Detection(0, "dog"))
    assert [box and box.label for box in one.boxes or ()] == ["dog", "dog"]
    with pytest.raises(TargetError, match=r"Detection\(1\) counts from 0.*has 1 detections in picture 1"):
        bound(outputs, fm.Detection(1))


def test_what_a_detector_does_not_have() -> None:
    outputs = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long), "scores": torch.zeros(0)}]
    classes = ClassOutputs(COCO, space=(8, 8))
    for target, said in {
        "persn": "'persn' is not one of the model's 4 classes. Did you mean 'person'",
        9: "label 9 is out of range: the model has 4 labels, 0 to 3",
        0: "label 0 is '__background__', which stands for nothing",
        "N/A": "label 3 is 'N/A', which stands for nothing",
    }.items():
        with pytest.raises(TargetError, match=said):
            bound(outputs, target, classes, 1)
    assert bound(outputs, "person", classes, 1) == []


def test_a_score_is_of_what_fits_best_and_of_the_very_box_where_it_is_there() -> None:
    """Two boxes of one label that overlap: each is scored by itself where it is there, else by overlap times score."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [2, 0, 10, 10], [0, 0, 10, 10]])
    given = [{"boxes": boxes, "labels": torch.tensor([1, 1, 2]), "scores": torch.tensor([0.9, 0.6, 0.55])}]
    targets = bound(given, None, ClassOutputs(space=(16, 16)), 1)
    assert [float(each.scores(given)) for each in targets] == pytest.approx([0.9, 0.6, 0.55])
    moved = [{**given[0], "boxes": boxes + torch.tensor([1.0, 0, 1, 0])}]
    assert float(targets[0].scores(moved)) == pytest.approx(0.9 * 9 / 11)
    empty = [{name: value[:0] for name, value in given[0].items()}]
    assert float(targets[0].scores(empty)) == 0


def test_the_gradient_at_the_very_box_is_that_of_the_score_alone() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [30, 30, 50, 40]], requires_grad=True)
    scores = torch.tensor([0.9, 0.8], requires_grad=True)
    given = [{"boxes": boxes, "labels": torch.tensor([1, 1]), "scores": scores}]
    targets = bound(given, None, ClassOutputs(), 1)
    by_box, by_score = torch.autograd.grad(targets[1].scores(given).sum(), [boxes, scores], materialize_grads=True)
    assert (by_box.abs().max(), by_score.tolist()) == (0, [0, 1])


def test_relevance_is_the_same_in_whatever_form_a_score_is_given() -> None:
    """None of it goes into how far the box fits itself."""
    listed, columns = (scope_of(form).explain(scene(CAT, DOG)[None], "lrp") for form in ("listed", "columns"))
    for one, other in zip(listed.values, columns.values, strict=True):
        torch.testing.assert_close(one, other)
    assert all(is_remark(note) for notes in columns.warnings for note in notes)


def similarity_by_hand(box: Tensor, wanted: Tensor, found: Detections) -> float:
    """Petsiuk et al. 2021, eq. 4-7: over the detections, overlap × cosine of the class scores × objectness."""
    best = 0.0
    for other, scores, objectness in zip(found.boxes, found.class_scores, found.objectness, strict=True):  # type: ignore[arg-type]
        across = max(0.0, min(box[2], other[2]) - max(box[0], other[0]))
        down = max(0.0, min(box[3], other[3]) - max(box[1], other[1]))
        areas = [float((each[2] - each[0]) * (each[3] - each[1])) for each in (box, other)]
        overlap = across * down / (sum(areas) - across * down)
        best = max(best, float(overlap * (wanted @ scores) / (wanted.norm() * scores.norm()) * objectness))
    return best


def test_similarity_as_in_the_paper() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.rand(3, 40, 8, generator=generator)
    rows[..., :4] = rows[..., :4] * 20 + 10
    first, *others = detections_of(rows, CLASSES)
    target = bound(rows[:1], fm.Detection(2), CLASSES, 1)[0]
    assert target.similarity is not None
    assert first.class_scores is not None
    expected = [similarity_by_hand(first.boxes[2], first.class_scores[2], each) for each in others]
    torch.testing.assert_close(target.similarity(others), torch.tensor(expected))
    assert min(expected) > 0
