"""The model's own answers, beside the plain module."""

from pathlib import Path

import pytest
import torch
from torch import nn

import featuremaps as fm
from featuremaps.errors import OptionError, TargetError
from map_samples import pictures, real_scope
from method_samples import Little, noise, unchecked
from planted_detector import CAT, DOG, scene, scope_of
from snapshots import snapshot

NAMES = ("a", "b", "c", "d")


def test_the_most_probable_classes_come_first() -> None:
    model, inputs = Little(), noise(3)
    before = snapshot(model, inputs)
    answers = fm.Scope(model, classes=NAMES).predict(inputs, 2, batch_size=2)
    assert before.differences(snapshot(model, inputs)) == []
    scores = model.eval()(inputs).detach()
    for given, of_picture in zip(answers, scores, strict=True):
        order = of_picture.argsort(descending=True)[:2].tolist()
        assert [answer.index for answer in given] == order
        assert [answer.label for answer in given] == [NAMES[index] for index in order]
        for answer in given:
            assert answer.score == pytest.approx(float(of_picture[answer.index]), rel=1e-5)
            assert answer.probability == pytest.approx(float(of_picture.softmax(0)[answer.index]), rel=1e-5)
    assert len(fm.Scope(model).predict(inputs, 99)[0]) == 4


def test_pictures_of_several_sizes_stay_in_order() -> None:
    scope = fm.Scope(Little())
    several = pictures((16, 16), (24, 16), (16, 16))
    for given, picture in zip(scope.predict(several), several, strict=True):
        (alone,) = scope.predict(picture)
        assert [answer.index for answer in given] == [answer.index for answer in alone]
        assert [answer.score for answer in given] == pytest.approx([answer.score for answer in alone], rel=1e-4)


def test_real_photographs(shared: Path) -> None:
    paths = sorted((shared / "images" / "imagenet").glob("*.jpg"))[:4]
    answers = real_scope(shared).predict(paths, 3)
    assert answers[0][0].index == 0  # a tench
    assert repr(answers[0][0]).startswith("class 0 ")


def test_models_and_options_without_an_answer() -> None:
    with pytest.raises(TargetError, match="'labels' is missing. Wrap the model so that it returns them"):
        fm.Scope(nn.Sequential(Little(), Boxes())).predict(noise(1))
    with pytest.raises(TargetError, match="2 class names were given, and the model has 4 outputs"):
        fm.Scope(Little(), classes=NAMES[:2]).predict(noise(1))
    with pytest.raises(OptionError, match="top is how many classes are given"):
        fm.Scope(Little()).predict(noise(1), 0)
    for threshold, said in (("0.5", "is a number; got '0.5'"), (2.0, "is a score from 0 to 1"), (None, "is a number")):
        with unchecked(), pytest.raises(OptionError, match=f"threshold {said}"):
            fm.Scope(Little()).predict(noise(1), threshold=threshold)  # type: ignore[arg-type]


class Boxes(nn.Module):
    def forward(self, x: torch.Tensor) -> list[dict[str, torch.Tensor]]:
        return [{"boxes": row[None]} for row in x]


def test_a_detector_says_what_it_finds_or_what_it_is_surest_of() -> None:
    scope, inputs = scope_of(least=0.0), torch.stack([scene(CAT, DOG), scene(CAT), scene(seed=1)])
    both, cat, nothing = scope.predict(inputs, batch_size=2)
    assert [(box.label, repr(box)) for box in both] == [
        ("dog", "dog 96.8% at (28, 2, 52, 22)"),
        ("cat", "cat 96.7% at (20, 36, 36, 52)"),
    ]
    assert [box.label for box in cat] == ["cat"]
    assert "Nothing was found with a score of 0.5 or more" in nothing[0].note
    assert [len(boxes) for boxes in scope.predict(inputs, top=1)] == [1, 1, 1]
    assert len(scope.predict(inputs, threshold=0.004)[1]) > 1
    assert scope_of().predict(inputs)[2] == ()
