"""The trial where the truth is known: an exact explanation comes first, chance and the opposite do not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.evidence_truth import page
from benchmarks.evidence_truth.orders import Tried
from benchmarks.evidence_truth.run import known_results
from benchmarks.evidence_truth.weightings import reliability
from benchmarks.evidence_truth.worlds import World, linear, planted
from scipy.stats import friedmanchisquare, rankdata
from torch import Tensor

import featuremaps as fm
from featuremaps.demo.world import scene
from featuremaps.evidence.agreement import kendall
from featuremaps.methods.registry import METHODS

ROOT = Path(__file__).resolve().parents[2]
METHODS_TRIED = ["noise", "upside_down", "saliency", "smooth_grad", "grad_cam", "input_x_gradient"]


@pytest.fixture(autouse=True)
def _methods() -> Iterator[None]:
    """Two methods that know nothing, and the opposite of the truth."""

    @fm.method(paper="none", level="pixel")
    def noise(inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Random numbers."""
        return torch.rand(inputs.shape, generator=generator)

    @fm.method(paper="none", level="pixel")
    def upside_down(inputs: Tensor, input_gradients: Tensor) -> Tensor:
        """Input × gradient with the wrong sign."""
        return -inputs * input_gradients

    yield
    METHODS.remove("noise")
    METHODS.remove("upside_down")


def usual_trial(world: World, methods: Sequence[str] = METHODS_TRIED, pictures: int = 4, seed: int = 0) -> fm.Trial:
    return world.scope.trial(world.pictures[:pictures], methods, list(world.layers), world.targets, seed=seed)


@pytest.mark.parametrize("world", [linear(11), planted(11)], ids=["linear", "planted"])
def test_the_exact_map_comes_first_and_its_opposite_last(world: World) -> None:
    trial = usual_trial(world)
    assert trial.best == ("input_x_gradient", "input")
    assert max(trial.explanations, key=lambda row: trial.rank(row).mean) == ("upside_down", "input")
    assert ("noise", "input") in [row for row in trial.explanations if trial.failed(row)]
    assert all(trial.beats(trial.best, ("random", "reference"), name) for name in trial.counted)


def test_guided_backprop_is_caught_on_a_trained_network() -> None:
    scenes = [scene("hammer", "photograph", False, seed=9_500_000 + i) for i in range(3)]
    trial = fm.load("demo-fixed").trial(
        [each.picture for each in scenes],
        ["guided_backprop", "layer_cam", "lrp"],
        "layer3",
        "hammer",
        measures="parameter_randomisation",
    )
    assert {row[0] for row in trial.explanations if trial.failed(row)} == {"guided_backprop"}
    assert trial.best[0] != "guided_backprop"


def test_the_order_repeats_over_seeds() -> None:
    world = planted(12)
    trials = [usual_trial(world, seed=seed) for seed in range(5)]
    ranks = np.array([[trial.rank(row).mean for row in trials[0].explanations] for trial in trials])
    first, second = (ranks[list(places)] for places in zip(*combinations(range(5), 2), strict=True))
    assert kendall(first, second).min() >= 0.8
    assert {trial.order[0] for trial in trials} == {("input_x_gradient", "input")}


def test_reliability_is_of_friedmans_test() -> None:
    """F = (m − 1)·χ² / (m·(k − 1) − χ²) for m pictures and k explanations (Iman and Davenport 1980)."""
    values = np.random.default_rng(0).normal(size=(6, 9)) + np.arange(6)[:, None] / 2
    statistic = friedmanchisquare(*values).statistic
    expected = 1 - (9 * 5 - statistic) / (8 * statistic)
    ranks = rankdata(values, axis=0).mean(1)
    world = Tried(tuple("abcdef"), {"gini": ranks}, {}, np.arange(6), (), pictures=9)
    assert reliability(world, "gini") == pytest.approx(expected)
    assert reliability(replace(world, ranks={"gini": np.full(6, 3.5) + 1e-9 * np.arange(6)}), "gini") == 0


def test_the_page_says_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "page.md")
    page.write_page(known_results())
    assert (tmp_path / "page.md").read_text() == (ROOT / "docs" / "evidence-truth.md").read_text()
