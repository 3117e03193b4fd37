"""TCAV is what its paper says, random concepts are rejected, and a planted one is not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tests.shortcuts_samples import LABELS, Marked, MarkReader
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.concepts.concept import Concept
from featuremaps.concepts.directions import Fit, How
from featuremaps.concepts.gradients import Gradients
from featuremaps.concepts.held_out import HeldOut
from featuremaps.concepts.sensitivity import along, sensitivity
from featuremaps.errors import OptionError, SurveyError, TargetError
from featuremaps.survey.measures.proportions import Rate


class Curved(nn.Module):
    """A network with places and curvature after the layer, so that gradients differ between places and pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 5, 3, stride=2), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        x = self.second(self.first(x).tanh()).tanh().amax((2, 3))
        scores: Tensor = self.head(x)
        return scores


def seeded(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for tensor in model.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5)
    return model.eval()


def test_scores_are_those_of_plain_autograd_with_a_hook() -> None:
    model, generator = seeded(Curved()), torch.Generator().manual_seed(1)
    pictures = torch.randn(44, 3, 9, 9, generator=generator)
    scope = fm.Scope(model, classes=["a", "b", "c"], outputs="logits")
    concept = scope.concept(pictures[:12] + 0.5, pictures[12:24], "first")
    labels = [number % 3 for number in range(20)]
    found = scope.sensitivity(concept, pictures[24:], labels=labels, shuffles=99, batch_size=7)
    for number, name in enumerate("abc"):
        slopes = []
        for picture, label in zip(pictures[24:], labels, strict=True):
            if label != number:
                continue
            kept: list[Tensor] = []
            handle = model.get_submodule("first").register_forward_hook(
                lambda _, __, output, kept=kept: kept.append(output)
            )
            score = model(picture[None])[0, number]
            handle.remove()
            (gradient,) = torch.autograd.grad(score, kept[0])
            slopes.append(sum(float(gradient[0, :, i, j] @ concept.vector) for i in range(7) for j in range(7)))
        row = found.of(name)
        assert row.slope == pytest.approx(np.mean(slopes), rel=1e-4)
        assert row.share.count == sum(slope > 0 for slope in slopes)
        assert row.share.of == len(slopes)
        apart = float(concept.strengths[concept.has].mean())
        assert row.effect == pytest.approx(np.mean(slopes) * apart, rel=1e-4)


def test_effects_are_the_models_own_where_it_is_linear_after_the_layer() -> None:
    scope, data = (
        fm.Scope(MarkReader().eval(), classes=LABELS, outputs="logits"),
        Marked(count=20, first=0.5, others=0.5),
    )
    concept = scope.concept(data.inputs[data.marked], data.inputs[~data.marked], "relu2", how="mean_difference")
    found = scope.sensitivity(concept, data.inputs, labels=data.labels.tolist())
    means = [torch.from_numpy(concept.features[side].mean(0)) for side in (concept.has, ~concept.has)]
    with torch.no_grad():
        moved = scope.model.head(means[0]) - scope.model.head(means[1])  # type: ignore[operator]
    for number, name in enumerate(LABELS):
        assert found.of(name).effect == pytest.approx(float(moved[number]), abs=1e-4)


def test_a_class_that_rests_on_the_mark_is_told_from_those_that_do_not() -> None:
    data = Marked(count=30, first=0.5, others=0.5)
    for mark, sure in ((4.0, True), (0.0, False)):
        scope = fm.Scope(MarkReader(mark).eval(), classes=LABELS, outputs="logits")
        concept = scope.concept(data.inputs[data.marked], data.inputs[~data.marked], "relu2", name="mark")
        found = scope.sensitivity(concept, data.inputs, labels=[LABELS[label] for label in data.labels])
        assert found.of("round").sure == sure
        assert not found.of("square").sure
        assert not found.of("striped").sure
        if sure:
            assert "rises with it" in repr(found)
            assert found.of("round").shuffled_effect.high < found.of("round").effect


def concept_of(features: np.ndarray, has: np.ndarray, how: How) -> Concept:
    """A concept of these vectors; nobody looks at how well it is told."""
    told = HeldOut(Rate(15, 15), Rate(25, 25), np.zeros(40))
    vectors = {how: Fit(features).vectors(has[:, None], how)[0]}
    return Concept("", "", "layer", how, vectors, features.astype(np.float32), has, {how: told}, ())


def noise(random: np.random.Generator) -> np.ndarray:
    """Vectors of forty pictures, of which a few directions have nearly all of the variance."""
    scales = np.array([30.0, 5.0, *[1.0] * 10])
    mixed: np.ndarray = (random.normal(size=(40, 12)) * scales) @ np.random.default_rng(7).normal(size=(12, 12))
    return mixed


@pytest.mark.parametrize("how", ["pattern", "ridge", "mean_difference"])
def test_random_concepts_are_rejected_at_five_percent(how: How) -> None:
    """Also where all gradients of a class are one, so that the TCAV score of any direction is 0 or 1."""
    random, has = np.random.default_rng(0), np.arange(40) < 15
    labels = np.repeat(np.arange(4), 10)
    sure, extreme = 0, 0
    for seed in range(150):
        slopes = np.repeat(random.normal(size=(4, 12)), 10, 0)
        gradients = Gradients(tuple("abcd"), labels, {"layer": slopes}, "by their labels")
        found = sensitivity([concept_of(noise(random), has, how)], gradients, "", 199, np.random.default_rng(seed))
        sure += any(row.sure for row in found)
        extreme += sum(row.share.value in (0, 1) for row in found)
    assert sure <= 14  # 7.5 expected of 150 at most; 14 or more come by chance in 2 of 100 runs
    assert extreme == 600


def test_a_planted_concept_is_found_among_strong_noise() -> None:
    random, has = np.random.default_rng(0), np.arange(40) < 15
    found = 0
    for seed in range(30):
        features, slope = noise(random), random.normal(size=12)
        features[has] += 1.5 * np.std(features @ slope) * slope / (slope @ slope)
        gradients = Gradients(("a",), np.zeros(5, int), {"layer": np.repeat(slope[None], 5, 0)}, "")
        concept = concept_of(features, has, "pattern")
        found += sensitivity([concept], gradients, "", 199, np.random.default_rng(seed))[0].sure
    assert found >= 27


def test_directions_of_labellings_are_each_its_own() -> None:
    random = np.random.default_rng(0)
    features, has = random.normal(size=(20, 6)), np.arange(20) < 8
    fit, gradients = Fit(features), random.normal(size=(9, 6))
    many = np.stack([has, np.roll(has, 3), ~has], 1)
    (together,) = along(fit, many, "pattern", [gradients])
    for column in range(3):
        (alone,) = along(fit, many[:, column : column + 1], "pattern", [gradients])
        np.testing.assert_allclose(together[:, column], alone[:, 0])
    np.testing.assert_allclose(together[1:, 2], [-together[1, 0], -together[2, 0]])


def test_pictures_count_for_their_class_however_that_is_said(tmp_path: Path) -> None:
    scope, data = (
        fm.Scope(MarkReader().eval(), classes=LABELS, outputs="logits"),
        Marked(count=20, first=0.5, others=0.5),
    )
    concept = scope.concept(data.inputs[data.marked], data.inputs[~data.marked], "relu2")
    survey = scope.survey(data, "relu2", tmp_path / "survey", workers=0)
    by_survey = scope.sensitivity(concept, survey)
    by_labels = scope.sensitivity([concept], data.inputs, labels=data.labels.tolist())
    assert [(row.label, row.effect) for row in by_survey] == [
        (row.label, pytest.approx(row.effect)) for row in by_labels
    ]
    called = scope.sensitivity(concept, data.inputs)
    with torch.no_grad():
        answers = scope.model(data.inputs).argmax(1)
    assert [row.share.of for row in called] == torch.bincount(answers).tolist()
    assert "by what the model calls them" in repr(called)
    assert [row.label for row in scope.sensitivity(concept, survey, "square")] == ["square"]
    assert [row.share.of for row in scope.sensitivity(concept, survey, [0, 2], per_class=7)] == [7, 7]
    twice = scope.sensitivity([concept, concept.by("ridge")], survey)
    assert len(twice) == 6
    assert {path.name for path in twice.save(tmp_path / "out")} == {"sensitivity.png", "sensitivity.csv"}
    assert twice.table().num_rows == 6
    with pytest.raises(SurveyError, match="has no pictures of the classes"):
        scope.sensitivity(concept, scope.survey(Marked(count=4), "relu2", tmp_path / "s", workers=0), [], names={})


def test_what_cannot_be_tested_is_said() -> None:
    scope, data = (
        fm.Scope(MarkReader().eval(), classes=LABELS, outputs="logits"),
        Marked(count=20, first=0.5, others=0.5),
    )
    sides = data.inputs[data.marked], data.inputs[~data.marked]
    concept = scope.concept(*sides, "relu2")
    with pytest.raises(OptionError, match="is that to a concept"):
        scope.sensitivity("relu2:3", data.inputs)  # type: ignore[arg-type]
    with pytest.raises(TargetError, match="2 targets for 4 pictures"):
        scope.sensitivity(concept, data.inputs[:4], labels=[0, 1])
    with pytest.raises(TargetError, match="not one of the model's 3 classes"):
        scope.sensitivity(concept, data.inputs[:4], labels=["oval"] * 4)
    with pytest.raises(TargetError, match="none of the pictures is of the classes"):
        scope.sensitivity(concept, data.inputs[:4], "round", labels=["square"] * 4)
    noise = torch.rand(40, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    none = scope.concept(noise[:20], noise[20:], "relu2", name="nothing")
    assert "“nothing” is not told in relu2 beyond chance" in repr(scope.sensitivity(none, data.inputs[:9]))


def test_one_class_is_enough() -> None:
    model = MarkReader()
    model.head = nn.Linear(8, 1)
    scope, data = fm.Scope(seeded(model), outputs="logits"), Marked(count=20, first=0.5, others=0.5)
    concept = scope.concept(data.inputs[data.marked], data.inputs[~data.marked], "relu2")
    (row,) = scope.sensitivity(concept, data.inputs[:10])
    assert row.share.of == 10
