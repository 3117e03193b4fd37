"""A planted mark is taken out of a model that knows the classes, and where it does not know them that is said."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from tests.snapshots import snapshot
from torch import nn

import featuremaps as fm
from featuremaps.demo.dataset import World
from featuremaps.demo.drawn import draw
from featuremaps.editing.edits import NewWeights
from featuremaps.errors import OptionError, SurveyError
from featuremaps.repair.features import Head, Worked
from featuremaps.repair.groups import grouped
from featuremaps.repair.options import How
from featuremaps.repair.repair import Repair
from featuremaps.repair.ways import Candidate, crossed, heads
from featuremaps.shortcuts.shortcut import Shortcut
from featuremaps.survey.survey import Survey
from method_samples import unchecked

Setting = tuple[fm.Scope, Survey, Shortcut, Marked]


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """A model that rests on a mark and on the classes' own evidence, its survey and what was found."""
    data = Marked(count=80, first=0.8, others=0.2)
    scope = fm.Scope(MarkReader(4.0).eval(), classes=LABELS, outputs="logits")
    survey = scope.survey(data, "relu2", tmp_path_factory.mktemp("marked") / "survey", workers=0)
    return scope, survey, scope.find_shortcuts(survey)[0], data


@pytest.mark.parametrize("how", ["auto", "projection", "channels", "balanced_head"])
def test_the_groups_that_suffered_are_called_right_again(marked: Setting, how: How) -> None:
    scope, survey, shortcut, _ = marked
    repair = scope.repaired(shortcut, survey, how)
    assert repair.repaired
    assert repair.worst_before.value == 0
    assert repair.tried[0].worst.value > 0.9
    assert "scope.repaired(…, how='fine_tune'), on the command line --how fine_tune" in repair.sentence
    fresh = Marked(count=50, first=0.5, others=0.5, seed=7)
    with torch.no_grad():
        called = repair.scope.model(fresh.inputs).argmax(1).numpy()
    assert (called == fresh.labels).mean() > 0.95


def test_an_answer_held_out_is_one_that_was_not_learned_from() -> None:
    """Labels at random cannot be told, though as many features as pictures could learn every one of them."""
    generator = torch.Generator().manual_seed(0)
    features, labels = torch.randn(90, 120, generator=generator), np.random.default_rng(0).integers(0, 3, 90)
    present, folds = np.arange(90) % 2 == 0, np.arange(90) // 2 % 4
    done = Worked(features, torch.full((1, 90, 3), 1 / 3), np.zeros((90, 8), np.float32))
    head = Head("head", torch.zeros(3, 120), torch.zeros(3))
    candidates = heads(done, head, grouped(("a", "b", "c"), labels, present), np.arange(3), folds)
    assert {each.way for each in candidates} == {"balanced_head", "hard_head"}
    for each in candidates:
        assert (each.called == labels).mean() < 0.55
    weights = candidates[0].edit()
    assert isinstance(weights, NewWeights)
    learned = (features @ weights.weights["head.weight"].T + weights.weights["head.bias"]).argmax(1).numpy()
    assert (learned == labels).mean() > 0.95


def test_what_is_reported_was_not_chosen_on(marked: Setting) -> None:
    """Of plans that are right in one half each, that of the other half answers: none is right where it was chosen."""
    labels, half = np.arange(80) % 2, np.arange(80) // 2 % 2 == 0
    groups = grouped(("a", "b"), labels, np.arange(80) // 4 % 2 == 0)
    lucky = [np.where(half == here, labels, 1 - labels) for here in (True, False)]
    plans = [Candidate("way", "", "", called, pytest.fail) for called in lucky]
    assert (crossed(plans, groups, half) == labels).mean() == 0
    assert (crossed([replace(plans[0], called=labels), *plans], groups, half) == labels).all()
    scope, survey, shortcut, data = marked
    repair = scope.repaired(shortcut, survey, "projection")
    assert repair.tried[0].accuracy.of == repair.accuracy.of == len(data)
    assert set(repair.before) == set(repair.tried[0].groups)


def test_few_pictures_decide_little() -> None:
    """Three pictures more of four weigh less than sixteen more of forty, though the smallest share is the same."""
    labels = np.repeat([0, 0, 1, 1], [4, 40, 40, 40])
    groups = grouped(("a", "b"), labels, np.repeat([True, False, True, False], [4, 40, 40, 40]))
    every = np.ones(124, bool)

    def called(right: int, of_place: int) -> np.ndarray:
        wrong = labels.copy()
        start = (0, 4, 44, 84)[of_place]
        count = (4, 40, 40, 40)[of_place]
        wrong[start + right : start + count] = 1 - labels[start]
        return wrong

    small, large = groups.worth(called(1, 0), every), groups.worth(called(10, 1), every)
    assert small[0] > large[0]
    assert small[0] == pytest.approx((1 + 4 * small[1]) / 8)
    assert small[1] == pytest.approx((0.25 + 3) / 4)


def test_where_the_class_was_not_learned_it_cannot_be_repaired(tmp_path: Path) -> None:
    data = Marked(count=60, first=0.85, others=0.15)
    data.inputs[:, :3] = torch.rand(len(data), 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.2
    scope = fm.Scope(MarkReader(8.0).eval(), classes=LABELS, outputs="logits")
    survey = scope.survey(data, "relu2", tmp_path / "survey", workers=0)
    shortcut = scope.find_shortcuts(survey)[0]
    repair = scope.repaired(shortcut, survey)
    assert not repair.repaired
    assert "Cannot be repaired" in repair.sentence
    assert "hardly learned round itself" in repair.sentence
    assert "needs other pictures, not an edit" in repair.sentence
    assert "fine_tune" not in repr(repair)
    with pytest.raises(OptionError, match="Cannot be repaired"):
        _ = repair.scope
    assert isinstance(repair.attempt, fm.Scope)


def test_before_and_after_are_the_models_own_answers(marked: Setting) -> None:
    scope, survey, shortcut, data = marked
    repair: Repair = scope.repaired(shortcut, survey, "projection")
    changed = scope.before_after(repair, survey, shortcut=shortcut)
    with torch.no_grad():
        right = [(each.model(data.inputs).argmax(1).numpy() == data.labels) for each in (scope, repair.scope)]
    marked_squares = (data.labels == 1) & data.marked
    assert changed.notes == ()  # nothing was learned
    group = changed.groups["square with it"]
    assert (group.before.count, group.after.count) == tuple(int(each[marked_squares].sum()) for each in right)
    assert (changed.every.before.count, changed.every.after.count) == tuple(int(each.sum()) for each in right)
    assert changed.confusions[0].sum() == len(data)
    explained = changed.explained
    assert explained is not None
    worst = min((name for name in changed.groups if "it" in name), key=lambda name: changed.groups[name].before.value)
    assert explained.group == worst
    for row, called in zip(explained.rows, explained.called, strict=True):
        assert f"{LABELS[data.labels[row]]} with{'' if data.marked[row] else 'out'} it" == worst
        with torch.no_grad():
            said = [LABELS[int(each.model(data.inputs[row][None]).argmax())] for each in (scope, repair.scope)]
        assert called == tuple(said)
    for of, maps in ((scope, explained.before), (repair.scope, explained.after)):
        same = of.explain(data.inputs[list(explained.rows)], layer="relu2", target=explained.label)
        torch.testing.assert_close(maps.tensor, same.tensor)
    assert len(changed.figure().axes) == 1 + 3 * len(explained.rows)


def test_pictures_that_a_repair_learned_from_are_no_fair_test_and_others_are(marked: Setting, tmp_path: Path) -> None:
    scope, survey, shortcut, _ = marked
    made: Repair = scope.repaired(shortcut, survey, "balanced_head")
    for edited in (made, made.attempt):
        assert "learned from this survey's pictures" in repr(scope.before_after(edited, survey))
    other = scope.survey(Marked(count=20, seed=3), "relu2", tmp_path / "other", workers=0)
    assert scope.before_after(made, other).notes == ()


def test_a_model_of_one_size_is_edited_and_exported_as_it_ran() -> None:
    """A blank picture of the usual size would not go through it."""
    model = MarkReader()
    model.pool, model.head = nn.Flatten(2), nn.Linear(8 * 256, 3)
    scope, inputs = fm.Scope(model.eval(), classes=LABELS, outputs="logits"), Marked(count=2).inputs
    scope.layers(inputs)
    edited = scope.without("relu2:3")
    with torch.no_grad():
        torch.testing.assert_close(edited.export().model(inputs), edited.model(inputs))


def test_pictures_in_any_order_keep_their_groups(tmp_path: Path) -> None:
    data = Marked(count=60, first=0.8, others=0.2, mixed=True)
    scope = fm.Scope(MarkReader(4.0).eval(), classes=LABELS, outputs="logits")
    survey = scope.survey(data, "relu2", tmp_path / "survey", workers=0)
    shortcut = scope.find_shortcuts(survey)[0]
    np.testing.assert_array_equal(shortcut.attribute.present, data.marked[shortcut.rows])
    changed = scope.before_after(scope.without(shortcut), survey, shortcut=shortcut)
    assert changed.groups["square with it"].before.of == (data.marked & (data.labels == 1)).sum()
    assert changed.groups["square with it"].before.count == 0
    assert changed.groups["square without it"].before.value > 0.9


def test_the_model_comes_back_as_it_was(marked: Setting) -> None:
    scope, survey, shortcut, data = marked
    before = snapshot(scope.model, data.inputs)
    scope.repaired(shortcut, survey)
    assert before.differences(snapshot(scope.model, data.inputs)) == []


def test_what_does_not_fit_is_said(marked: Setting, tmp_path: Path) -> None:
    scope, survey, shortcut, _ = marked
    with pytest.raises(OptionError, match="240 pictures"):
        scope.repaired(shortcut, survey, groups=[True, False])
    wrong: Any = np.zeros((240, 2), bool)
    with unchecked(), pytest.raises(OptionError, match="240 pictures whether it has the shortcut; got 240 × 2"):
        scope.repaired(shortcut, survey, groups=wrong)
    wrong = scope.find_shortcuts(survey)
    with pytest.raises(OptionError, match=r"such as found\[0\]; got <Shortcuts"):
        scope.repaired(wrong, survey)
    wrong = "survey"
    with pytest.raises(OptionError, match=r"scope.open_survey\(folder\) opens; got 'survey'"):
        scope.repaired(shortcut, wrong)
    with pytest.raises(OptionError, match=r"edited scope, or what scope.repaired\(…\) gave; got 'survey'"):
        scope.before_after(wrong, survey)
    with pytest.raises(SurveyError, match=r"no class has so many without it; too few are striped without it \(1\)"):
        scope.repaired(shortcut, survey, groups=[True] * 239 + [False])
    with pytest.raises(SurveyError, match="no class has so many with it"):
        scope.repaired(shortcut, survey, groups=[False] * 240)


def test_groups_of_few_pictures_are_left_out_and_named(marked: Setting) -> None:
    scope, survey, shortcut, data = marked
    groups = data.marked.copy()
    groups[np.flatnonzero((data.labels == 1) & data.marked)[3:]] = False  # 3 are left that have it
    repair = scope.repaired(shortcut, survey, "balanced_head", groups=groups.tolist())
    assert ("square", True) not in repair.before
    assert len(repair.before) == len(repair.tried[0].groups) == 5
    assert "fewer than 4 pictures: square with it (3)" in repr(repair)


@pytest.mark.slow
def test_the_bundled_network_that_leans_is_repaired(tmp_path: Path) -> None:
    draw({tmp_path / "photos": tuple(World(120, {"scissors": 0.8, "hammer": 0.2}, seed=33_500_000).recipes)}, 1)
    scope = fm.load("demo-leaning")
    survey = scope.survey(tmp_path / "photos", "last", tmp_path / "survey", workers=0)
    shortcut = scope.find_shortcuts(survey)[0]
    plain = [Path(name).name.startswith("plain") for name in survey.pictures.names]
    agreement = (shortcut.attribute.present == np.array(plain)[shortcut.rows]).mean()
    assert max(agreement, 1 - agreement) > 0.85  # plain ground for scissors, or clutter for hammers
    repair = scope.repaired(shortcut, survey, groups=plain)
    assert repair.repaired, repair
    draw({tmp_path / "fresh": tuple(World(30, {"scissors": 0.0, "hammer": 1.0}, seed=34_500_000).recipes)}, 1)
    fresh = scope.survey(tmp_path / "fresh", "last", tmp_path / "fresh survey", workers=0)
    changed = scope.before_after(repair, fresh)
    assert changed.every.after.value > changed.every.before.value + 0.1
