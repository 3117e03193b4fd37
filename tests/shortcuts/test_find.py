"""A planted mark is found with the right pictures, where the answers rest on it and only there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from tests.snapshots import snapshot

import featuremaps as fm
from featuremaps.errors import OptionError, SurveyError
from featuremaps.shortcuts.shortcuts import Shortcuts

Find = Callable[..., tuple[Shortcuts, Marked, fm.Scope]]


@pytest.fixture
def find(tmp_path: Path) -> Find:
    def run(first: float, others: float, mark: float, **options: int) -> tuple[Shortcuts, Marked, fm.Scope]:
        out = tmp_path / f"{first} {others} {mark}"
        data = Marked(first=first, others=others)
        scope = fm.Scope(MarkReader(mark).eval(), classes=LABELS, outputs="logits")
        survey = scope.survey(data, "relu2", out, workers=0)
        return scope.find_shortcuts(survey, **options), data, scope  # type: ignore[arg-type]

    return run


@pytest.mark.parametrize(("first", "others"), [(0.9, 0.1), (0.5, 0.5)])
def test_a_mark_that_the_answers_rest_on_is_found_with_its_pictures(find: Find, first: float, others: float) -> None:
    found, data, _ = find(first, others, 4.0)
    assert [each.label for each in found] == ["round"]
    np.testing.assert_array_equal(found[0].attribute.present, data.marked)
    assert found[0].prevalence.count == data.marked[data.labels == 0].sum()
    assert found[0].examples.counter
    assert all(data.marked[row] and data.labels[row] for row in found[0].examples.counter)
    assert not any(data.marked[row] for row in found[0].examples.missing)
    assert "first:3" in found[0].attribute.name


@pytest.mark.parametrize(
    ("square", "striped", "named"),
    [
        (-2.0, 0.0, "round"),  # its absence pushes squares by .28, it pushes rounds by .24, most of which have it
        (-2.0, 0.5, "square"),  # its absence pushes squares by .29, it pushes rounds by .14
    ],
)
def test_of_two_sides_that_push_alike_that_of_the_class_that_has_it_is_named(
    tmp_path: Path, square: float, striped: float, named: str
) -> None:
    model = MarkReader(0.5).eval()
    with torch.no_grad():
        model.head.weight[1:, 3] = torch.tensor([square, striped])
    scope = fm.Scope(model, classes=LABELS, outputs="logits")
    survey = scope.survey(Marked(first=0.8, others=0.2), "relu2", tmp_path / "sides", workers=0)
    found = scope.find_shortcuts(survey)
    assert [each.label for each in (*found, *found.unproven)] == [named]


def test_the_effects_are_the_models_own(find: Find) -> None:
    found, data, scope = find(0.6, 0.4, 2.0)
    with torch.no_grad():
        both = []
        for mark in (0.0, 1.5):
            inputs = data.inputs.clone()
            inputs[:, 3] += mark - 1.5 * torch.from_numpy(data.marked)[:, None, None]
            both.append(scope.model(inputs).softmax(1)[:, 0].numpy())
    others = data.labels != 0
    truth = (both[1] - both[0])[others].mean()
    assert found[0].others is not None
    low, high = found[0].others.interval
    assert low <= truth <= high
    put_in = found[0].put_in
    assert put_in is not None
    assert put_in.holds
    lacking = others & ~data.marked
    assert abs((put_in.after - put_in.before) - (both[1] - both[0])[lacking].mean()) < 0.1


@pytest.mark.parametrize("first", [0.9, 0.5])
def test_a_mark_that_the_answers_do_not_rest_on_is_no_finding(find: Find, first: float) -> None:
    found, *_ = find(first, 1 - first, 0.0)
    assert len(found) == 0
    assert "would have been found" in repr(found)
    drops = {each.share: each.drop for each in found.power if each.name == "round"}
    assert drops[0.25] is not None
    assert drops[0.02] is None  # two pictures of 60 are fewer than four


def test_the_class_itself_is_no_shortcut(find: Find) -> None:
    """A class's evidence, strong or weak, raises the class in every picture too; it does not fall into two groups."""
    found, *_ = find(0.0, 0.0, 0.0)
    assert len(found) == 0


def test_without_what_was_found_the_answers_no_longer_rest_on_it(find: Find) -> None:
    found, data, scope = find(0.6, 0.4, 4.0)
    edited = scope.without(found[0])
    with torch.no_grad():
        before, after = (each.model(data.inputs).argmax(1).numpy() for each in (scope, edited))
    marked = data.marked & (data.labels != 0)
    assert (before[marked] == 0).all()
    assert (after[marked] == data.labels[marked]).mean() > 0.9
    assert (after[data.labels == 0] == 0).mean() > 0.9


def test_the_model_comes_back_as_it_was_and_the_search_repeats(find: Find, tmp_path: Path) -> None:
    data = Marked(count=30)
    scope = fm.Scope(MarkReader().train(), classes=LABELS, outputs="logits")
    survey = scope.survey(data, "relu2", tmp_path / "again", workers=0)
    before = snapshot(scope.model, data.inputs)
    first, second = (scope.find_shortcuts(survey, batch_size=size) for size in (7, 32))
    assert before.differences(snapshot(scope.model, data.inputs)) == []
    assert repr(first) == repr(second)


def test_a_model_in_double_precision_is_searched_and_repaired_too(tmp_path: Path) -> None:
    scope = fm.Scope(MarkReader().double().eval(), classes=LABELS, outputs="logits")
    survey = scope.survey(Marked(count=80), "relu2", tmp_path / "double", workers=0)
    found = scope.find_shortcuts(survey)
    assert [each.label for each in found] == ["round"]
    assert scope.repaired(found[0], survey).repaired


def test_a_model_of_one_size_is_edited_as_its_survey_shows(tmp_path: Path) -> None:
    model = MarkReader()
    model.pool, fixed = torch.nn.Identity(), torch.nn.Linear(8 * 256, 3)  # flattened: no other size of picture fits
    with torch.no_grad():
        fixed.weight.copy_(model.head.weight.repeat_interleave(256, 1) / 256)
        fixed.bias.zero_()
    model.head = fixed
    scope = fm.Scope(model.eval(), classes=LABELS, outputs="logits")
    data = Marked(count=80)
    survey = scope.survey(data, "relu2", tmp_path / "fixed", workers=0)
    found = scope.find_shortcuts(survey)
    assert scope.repaired(found[0], survey, "projection").repaired
    assert scope.without(found[0], pictures=data.inputs[:1]).edits


def test_figures_and_tables_are_written(find: Find, tmp_path: Path) -> None:
    found, *_ = find(0.9, 0.1, 4.0)
    table = found.table()
    assert table["class"].to_pylist()[0] == "round"
    assert table["proven"].to_pylist()[0]
    nothing, *_ = find(0.5, 0.5, 0.0, seed=1)
    with pytest.raises(IndexError, match=r"there is no found\[0\]: 0 shortcuts proven"):
        print(nothing[0])
    assert next(path.name for path in nothing.save(tmp_path / "none")) == "shortcuts.png"


def test_what_cannot_be_searched_is_said(tmp_path: Path) -> None:
    scope = fm.Scope(MarkReader().eval(), classes=LABELS, outputs="logits")
    few = scope.survey(Marked(count=5), "relu2", tmp_path / "few", workers=0)
    with pytest.raises(SurveyError, match="two classes with 8 pictures"):
        scope.find_shortcuts(few)
    folder: Any = tmp_path / "few"
    with pytest.raises(OptionError, match="survey is what scope.survey"):
        scope.find_shortcuts(folder)
    nameless = fm.Scope(MarkReader().eval(), outputs="logits")
    survey = nameless.survey(Marked(count=20), "relu2", tmp_path / "nameless", workers=0)
    with pytest.raises(SurveyError, match="no names"):
        nameless.find_shortcuts(survey)
    another = fm.Scope(MarkReader(9.0).eval(), classes=LABELS, outputs="logits")
    with pytest.raises(SurveyError, match="another"):
        another.find_shortcuts(few)


def test_a_concept_that_is_given_is_tried_along_and_named(tmp_path: Path) -> None:
    data, other = Marked(count=60, first=0.6, others=0.4), Marked(count=20, first=0.5, others=0.5, seed=9)
    square = other.inputs[other.labels == 1], other.inputs[other.labels == 2]
    for mark, expected in ((4.0, ["“mark”"]), (0.0, [])):
        scope = fm.Scope(MarkReader(mark).eval(), classes=LABELS, outputs="logits")
        survey = scope.survey(data, "relu2", tmp_path / str(mark), workers=0)
        marked = scope.concept(other.inputs[other.marked], other.inputs[~other.marked], "first", name="mark")
        found = scope.find_shortcuts(survey, concepts=[marked])
        assert [each.attribute.concept for each in found] == expected
        if found:
            np.testing.assert_array_equal(found[0].attribute.present, data.marked)
            assert "have “mark”, which the answer “round” rests on" in repr(found)
            assert scope.without(found[0]).edits
            assert "late in the model" not in repr(found)
            assert len(scope.find_shortcuts(survey)) == 1
        else:
            assert f"no class was found to rest on “mark” or its absence; {data.marked.sum()} of" in repr(found)
    absent = scope.concept(other.inputs[~other.marked], other.inputs[other.marked], "relu2", name="no mark")
    strong = fm.Scope(MarkReader(4.0).eval(), classes=LABELS, outputs="logits")
    again = strong.find_shortcuts(strong.open_survey(tmp_path / "4.0", data), concepts=absent)
    assert [each.attribute.concept for each in again] == ["the absence of “no mark”"]
    assert "“no mark” is told by relu2, late in the model" in repr(again)
    trained = MarkReader(4.0).eval()
    with torch.no_grad():
        trained.second.bias += 0.1
    foreign = fm.Scope(trained, classes=LABELS, outputs="logits").concept(*square, "relu2")
    with pytest.raises(OptionError, match="other weights up to relu2"):
        strong.find_shortcuts(strong.open_survey(tmp_path / "4.0", data), concepts=foreign)


def test_a_finding_stands_where_a_unit_does(find: Find) -> None:
    """Its map is high in marked pictures, where the whole plane is lit, and about 0 in the others."""
    found, data, scope = find(0.6, 0.4, 4.0)
    maps = scope.maps(data.inputs, found[0])
    along = maps.tensor[:, 0].mean((1, 2)).numpy()
    assert along[data.marked].min() > along[~data.marked].max()
    assert abs(along[~data.marked].mean()) < 0.1 * along[data.marked].mean()
    assert scope.draw(found[0], steps=2, size=16)[0].picture.shape[0] == 4


def test_a_finding_of_another_model_is_refused(find: Find, tmp_path: Path) -> None:
    """Also of one with the same layers; a head that was trained anew changes nothing."""
    found, data, _ = find(0.6, 0.4, 4.0)
    other, headed = MarkReader(4.0).eval(), MarkReader(1.0).eval()
    with torch.no_grad():
        other.second.weight[:] = other.second.weight.flip(0)
    scopes = [fm.Scope(model, classes=LABELS, outputs="logits") for model in (other, headed)]
    survey = scopes[0].survey(data, "relu2", tmp_path / "other", workers=0)
    assert len(scopes[1].without(found[0], pictures=data.inputs[:1]).edits) == 1
    for refused in (
        lambda: scopes[0].without(found[0], pictures=data.inputs[:1]),
        lambda: scopes[0].repaired(found[0], survey),
        lambda: scopes[0].before_after(scopes[1], survey, shortcut=found[0]),
        lambda: scopes[0].maps(data.inputs[:1], found[0]),
    ):
        with pytest.raises(OptionError, match="shortcut to round' was found in a .* with other weights up to relu2"):
            refused()
