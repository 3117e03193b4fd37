"""Targets of detectors that give a box and class scores for each of their queries, beside plain loops."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import TargetError
from featuremaps.outputs.class_outputs import ClassOutputs, as_followed
from method_samples import noise

NAMES = ("cat", "dog", "cup")
BOX = (0.25, 0.0, 0.75, 0.5)


class Queries(nn.Module):
    """Five queries, each with a box and scores of three labels, and of "no object" where `nothing`."""

    def __init__(self, nothing: bool = True) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features, self.classes = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU()), 3 + nothing
        self.boxes, self.scores = nn.Linear(8, 5 * 4), nn.Linear(8, 5 * self.classes)

    def forward(self, x: Tensor) -> Any:
        pooled = self.features(x).mean((2, 3)) * 10
        boxes = self.boxes(pooled).unflatten(1, (5, 4)).sigmoid()
        return SimpleNamespace(logits=self.scores(pooled).unflatten(1, (5, self.classes)), pred_boxes=boxes)


def overlap(box: list[float]) -> float:
    x, y, width, height = box
    left, top, right, bottom = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    across = max(0.0, min(right, BOX[2]) - max(left, BOX[0]))
    down = max(0.0, min(bottom, BOX[3]) - max(top, BOX[1]))
    both = across * down
    return both / (width * height + (BOX[2] - BOX[0]) * (BOX[3] - BOX[1]) - both)


def by_hand(outputs: Any, shares: Tensor, label: int | None) -> list[float]:
    totals = []
    for boxes, rows in zip(outputs.pred_boxes.tolist(), shares.tolist(), strict=True):
        sure = [max(row) if label is None else row[label] for row in rows]
        totals.append(sum(overlap(box) * certain for box, certain in zip(boxes, sure, strict=True)))
    return totals


@pytest.mark.parametrize("label", [None, 1, "dog"])
def test_the_last_of_one_score_more_than_names_is_no_object(label: int | str | None) -> None:
    model, inputs = Queries().eval(), noise(3)
    outputs = model(inputs)
    expected = by_hand(outputs, outputs.logits.softmax(2)[..., :3], None if label is None else 1)
    record = fm.Scope(model, classes=NAMES).record(inputs, "features", fm.Box(BOX, label))
    torch.testing.assert_close(record.scores[0], torch.tensor(expected))
    assert record.targets[0].labels[0] == f"{'object' if label is None else 'dog'} at {BOX}"
    assert record.gradients["features"].any()


def test_as_many_scores_as_names_are_no_alternatives() -> None:
    model, inputs = Queries(nothing=False).eval(), noise(2)
    outputs = model(inputs)
    expected = torch.tensor(by_hand(outputs, outputs.logits.sigmoid(), 2))
    for scope in (fm.Scope(model, classes=NAMES), fm.Scope(model, outputs="multi_label")):
        torch.testing.assert_close(scope.record(inputs, "features", fm.Box(BOX, 2)).scores[0], expected)


def test_without_names_it_must_be_said_whether_there_is_a_no_object() -> None:
    model, inputs = Queries().eval(), noise(2)
    with pytest.raises(TargetError, match=r"gives 4 scores for each query, and no names are known.*outputs=\"logits\""):
        fm.Scope(model).record(inputs, "features", fm.Box(BOX))
    with pytest.raises(TargetError, match="gives 4 scores for each query, and 2 names are known"):
        fm.Scope(model, classes=("cat", "dog")).record(inputs, "features", fm.Box(BOX))
    outputs = model(inputs)
    expected = torch.tensor(by_hand(outputs, outputs.logits.softmax(2)[..., :3], 0))
    torch.testing.assert_close(
        fm.Scope(model, outputs="logits").record(inputs, "features", fm.Box(BOX, 0)).scores[0], expected
    )


def test_boxes_that_do_not_fit() -> None:
    scope = fm.Scope(Queries().eval(), classes=NAMES)
    inputs = noise(1)
    with pytest.raises(
        TargetError, match=r"box \(100.0, 10.0, 150.0, 50.0\) lies outside the picture, .*16 pixels wide"
    ):
        scope.record(inputs, "features", fm.Box((100.0, 10.0, 150.0, 50.0)))
    with pytest.raises(TargetError, match="right beyond left"):
        scope.record(inputs, "features", fm.Box((10.0, 10.0, 5.0, 50.0)))
    with pytest.raises(TargetError, match=r"looks like pixels, and the size of the model's input is not known here"):
        fm.Box((1.0, 1.0, 5.0, 5.0)).bind(scope.model(inputs), ClassOutputs(NAMES), 1)
    with pytest.raises(TargetError, match="label 3 is out of range: the model has 3 labels, 0 to 2"):
        scope.record(noise(1), "features", fm.Box(BOX, 3))
    with pytest.raises(TargetError, match="'dgo' is not one of the model's 3 classes. Did you mean 'dog'"):
        scope.record(noise(1), "features", fm.Box(BOX, "dgo"))


def test_a_query_by_name_where_one_output_has_none() -> None:
    model, inputs = Queries().eval(), noise(2)
    record = fm.Scope(model, classes=NAMES).record(inputs, "features", fm.Query(2, "cup"))
    torch.testing.assert_close(record.scores[0], model(inputs).logits[:, 2, 2].detach())
    assert record.targets[0].labels == ("cup of query 2",) * 2
    assert fm.Query(2, "no object").bind(model(inputs), ClassOutputs(NAMES), 2).labels[0] == "no object of query 2"


def test_score_cam_and_occlusion_of_a_box() -> None:
    scope = fm.Scope(Queries().eval(), classes=NAMES)
    for method in ("score_cam", "ablation_cam", "occlusion"):
        assert scope.explain(noise(2), method, layer="features", target=fm.Box(BOX, "cat")).tensor.any()


def test_a_query_of_boxes_and_scores_in_a_tuple() -> None:
    """Names tell which of the two has the scores; a box may be a tensor, its label any whole number."""
    boxes, scores = torch.rand(2, 5, 4), torch.randn(2, 5, 3)
    classes = as_followed(ClassOutputs(("a", "b", "c")), (boxes, scores), (2, 3, 8, 8), lambda: pytest.fail("asked"))
    bound = fm.Query(2, "b").bind((boxes, scores), classes, 2)
    torch.testing.assert_close(bound.scores((boxes, scores)), scores[:, 2, 1])
    outputs = [{"boxes": torch.tensor([[0.0, 0, 10, 10]]), "scores": torch.tensor([0.5]), "labels": torch.tensor([1])}]
    box = fm.Box(torch.tensor([0.0, 0, 10, 10]), np.int64(1)).bind(outputs, ClassOutputs(), 1)
    assert box.scores(outputs).tolist() == [0.5]
