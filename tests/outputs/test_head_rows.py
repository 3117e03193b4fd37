"""Rows of a detector's head in whatever they are packed, and forms that look like them and are none."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import TargetError
from featuremaps.outputs.box_form import corners
from featuremaps.outputs.class_outputs import ClassOutputs
from featuremaps.outputs.detections import detections_if_any, detections_of, seen_boxes

NAMES = ("cat", "dog", "cup")
SPACE = (64, 96)
CLASSES = ClassOutputs(NAMES, space=SPACE)
TOLD = ClassOutputs(NAMES, "detections", space=SPACE)


def head() -> tuple[Tensor, Tensor]:
    """Middles, widths and heights (2, 24, 4) of boxes all over the picture, and probabilities of three classes."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(4) * 16 + 8.0, torch.arange(6) * 16 + 8.0, indexing="ij")
    sides = 6 + 8 * torch.rand(2, 24, 2, generator=generator)
    middles = torch.stack([x, y], -1).reshape(1, 24, 2).expand(2, -1, -1)
    return torch.cat([middles, sides], 2), 0.9 * torch.rand(2, 24, 3, generator=generator)


BOXES, SHARES = head()
ROWS = torch.cat([BOXES, SHARES], 2)
RAW = [torch.randn(2, 67, 4, 6)]
PACKED: dict[str, Any] = {
    "in a dict": {"predictions": ROWS.mT},
    "beside raw maps": (ROWS.mT, RAW),
    "inside a tuple": ((ROWS.mT, None), RAW),
    "with weights of masks": (torch.cat([ROWS, torch.randn(2, 24, 32)], 2).mT, (RAW, torch.randn(2, 32, 16, 24))),
    "boxes beside scores": (corners(BOXES), SHARES),
    "boxes beside scores in a dict": {"scores": SHARES, "boxes": BOXES / torch.tensor([96.0, 64, 96, 64])},
}


@pytest.mark.parametrize("form", PACKED)
def test_rows_are_found_wherever_they_are(form: str) -> None:
    for one, other in zip(detections_of(ROWS, CLASSES), detections_of(PACKED[form], CLASSES), strict=True):
        torch.testing.assert_close(one.boxes, other.boxes)
        assert torch.equal(one.labels, other.labels)
        assert torch.equal(one.scores, other.scores)


def test_scores_of_four_classes_are_told_from_boxes_beside_them() -> None:
    """Both have four numbers a row: scores are those from 0 to 1, or, of boxes in shares, those that sum to 1."""
    classes = ClassOutputs(("background", *NAMES), space=SPACE)
    scores = (8 * SHARES @ torch.eye(3, 4).roll(1, 1)).softmax(2)
    for boxes in (corners(BOXES), corners(BOXES / torch.tensor([96.0, 64, 96, 64]))):
        for outputs in ((boxes, scores), (scores, boxes)):
            (found, _) = detections_of(outputs, classes)
            assert found.class_scores is not None
            assert torch.equal(found.class_scores.max(1).values[:1], scores[0, :, 1:].max()[None])
    assert detections_if_any((boxes, SHARES @ torch.eye(3, 4)), classes) is None  # either may be the other


def test_scores_beside_boxes_are_no_rows_of_boxes() -> None:
    """Without names: five scores a row are no box and a score."""
    outputs = corners(BOXES), torch.cat([SHARES, SHARES[..., :2]], 2)
    (found, _) = detections_of(outputs, ClassOutputs(None, "detections", space=SPACE))
    assert found.class_scores is not None
    assert found.class_scores.shape[1] == 5


def test_numbers_behind_the_class_scores_are_left_out_where_rows_are_said_to_be_detections() -> None:
    outputs = torch.cat([ROWS, 50 * torch.randn(2, 24, 12)], 2).mT
    assert detections_if_any(outputs, CLASSES) is None
    assert torch.equal(detections_of(outputs, TOLD)[0].boxes, detections_of(ROWS, CLASSES)[0].boxes)


@pytest.mark.parametrize("packed", [lambda one, other: ([one, other], RAW), lambda one, other: [one, other]])
def test_two_sets_of_rows_of_the_same_places_are_refused(packed: Callable[[Tensor, Tensor], Any]) -> None:
    with pytest.raises(TargetError, match=r"2 sets of rows of shape \(2, 24, 7\), as YOLOv9.*of YOLOv9 the second"):
        detections_of(packed(ROWS.mT, 0.9 * ROWS.mT), CLASSES)


def test_rows_that_begin_with_something_else_are_refused() -> None:
    left_top = torch.cat([corners(BOXES)[..., :2], 3 * BOXES[..., 2:]], 2)
    left_top[..., 2:] = torch.minimum(left_top[..., 2:], torch.tensor([96.0, 64]) - left_top[..., :2])
    steps = torch.randn(2, 24, 4, generator=torch.Generator().manual_seed(0))
    for boxes, said in ((left_top, "look like left, top, width and height"), (steps, "look like something else")):
        with pytest.raises(TargetError, match=said):
            detections_of(torch.cat([boxes, SHARES], 2), CLASSES)


def test_corners_some_of_which_lie_beyond_the_picture() -> None:
    moved = torch.cat([corners(BOXES) + torch.tensor([9.0, -9, 9, -9]), SHARES], 2)
    assert torch.equal(detections_of(moved, CLASSES)[0].boxes, moved[0, SHARES[0].amax(1).argsort(descending=True), :4])


class Suppressed(nn.Module):
    """Rows (row, 6) of a single picture, as many as it has bright patches."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Conv2d(3, 1, 16, 16, bias=False)
        nn.init.constant_(self.look.weight, 1 / 768)

    def forward(self, x: Tensor) -> Tensor:
        bright = self.look(x)[0, 0]
        rows, columns = (bright > 0.5).nonzero(as_tuple=True)
        boxes = torch.stack([columns, rows, columns + 1, rows + 1], 1) * 16.0
        return torch.cat([boxes, bright[rows, columns][:, None], torch.ones(len(rows), 1)], 1)


def test_a_single_tensor_of_rows_after_suppression() -> None:
    scope = fm.Scope(Suppressed().eval(), classes=NAMES)
    picture = torch.zeros(1, 3, 64, 96)
    assert scope.predict(picture) == ((),)
    picture[:, :, 16:32, 32:48] = 0.9
    heat = scope.explain(picture, "saliency")
    assert [box and (box.label, box.box) for box in heat.boxes] == [("dog", (32, 16, 48, 32))]
    assert int(heat.values[0].abs().sum(0).nonzero().min(0).values[1]) == 32
    for ask in (scope.predict, scope.explain):
        with pytest.raises(TargetError, match="gives what it finds in 1 picture, and was given 2"):
            ask(picture.repeat(2, 1, 1, 1))
    assert detections_if_any(torch.zeros(1, 6), ClassOutputs()) is None  # six class scores


def test_rows_that_only_fill_up_are_left_out() -> None:
    row = torch.tensor([2.0, 3, 20, 30, 0.9, 1])
    filler = torch.full((2, 6), -1.0)
    rows = torch.stack([torch.cat([row[None], filler]), torch.full((3, 6), -1.0)])
    apart = (torch.tensor([[1], [0]]), rows[..., :4], rows[..., 4], rows[..., 5].int())
    for outputs in (rows, apart):
        assert [each.labels.tolist() for each in detections_of(outputs, CLASSES)] == [[1], []]


def test_what_a_head_gives_for_each_anchor_is_no_segmentation() -> None:
    class Anchors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv2d(3, 24, 8, 8)

        def forward(self, x: Tensor) -> list[Tensor]:
            return [self.look(x).unflatten(1, (3, 8)).permute(0, 1, 3, 4, 2)]

    with pytest.raises(TargetError, match=r"shape \(1, 3, 8, 12, 8\), which has more axes than the 4 of its input"):
        fm.Scope(Anchors().eval(), classes=NAMES).predict(torch.rand(1, 3, *SPACE))
    with pytest.raises(TargetError, match="no detections were found"):
        fm.Scope(Anchors().eval(), classes=NAMES, outputs="detections").predict(torch.rand(1, 3, *SPACE))


def test_boxes_of_queries_are_by_their_middles_without_a_doubt() -> None:
    outputs = {"pred_boxes": torch.full((1, 9, 4), 0.5), "logits": torch.zeros(1, 9, 3)}
    form = seen_boxes(outputs, CLASSES).boxes
    assert form is not None
    assert (form.corners, form.doubted) == (False, False)
