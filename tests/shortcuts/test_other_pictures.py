"""Findings are looked up in other pictures, where the same is true of them, or not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from tests.snapshots import snapshot

import featuremaps as fm
from featuremaps.errors import SurveyError


class Bare(Marked):
    """Pictures of none of the classes: half of them have the mark, and they are named for something else."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.inputs[:, :3] = torch.rand(len(self), 3, 16, 16, generator=torch.Generator().manual_seed(1))
        self.classes = ["table", "chair", "lamp"]


@pytest.fixture(scope="module")
def scope() -> fm.Scope:
    return fm.Scope(MarkReader(2.0).eval(), classes=LABELS, outputs="logits")


@pytest.mark.parametrize("surveyed", [False, True])
def test_a_mark_that_pushes_where_no_class_is_shown_is_told_with_its_effect(
    scope: fm.Scope, surveyed: bool, tmp_path: Path
) -> None:
    survey = scope.survey(Marked(count=50, first=0.7, others=0.3), "relu2", tmp_path / "own", workers=0)
    bare = Bare(count=30, first=0.5, others=0.5, seed=3)
    other = scope.survey(bare, "relu2", tmp_path / "other", workers=0) if surveyed else bare.inputs
    before = snapshot(scope.model, bare.inputs)
    alone, both = scope.find_shortcuts(survey), scope.find_shortcuts(survey, other=other)
    assert before.differences(snapshot(scope.model, bare.inputs)) == []
    there = both[0].in_other_pictures
    assert there is not None
    assert there.effect is not None
    assert (there.having.count, there.having.of) == (int(bare.marked.sum()), 90)
    with torch.no_grad():
        share = scope.model(bare.inputs).softmax(1)[:, 0].numpy()
    truth = share[bare.marked].mean() - share[~bare.marked].mean()
    np.testing.assert_allclose(there.effect.value, truth, atol=0.02 if surveyed else 1e-5)
    assert there.confirms
    assert both[0].p_value <= alone[0].p_value
    assert "it pushes there too" in repr(both)
    assert both.table()["other_confirms"].to_pylist()[0]


def test_what_does_not_push_there_is_not_confirmed_and_too_few_are_said(scope: fm.Scope, tmp_path: Path) -> None:
    survey = scope.survey(Marked(count=50, first=0.7, others=0.3), "relu2", tmp_path / "own", workers=0)
    striped = Marked(count=40, first=0.5, others=0.5, seed=3)
    striped.inputs[:, 2] += 30.0  # so much evidence of another class that no mark changes anything
    there = scope.find_shortcuts(survey, other=striped.inputs)[0].in_other_pictures
    assert there is not None
    assert not there.confirms
    none = Bare(count=10, first=0.0, others=0.0)
    found = scope.find_shortcuts(survey, other=none.inputs)
    assert found[0].in_other_pictures is not None
    assert found[0].in_other_pictures.effect is None
    assert "too few on one side" in repr(found)
    with pytest.raises(SurveyError, match="other= has 3 pictures"):
        scope.find_shortcuts(survey, other=none.inputs[:3])
