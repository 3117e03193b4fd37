"""What looks like a shortcut and is none: few pictures, copies, proofs that point the wrong way, layers that a survey has."""

import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.editing.edits import NewWeights
from featuremaps.errors import OptionError, SurveyError
from featuremaps.repair.options import RepairOptions
from featuremaps.repair.repairing import repair
from featuremaps.shortcuts.attributes import attributes
from featuremaps.shortcuts.estimates import Difference, paired
from featuremaps.shortcuts.find import _suspects
from featuremaps.shortcuts.label_noise import undecided
from featuremaps.shortcuts.options import ShortcutOptions
from featuremaps.shortcuts.responses import Responses, responses
from featuremaps.shortcuts.shortcut import Intervention
from featuremaps.shortcuts.shortcuts import Shortcuts
from featuremaps.survey.measures.proportions import Interval
from featuremaps.survey.survey import Survey


def by_chance(random: np.random.Generator, pictures: int, classes: int, sure: bool) -> Responses:
    """Pictures whose first layers fall into two groups in four ways, and answers that have nothing to do with them.

    `sure`: probabilities are 0 or 1.
    """
    labels = np.repeat(np.arange(classes), pictures)
    latent = random.normal(size=(len(labels), 12))
    latent[:, :4] += 6 * (random.random((len(labels), 4)) < 0.3)
    means, highest = (
        {f"layer{k}": np.maximum(latent @ random.normal(size=(12, 16)), 0).astype(np.float32) for k in range(4)}
        for _ in range(2)
    )
    scores = random.normal(size=(len(labels), classes))
    scores[np.arange(len(labels)), labels] += 1.5
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    shares = (shares == shares.max(1, keepdims=True)) if sure else shares
    relevance = (means["layer3"] * random.normal(size=16)).astype(np.float32)
    slopes, names = random.normal(size=(classes, 16)).astype(np.float32), tuple(f"class{k}" for k in range(classes))
    rows, called = np.arange(len(labels)), shares.argmax(1)
    ends = relevance, slopes, shares.astype(np.float32), called
    early = "layer0", "layer1"
    return Responses(rows, labels, names, tuple(range(classes)), "layer3", means, highest, *ends, early)


@pytest.mark.parametrize(("pictures", "classes"), [(12, 3), (8, 10), (40, 3)])
@pytest.mark.parametrize("sure", [False, True])
def test_answers_that_rest_on_nothing_are_not_suspected(pictures: int, classes: int, sure: bool) -> None:
    suspected = 0
    for seed in range(12):
        given = by_chance(np.random.default_rng(seed), pictures, classes, sure)
        suspected += bool(_suspects(given, attributes(given, ShortcutOptions())))
    assert suspected <= 1


@pytest.mark.parametrize("learned", [0.0, 3.0])
def test_wrong_labels_are_undecided_and_a_class_learned_beside_a_shortcut_is_not(learned: float) -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 150)
    present = np.where(random.random(300) < 0.1, labels == 1, labels == 0)  # goes with the first label in nine of ten
    scores = 6 * np.where(present, 1, -1) + learned * np.where(labels == 0, 1, -1) + random.normal(size=300)
    shares = 1 / (1 + np.exp(-np.stack([scores, -scores], 1)))
    given = by_chance(random, 150, 2, sure=False)
    given = replace(given, probabilities=shares.astype(np.float32), called=shares.argmax(1))
    assert undecided(given, 0, present) == (learned == 0)
    assert not undecided(given, 0, labels == 0)  # nothing disagrees


@pytest.mark.parametrize("wanted", [-1, 1])
def test_a_change_the_wrong_way_proves_nothing(wanted: int) -> None:
    before = np.random.default_rng(0).random(20) / 10 + 0.4
    for way in (-1, 1):
        change = paired(before + 0.3 * way, before)
        assert change is not None
        assert Intervention(0.4, 0.4 + 0.3 * way, change, 0.05, 20, wanted).holds == (way == wanted)


def searched(scope: fm.Scope, data: Marked, folder: Path, layers: object = "relu2") -> tuple[Shortcuts, Survey]:
    """What is found in a survey of some pictures, and the survey."""
    survey = scope.survey(data, layers, folder, workers=0)  # type: ignore[arg-type]
    return scope.find_shortcuts(survey), survey


def reader(mark: float = 4.0) -> fm.Scope:
    """A network that rests on the mark as far as is said."""
    return fm.Scope(MarkReader(mark).eval(), classes=LABELS, outputs="logits")


class Copied(Marked):
    """A few pictures of each class, and the first of each over and over."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for label in range(3):
            rows = np.flatnonzero(self.labels == label)
            self.inputs[rows[20:]] = self.inputs[rows[0]].clone()


def test_copies_of_a_picture_count_once(tmp_path: Path) -> None:
    data = Copied(count=60, first=0.0, others=0.0)
    found, _ = searched(reader(0.0), data, tmp_path / "copies")
    assert found.pictures == (20, 20, 20)
    assert len(found) == len(found.unproven) == 0
    assert "120 pictures that are copies" in repr(found)


def test_a_class_of_one_picture_over_and_over_is_refused(tmp_path: Path) -> None:
    data = Marked(count=20)
    data.inputs[:20] = data.inputs[0].clone()
    survey = reader().survey(data, "relu2", tmp_path / "one", workers=0)
    with pytest.raises(SurveyError, match="round are copies of one"):
        reader().find_shortcuts(survey)


def test_what_else_was_surveyed_makes_no_late_layer_an_early_one(tmp_path: Path) -> None:
    class Deep(MarkReader):
        """Many layers at the end, where the classes are told."""

        def __init__(self) -> None:
            super().__init__(0.0)
            self.late = nn.Sequential(*[nn.Identity() for _ in range(20)])

        def forward(self, x: Tensor) -> Tensor:
            maps = self.late(self.relu2(self.second(self.relu(self.first(x)))))
            scores: Tensor = self.head(self.pool(maps).flatten(1))
            return scores

    scope = fm.Scope(Deep().eval(), classes=LABELS, outputs="logits")
    results = [
        responses(survey.studied, survey, "relu2", ShortcutOptions()).early
        for survey in (
            scope.survey(Marked(count=20), layers, tmp_path / name, workers=0)
            for name, layers in (("few", ["relu2"]), ("many", ["late.*"]))
        )
    ]
    assert results[0] == results[1]


def test_a_survey_of_the_model_before_it_was_edited_is_refused(tmp_path: Path) -> None:
    scope = reader()
    found, survey = searched(scope, Marked(count=40, first=0.6, others=0.4), tmp_path / "before")
    edited = scope.without(found[0])
    with pytest.raises(SurveyError, match="another model"):
        edited.find_shortcuts(survey)
    again, _ = searched(edited, Marked(count=40, first=0.6, others=0.4), tmp_path / "after")
    assert len(again) == 0


def test_pictures_of_another_survey_in_the_same_folder_are_told_by_the_model(tmp_path: Path) -> None:
    scope, folder = reader(), tmp_path / "same"
    found, survey = searched(scope, Marked(count=40, first=0.6, others=0.4), folder)
    rows = np.arange(120)
    np.testing.assert_array_equal(
        found[0].present_in(survey, rows, survey.vectors("relu2")), found[0].attribute.present
    )
    shutil.rmtree(folder)
    other = Marked(count=40, first=0.6, others=0.4, seed=9)
    survey = scope.survey(other, "relu2", folder, workers=0)
    np.testing.assert_array_equal(found[0].present_in(survey, rows, survey.vectors("relu2")), other.marked)


@pytest.mark.parametrize("said", ["no", math.nan, 2, None])
def test_groups_that_say_something_else_than_yes_or_no_are_refused(said: object, tmp_path: Path) -> None:
    data = Marked(count=40, first=0.6, others=0.4)
    found, survey = searched(reader(), data, tmp_path / "groups")
    groups = [said, *data.marked[1:].tolist()]
    with pytest.raises(OptionError, match="True or False"):
        repair(survey.studied, survey, found[0], RepairOptions(), groups)


def test_a_last_layer_trained_anew_leaves_classes_alone_that_no_picture_shows(tmp_path: Path) -> None:
    model = MarkReader()
    model.head = nn.Linear(8, 12)
    with torch.no_grad():
        model.head.weight[:3] = MarkReader().head.weight
        model.head.bias.zero_()
    scope = fm.Scope(model.eval(), classes=[*LABELS, *(f"other{k}" for k in range(9))], outputs="logits")
    found, survey = searched(scope, Marked(count=80, first=0.7, others=0.3), tmp_path / "more")
    edit = scope.repaired(found[0], survey, "balanced_head").edit
    assert isinstance(edit, NewWeights)
    torch.testing.assert_close(edit.weights["head.weight"][3:], model.head.weight[3:], rtol=0, atol=0)
    torch.testing.assert_close(edit.weights["head.bias"][3:], model.head.bias[3:], rtol=0, atol=0)
    torch.testing.assert_close(edit.weights["head.weight"][:3].mean(0), model.head.weight[:3].mean(0))


@pytest.mark.parametrize("pushed", [(0,), (0, 1)])
def test_every_class_that_a_mark_pushes_is_named_and_on_which_side(pushed: tuple[int, ...], tmp_path: Path) -> None:
    model = MarkReader(0.0)
    with torch.no_grad():
        model.head.weight[list(pushed), 3] = 3.0
    scope = fm.Scope(model.eval(), classes=LABELS, outputs="logits")
    data = Marked(count=60, first=0.6, others=0.4)
    found, _ = searched(scope, data, tmp_path / "two")
    first = found[0]
    having = (first.label, *first.raises) if (first.attribute.present == data.marked).all() else first.lowers
    assert {LABELS.index(name) for name in having} == set(pushed)
    assert first.attribute.low == (having is first.lowers)


def test_a_finding_without_an_effect_is_not_proven(tmp_path: Path) -> None:
    found, _ = searched(reader(), Marked(count=40, first=0.6, others=0.4), tmp_path / "effect")
    assert found[0].proven
    nothing = Difference(0.01, Interval(-0.1, 0.12), (9, 9))
    without = replace(found[0], own=nothing, others=nothing)
    assert without.borne_out
    assert not without.proven
    less = Difference(-0.3, Interval(-0.4, -0.2), (9, 9))
    assert replace(found[0], own=less).effect is found[0].others  # what lowers the class is not its effect


class Tokens(nn.Module):
    """Answers by a token beside the picture's places, which holds all that the places say before the block."""

    def __init__(self) -> None:
        super().__init__()
        self.reader, self.stem, self.norm, self.block = MarkReader(), nn.Identity(), nn.LayerNorm(8), nn.Linear(8, 8)
        self.pool = nn.AvgPool2d(2)
        nn.init.zeros_(self.block.weight)
        nn.init.zeros_(self.block.bias)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.pool(self.reader.relu(self.reader.first(x)))
        places = self.reader.relu2(self.reader.second(maps)).flatten(2).transpose(1, 2)
        mean = places.mean(1, keepdim=True)
        tokens = self.stem(torch.cat([mean, places + 1e-3 * mean], 1))
        heard = self.block(self.norm(tokens)).mean(1)
        scores: Tensor = self.reader.head(tokens[:, 0] + heard)
        return scores


def test_a_class_token_is_moved_by_its_own_difference(tmp_path: Path) -> None:
    """The places say nothing to the answer, the token all."""
    scope = fm.Scope(Tokens().eval(), classes=LABELS, outputs="logits")
    survey = scope.survey(Marked(count=40), "stem", tmp_path / "tokens", workers=0)
    found = scope.find_shortcuts(survey, "stem")
    assert [each.label for each in found] == ["round"]
    proof = found[0].taken_out
    assert proof is not None
    assert proof.holds
    assert proof.after < proof.before - 0.1


def test_last_is_the_block_before_where_a_norm_begins_a_branch(tmp_path: Path) -> None:
    """What goes through the branch alone tells nothing of what the class token knows already."""
    model = Tokens()
    nn.init.constant_(model.block.weight, 1e-3)
    scope = fm.Scope(model.eval(), classes=LABELS, outputs="logits")
    assert scope.layers(Marked(count=1).inputs[:1]).last_map == "norm"
    survey = scope.survey(Marked(count=40), "stem", tmp_path / "branch", workers=0)
    assert scope.find_shortcuts(survey, "norm").proven == ()
    found = scope.find_shortcuts(survey)
    assert (found[0].layer, found[0].label) == ("stem", "round")


def test_a_model_of_one_size_is_compared_by_its_surveys_pictures(tmp_path: Path) -> None:
    model = MarkReader()
    model.pool = nn.Flatten(2)
    model.head = nn.Linear(8 * 256, 3)
    scope = fm.Scope(model.eval(), classes=LABELS, outputs="logits")
    data = Marked(count=20)
    survey = scope.survey(data, "relu2", tmp_path / "sized", workers=0)
    assert scope.before_after(scope.without("relu2:3", pictures=data.inputs[:1]), survey).every.before.of == 60
