"""The penalty of fine-tuning is the paper's, only what comes after the layer is trained, and only in a copy."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from tests.snapshots import snapshot
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.editing.edits import NewWeights
from featuremaps.errors import ModelError, OptionError
from featuremaps.repair import fine_tune
from featuremaps.repair.fine_tune import derivatives
from featuremaps.repair.options import TRAINED
from featuremaps.shortcuts.shortcut import Shortcut
from featuremaps.survey.survey import Survey

Setting = tuple[fm.Scope, Survey, Shortcut, Marked]


class WithNorm(MarkReader):
    """The same with a batch norm, that changes nothing as it is, before the second convolution."""

    def __init__(self) -> None:
        super().__init__(4.0)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        x = self.relu2(self.second(self.norm(self.relu(self.first(x)))))
        scores: Tensor = self.head(self.pool(x).flatten(1))
        return scores


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer settings and steps, which are enough for so small a model."""
    monkeypatch.setattr(fine_tune, "STRENGTHS", {"fine_tune": (0.0,), "right_reason": (1.0,)})
    monkeypatch.setattr(fine_tune, "STEPS", 60)


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    """A model that rests on a mark, and the mark as it is found in the first layer."""
    data = Marked(count=80, first=0.8, others=0.2)
    scope = fm.Scope(WithNorm().eval(), classes=LABELS, outputs="logits")
    survey = scope.survey(data, "relu", tmp_path_factory.mktemp("marked") / "survey", workers=0)
    return scope, survey, scope.find_shortcuts(survey, "relu")[0], data


def test_derivatives_are_those_of_one_class_and_picture_after_the_other() -> None:
    torch.manual_seed(0)
    tail = nn.Sequential(nn.Conv2d(3, 4, 2), nn.Softplus(), nn.Flatten(), nn.Linear(36, 5)).double()
    maps, direction = torch.randn(2, 3, 4, 4).double().requires_grad_(), torch.randn(3).double()
    found = derivatives(tail(maps), maps, direction)
    expected = torch.empty(2, 5).double()
    for picture in range(2):
        for output in range(5):
            at = maps[picture : picture + 1].detach().requires_grad_()
            (gradient,) = torch.autograd.grad(tail(at)[0, output], at)
            total = torch.tensor(0.0).double()
            for y in range(4):
                for x in range(4):
                    total = total + gradient[0, :, y, x] @ direction
            expected[picture, output] = total
    torch.testing.assert_close(found, expected)
    moved = (tail(maps + 1e-6 * direction[:, None, None]) - tail(maps - 1e-6 * direction[:, None, None])) / 2e-6
    torch.testing.assert_close(found, moved, atol=1e-6, rtol=1e-6)


def test_the_penalty_can_be_learned_from() -> None:
    """Its gradient with respect to a linear tail's weights is that of the square, written out: 2 (w · v) v."""
    maps, direction = torch.randn(1, 3, 1, 1).requires_grad_(), torch.tensor([1.0, 2.0, 0.5])
    weight = torch.tensor([[0.3, -0.2, 1.0]], requires_grad=True)
    derivatives(maps.flatten(1) @ weight.T, maps, direction).square().sum().backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad[0], 2 * (weight[0] @ direction) * direction)


def test_what_comes_after_the_layer_is_trained_and_nothing_else(early: Setting) -> None:
    scope, survey, shortcut, data = early
    before = snapshot(scope.model, data.inputs)
    repair = scope.repaired(shortcut, survey, "fine_tune", from_layer="relu")
    assert before.differences(snapshot(scope.model, data.inputs)) == []
    assert isinstance(repair.edit, NewWeights)
    assert set(repair.edit.weights) == {f"{name}.{kind}" for name in ("norm", "second", "head") for kind in PARTS}
    assert repair.repaired, repair
    assert [each.way for each in repair.tried] == ["fine_tune"]
    own, made = scope.model.state_dict(), repair.scope.model.state_dict()
    for name in ("first.weight", "first.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"):
        torch.testing.assert_close(made[name], own[name], rtol=0, atol=0)
    fresh = Marked(count=50, first=0.5, others=0.5, seed=7)
    exported = repair.scope.export()
    assert set(exported.diff) <= set(repair.edit.weights)
    with torch.no_grad():
        scores = exported.model(fresh.inputs)
        torch.testing.assert_close(scores, repair.scope.model(fresh.inputs))
    assert (scores.argmax(1).numpy() == fresh.labels).mean() > 0.9


PARTS = ("weight", "bias")


def test_all_layers_are_trained_where_none_is_named_and_nothing_but_weights(early: Setting) -> None:
    scope, survey, shortcut, data = early
    before = snapshot(scope.model, data.inputs)
    repair = scope.repaired(shortcut, survey, "fine_tune")
    assert before.differences(snapshot(scope.model, data.inputs)) == []
    assert isinstance(repair.edit, NewWeights)
    assert set(repair.edit.weights) == {name for name, _ in scope.model.named_parameters()}
    assert repair.tried[0].settings == "all layers"
    assert repair.repaired, repair
    own, made = scope.model.state_dict(), repair.scope.model.state_dict()
    assert not torch.equal(made["first.weight"], own["first.weight"])
    for name in ("norm.running_mean", "norm.running_var", "norm.num_batches_tracked"):
        torch.testing.assert_close(made[name], own[name], rtol=0, atol=0)


def test_it_begins_after_the_layer_that_is_named(early: Setting) -> None:
    scope, survey, shortcut, _ = early
    made = scope.repaired(shortcut, survey, "fine_tune", from_layer="relu2", per_class=20).edit
    assert isinstance(made, NewWeights)
    assert set(made.weights) == {"head.weight", "head.bias"}


def test_weights_that_are_made_of_others_are_trained_too(early: Setting, tmp_path: Path) -> None:
    """A graph would hold such a weight fast."""

    class Scaled(MarkReader):
        def __init__(self) -> None:
            super().__init__(4.0)
            self.gain = nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            x = self.pool(self.relu2(self.second(self.relu(self.first(x))))).flatten(1)
            return nn.functional.linear(x, self.head.weight * self.gain, self.head.bias)

    data = early[3]
    scope = fm.Scope(Scaled().eval(), classes=LABELS, outputs="logits")
    survey = scope.survey(data, "relu2", tmp_path / "survey", workers=0)
    repair = scope.repaired(scope.find_shortcuts(survey)[0], survey, "fine_tune", from_layer="relu2")
    assert isinstance(repair.edit, NewWeights)
    assert set(repair.edit.weights) == {"head.weight", "head.bias", "gain"}
    assert all(not torch.equal(made, scope.model.state_dict()[name]) for name, made in repair.edit.weights.items())


def test_the_same_seed_gives_the_same_weights(early: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    scope, survey, shortcut, _ = early
    monkeypatch.setattr(fine_tune, "STEPS", 20)
    first, again = (scope.repaired(shortcut, survey, "fine_tune", per_class=20).edit for _ in range(2))
    assert isinstance(first, NewWeights)
    assert isinstance(again, NewWeights)
    for name, values in first.weights.items():
        torch.testing.assert_close(again.weights[name], values, rtol=0, atol=0)


def test_it_is_not_tried_unless_it_is_named(early: Setting) -> None:
    scope, survey, shortcut, _ = early
    assert not set(TRAINED) & {each.way for each in scope.repaired(shortcut, survey, per_class=20).tried}


def test_a_heavy_penalty_leaves_no_derivative_along_the_direction(
    early: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope, survey, shortcut, data = early
    monkeypatch.setattr(fine_tune, "STRENGTHS", {"right_reason": (100.0,)})
    monkeypatch.setattr(fine_tune, "STEPS", 220)
    made = scope.repaired(shortcut, survey, "right_reason").attempt.model
    direction = torch.from_numpy(shortcut.direction)
    sizes = []
    for model in (scope.model, made):
        maps = torch.relu(model.first(data.inputs[:60])).detach().requires_grad_()
        features = model.relu2(model.second(model.norm(maps))).mean((2, 3))
        sizes.append(float(derivatives(model.head(features), maps, direction).square().mean().detach()))
    assert sizes[1] < 0.05 * sizes[0]


def test_what_keeps_to_a_direction_keeps_the_first_half_where_no_layer_is_named(
    early: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shortcut of the last layer, before which all would stay as it is if training began after it."""
    scope, survey, _, _ = early
    monkeypatch.setattr(fine_tune, "STEPS", 5)
    last = scope.find_shortcuts(survey, "relu2")[0]
    made = scope.repaired(last, survey, "right_reason", per_class=20).edit
    assert isinstance(made, NewWeights)
    assert {"second.weight", "head.weight"} <= set(made.weights)
    assert "first.weight" not in made.weights


@pytest.mark.parametrize("after", [1, 60])
def test_an_interrupt_leaves_the_model_as_it_was(early: Setting, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    scope, survey, shortcut, data = early
    before, seen = snapshot(scope.model, data.inputs), 0

    def interrupted(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*given: Any, **options: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == after:
                raise KeyboardInterrupt
            return real(*given, **options)

        return step

    monkeypatch.setattr(torch.optim.Adam, "step", interrupted(torch.optim.Adam.step))
    with pytest.raises(KeyboardInterrupt):
        scope.repaired(shortcut, survey, "fine_tune")
    assert seen == after
    assert before.differences(snapshot(scope.model, data.inputs)) == []


def test_where_nothing_can_be_trained_that_is_said(tmp_path: Path) -> None:
    class Bare(nn.Module):
        """The first layer's means are the class scores, so that nothing after it has weights."""

        def __init__(self) -> None:
            super().__init__()
            self.maps, self.relu = nn.Conv2d(4, 3, 1), nn.ReLU()
            with torch.no_grad():
                self.maps.weight[:, :, 0, 0] = torch.tensor([[1.5, 0, 0, 4.0], [0, 1.5, 0, 0], [0, 0, 1.5, 0]])
                self.maps.bias.zero_()

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.relu(self.maps(x)).mean((2, 3))
            return scores

    scope = fm.Scope(Bare().eval(), classes=LABELS, outputs="logits")
    survey = scope.survey(Marked(count=60, first=0.8, others=0.2), "relu", tmp_path / "survey", workers=0)
    shortcut = scope.find_shortcuts(survey, "relu")[0]
    with pytest.raises(OptionError, match="from_layer= is for how='fine_tune'"):
        scope.repaired(shortcut, survey, from_layer="maps")
    with pytest.raises(ModelError, match="nothing after layer 'relu' of Bare has weights"):
        scope.repaired(shortcut, survey, "fine_tune", from_layer="relu")
    assert np.isfinite(shortcut.threshold)
