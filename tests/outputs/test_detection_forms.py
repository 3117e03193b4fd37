"""Forms in which detectors give what they find: read as what they are, or refused with the reason."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import TargetError
from featuremaps.outputs.box_form import BoxForm, corners, form_of_rows
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.detections import detections_if_any, detections_of, form_of, seen_boxes
from featuremaps.outputs.torchvision_detectors import check_label_names, label_count
from featuremaps.targets.detection_targets import EachDetection, bound_targets

NAMES = ("cat", "dog", "cup")
SPACE = (64, 96)
CLASSES = ClassOutputs(NAMES, space=SPACE)
SIZE = torch.tensor([96.0, 64, 96, 64])


def head() -> tuple[Tensor, Tensor]:
    """Middles, widths and heights (picture, row, 4) of boxes all over the picture, and probabilities of three classes."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(4) * 16 + 8.0, torch.arange(6) * 16 + 8.0, indexing="ij")
    sides = 6 + 8 * torch.rand(2, 24, 2, generator=generator)
    boxes = torch.cat([torch.stack([x, y], -1).reshape(1, 24, 2).expand(2, -1, -1), sides], 2)
    return boxes, 0.9 * torch.rand(2, 24, 3, generator=generator)


def rows(*parts: Tensor) -> Tensor:
    return torch.cat(parts, 2)


def test_boxes_by_corners_or_in_shares_are_read_as_such() -> None:
    boxes, shares = head()
    usual = detections_of(rows(boxes, shares), CLASSES)
    words = {"x, y, width, height": boxes, "left, top, right, bottom": corners(boxes)}
    for said, given in words.items():
        for scale, more in ((torch.ones(4), ""), (SIZE, " in shares of the picture")):
            for outputs in (rows(given / scale, shares), rows(given / scale, shares).mT):
                for one, other in zip(usual, detections_of(outputs, CLASSES), strict=True):
                    torch.testing.assert_close(one.boxes, other.boxes)
                    torch.testing.assert_close(one.scores, other.scores)
                assert f"24 rows of {said}{more}, 3 class scores" in form_of(outputs, CLASSES)


def test_the_form_of_boxes_is_that_of_the_picture_itself() -> None:
    """Masked copies of it may have boxes that look otherwise."""
    boxes, shares = head()
    known = seen_boxes(rows(corners(boxes), shares), CLASSES)
    assert known.boxes == BoxForm(corners=True)
    one = detections_of(rows(corners(boxes), shares)[:, :3], known)
    torch.testing.assert_close(one[0].boxes.sort(0).values, corners(boxes)[0, :3].sort(0).values)
    assert form_of_rows(corners(boxes)[:, :3], SPACE) == BoxForm()


def test_large_boxes_by_their_middles_stay_what_they_are() -> None:
    """All of them would be boxes too if they were corners, and lie within the picture as they are."""
    middles = torch.tensor([[40.0, 30, 50, 35]]).repeat(20, 1)[None]
    assert form_of_rows(middles, SPACE) == BoxForm()


def test_a_form_that_cannot_be_told_is_doubted() -> None:
    """Few rows, or large ones in the upper left, may be either; those that are told, and the usual ones, are sound."""
    boxes, shares = head()
    few, told = rows(corners(boxes), shares)[:1, :3], rows(corners(boxes), shares)[:1]
    for outputs, doubted in ((few, True), (told, False), (rows(boxes, shares)[:1], False)):
        known = seen_boxes(outputs, CLASSES)
        (bound, *_) = bound_targets(EachDetection(), outputs, known, 1)
        assert bound.boxes is not None
        assert bound.boxes[0] is not None
        assert ("The box is read as x, y, width and height" in bound.boxes[0].note) == doubted


def listed(boxes: Tensor, shares: Tensor) -> list[dict[str, Tensor]]:
    scores, labels = shares.max(2)
    parts = zip(corners(boxes), labels, scores, strict=True)
    return [{"boxes": box, "labels": label, "scores": score} for box, label, score in parts]


def stacked(given: list[dict[str, Tensor]], name: str) -> Tensor:
    return torch.stack([each[name] for each in given])


def suppressed(given: list[dict[str, Tensor]]) -> list[Tensor]:
    return [torch.cat([each["boxes"], each["scores"][:, None], each["labels"][:, None]], 1) for each in given]


FORMS: dict[str, Callable[[list[dict[str, Tensor]]], Any]] = {
    "beside losses": lambda given: ({}, given),
    "in a dict": lambda given: {"losses": torch.zeros(()), "detections": given},
    "in shares": lambda given: [{**each, "boxes": each["boxes"] / SIZE} for each in given],
    "one dict": lambda given: {name: stacked(given, name) for name in ("boxes", "scores", "labels")},
    "tuple": lambda given: (stacked(given, "scores"), stacked(given, "boxes"), stacked(given, "labels")),
    "tuple with counts": lambda given: (
        torch.full((2, 1), 24),
        stacked(given, "boxes"),
        stacked(given, "scores"),
        stacked(given, "labels").float(),
    ),
    "rows of each": suppressed,
    "rows of all": lambda given: torch.stack(suppressed(given)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("names", [NAMES, None])
def test_whatever_lists_boxes_labels_and_scores_says_the_same(form: str, names: tuple[str, ...] | None) -> None:
    given = listed(*head())
    classes = ClassOutputs(names, space=SPACE)
    for one, other in zip(detections_of(given, classes), detections_of(FORMS[form](given), classes), strict=True):
        torch.testing.assert_close(one.boxes, other.boxes)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.scores, other.scores)


def test_one_picture_listed_alone_and_rows_where_that_is_said() -> None:
    given = listed(*head())[:1]
    expected = detections_of(given, CLASSES)[0]
    told = ClassOutputs(NAMES, "detections", space=SPACE)
    for outputs, classes in ((given[0], CLASSES), (suppressed(given)[0], told)):
        assert torch.equal(detections_of(outputs, classes)[0].boxes, expected.boxes)
    assert len(detections_of([torch.zeros(0, 6)], told)[0].boxes) == 0
    with pytest.raises(TargetError, match="gives what it finds in 1 picture, and was given 2"):
        EachDetection().bind_each(given, CLASSES, 2)


@pytest.mark.parametrize(
    "outputs",
    [
        torch.rand(2, 6),
        [torch.rand(2, 6), torch.rand(2, 6)],
        (torch.rand(2, 5), torch.rand(2, 5)),
        {"boxes": torch.rand(2, 3)},
        (torch.rand(2, 9, 4), torch.rand(2, 9)),
    ],
)
def test_what_lists_no_detections_is_left_alone(outputs: Any) -> None:
    assert detections_if_any(outputs, CLASSES) is None


def test_left_top_width_and_height_are_refused() -> None:
    boxes, shares = head()
    given = [{**each, "boxes": torch.cat([each["boxes"][:, :2], boxes[0, :, 2:]], 1)} for each in listed(boxes, shares)]
    with pytest.raises(TargetError, match=r"look like left, top, width and height.*box_convert"):
        detections_of(given, CLASSES)


def test_labels_are_numbers_and_all_have_names() -> None:
    given = listed(*head())
    with pytest.raises(TargetError, match=r"labels a list, scores \(24,\)"):
        detections_of([{**each, "labels": ["cat"] * 24} for each in given], CLASSES)
    with pytest.raises(TargetError, match=r"gives label 3, and 3 names are known, 0 to 2.*'__background__'"):
        detections_of([{**each, "labels": each["labels"] + 1} for each in given], CLASSES)


def test_a_softmax_over_background_and_classes_is_no_objectness() -> None:
    boxes, _ = head()
    logits = torch.randn(2, 24, 4, generator=torch.Generator().manual_seed(1))
    logits[..., 0] += 2
    outputs = rows(boxes, logits.softmax(2))
    for classes in (CLASSES, ClassOutputs(kind="detections", space=SPACE)):
        with pytest.raises(TargetError, match="4 numbers after each box sum to 1"):
            detections_of(outputs, classes)
    found = detections_of(outputs, ClassOutputs(("Background", *NAMES), space=SPACE))[0]
    assert set(found.labels.tolist()) <= {1, 2, 3}
    assert float(found.scores[0]) == float(outputs[0, :, 5:].max())


def test_a_raw_part_beside_a_decoded_one_is_left_out() -> None:
    boxes, shares = head()
    decoded = rows(boxes, shares)
    for one, other in zip(
        detections_of(decoded, CLASSES), detections_of((decoded, rows(boxes, shares.logit())), CLASSES), strict=True
    ):
        assert torch.equal(one.boxes, other.boxes)


def test_one_label_for_each_picture() -> None:
    given = listed(*head())
    (bound, *_) = bound_targets(fm.Logit(("dog", "cat")), given, CLASSES, 2)
    assert [box and box.label for box in bound.boxes or ()] == ["dog", "cat"]
    with pytest.raises(TargetError, match="1 targets for 2 pictures"):
        bound_targets(fm.Logit(("dog",)), given, CLASSES, 2)


@pytest.mark.parametrize(
    "box", [(1, 2, 3), (0, 0, float("inf"), 4), torch.ones(1, 4), (4, 0, 2, 2), (0, 0, float("nan"), 4)]
)
def test_what_is_no_box(box: Any) -> None:
    with pytest.raises(TargetError, match=r"box .* is not understood: give left, top, right and bottom, four numbers"):
        fm.Box(box).bind(listed(*head()), CLASSES, 2)


def test_a_box_in_shares_of_the_picture() -> None:
    given = listed(*head())
    shares, pixels = fm.Box((0.25, 0.25, 0.5, 0.5)), fm.Box((24, 16, 48, 32))
    (in_shares, in_pixels) = (target.bind(given, CLASSES, 2) for target in (shares, pixels))
    torch.testing.assert_close(in_shares.scores(given), in_pixels.scores(given))
    assert float(in_pixels.scores(given).min()) > 0


def test_labels_and_numbers_are_whole() -> None:
    given = listed(*head())
    for target, said in {
        fm.Box((0, 0, 9, 9), True): "label True is not understood",
        fm.Detection(True): r"Detection\(True\) counts from 0: its number is a whole one",
    }.items():
        with pytest.raises(TargetError, match=said):
            target.bind(given, CLASSES, 2)


def test_of_queries_that_give_the_very_same_box_each_is_explained_by_itself() -> None:
    logits = torch.tensor([[[3.0, 0], [2, 0], [1, 0]]], requires_grad=True)
    outputs = {"pred_boxes": torch.full((1, 3, 4), 0.5), "logits": logits}
    classes = ClassOutputs(("cat", "no object"), space=SPACE)
    for number in range(3):
        bound = fm.Detection(number).bind(outputs, classes, 1)
        assert bound.scores(outputs).tolist() == logits[:, number].softmax(1)[:, 0].tolist()
        (gradient,) = torch.autograd.grad(bound.scores(outputs).sum(), logits)
        assert gradient[0].any(1).nonzero().tolist() == [[number]]


class Head(nn.Module):
    """Rows of boxes of which one, in a corner, is as sure as the picture is bright there."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.look, self.classes = nn.Conv2d(3, classes, 16, 16), classes

    def forward(self, x: Tensor) -> Any:
        scores = self.look(x).flatten(2).mT
        boxes, _ = head()
        return rows(boxes[:1].expand(len(x), -1, -1).to(x), scores.sigmoid())


def test_a_detector_has_no_score_for_the_whole_picture() -> None:
    scope = fm.Scope(Head().eval(), classes=NAMES)
    pictures = torch.rand(1, 3, *SPACE)
    for target in (fm.Probability("cat"), fm.Margin("cat", "dog")):
        with pytest.raises(TargetError, match=r"the model is a detector: it scores the boxes .*Detection\(0\)"):
            scope.explain(pictures, "saliency", target=target)
    assert len(scope.explain(pictures, "saliency", target=fm.Detection(0))) == 1


def test_what_is_said_to_be_detections_and_is_none() -> None:
    for model in (nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 96, 5)), nn.Conv2d(3, 7, 3, padding=1)):
        with pytest.raises(TargetError, match="no detections were found"):
            fm.Scope(model.eval(), outputs="detections").explain(torch.rand(1, 3, *SPACE), "saliency")


def test_names_of_torchvision_labels_begin_with_the_background() -> None:
    from torchvision.models import detection

    none: Any = {"weights": None, "weights_backbone": None, "num_classes": 4}
    for name in ("fasterrcnn_mobilenet_v3_large_320_fpn", "ssdlite320_mobilenet_v3_large"):
        model = detection.__dict__[name](**none)
        assert label_count(model) == 4
        check_label_names(model, 4)
        check_label_names(model, None)
        with pytest.raises(
            TargetError, match=r"3 names were given, and \w+ has 4 labels, of which number 0 is the backg"
        ):
            check_label_names(model, 3)
    assert label_count(nn.Linear(2, 2)) is None
    model = detection.__dict__["ssdlite320_mobilenet_v3_large"](**none).eval()
    with pytest.raises(TargetError, match="3 names were given"):
        fm.Scope(model, classes=NAMES).predict(torch.rand(1, 3, 64, 64))
