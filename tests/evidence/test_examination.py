"""A user's own measures and methods in a trial: what goes wrong in one is said, and touches no other."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import featuremaps as fm
from featuremaps.errors import OptionError, WrittenError
from featuremaps.evidence.measured import Measured
from featuremaps.evidence.registry import MEASURES
from featuremaps.methods.registry import METHODS
from method_samples import unchecked
from small_models import network, pictures

SALIENCY = ("saliency", "input")


@pytest.fixture
def mine() -> Iterator[Callable[[Callable[..., Any]], str]]:
    """Registers a function as the measure `mine`, or where it names no heatmap, as the method."""

    def add(function: Callable[..., Any]) -> str:
        function.__name__, function.__doc__ = "mine", "Mine."
        if "heatmap" in function.__code__.co_varnames:
            fm.measure(paper="p", better="higher", unit="u", family="faithfulness")(function)
        else:
            fm.method(paper="p")(function)
        return "mine"

    yield add
    for register in (MEASURES, METHODS):
        if "mine" in register:
            register.remove("mine")


def tried(x: Tensor | None = None, methods: object = "saliency", **how: Any) -> fm.Trial:
    how = {"measures": ("mine", "gini")} | how
    return fm.Scope(network()).trial(pictures() if x is None else x, methods, "body", **how)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (lambda heatmap: heatmap.nowhere, "AttributeError: 'Tensor' object has no attribute 'nowhere'"),
        (lambda heatmap: Measured(torch.full((2,), torch.inf)), "the measure gave a number that is not finite"),
        (lambda heatmap: Measured(torch.zeros(1)), "must give a Measured of 2 numbers; it gave 1 numbers"),
        (lambda heatmap: heatmap.flatten(1).sum(1), "must give a Measured of 2 numbers; it gave a Tensor"),
        (lambda heatmap: None, "must give a Measured of 2 numbers; it gave a NoneType"),
        (lambda heatmap: Measured(torch.zeros(2), ("why", "why")), "why"),
    ],
)
def test_a_measure_that_gives_no_numbers_is_undefined_with_the_reason(
    said: Callable[..., Any], why: str, mine: Callable[..., str]
) -> None:
    mine(said)
    trial = tried()
    estimate = trial.estimate(SALIENCY, "mine")
    assert estimate.of == 0
    assert why in estimate.why
    assert trial.estimate(SALIENCY, "gini").of == 2


def test_who_writes_to_what_all_are_given_is_stopped(mine: Callable[..., str]) -> None:
    mine(lambda heatmap: Measured(heatmap.mul_(0).flatten(1).sum(1)))
    with pytest.raises(WrittenError, match=r"measure 'mine' wrote to its 'heatmap' in place.*heatmap\.clone\(\)"):
        tried()
    MEASURES.remove("mine")
    method = mine(lambda activations: activations.mul_(0).sum(1))
    with pytest.raises(WrittenError, match="method 'mine' wrote to its 'activations' in place"):
        tried(methods=[method, "eigen_cam"], measures="gini")


def test_a_method_that_fails_later_says_so(mine: Callable[..., str]) -> None:
    calls = []

    def once(activations: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("only once")
        return activations.sum(1)

    trial = tried(methods=[mine(once), "saliency"], measures=("gini", "flip_agreement"))
    assert trial.estimate(("mine", "body"), "gini").of == 2
    assert "no map was made anew: RuntimeError: only once" in trial.estimate(("mine", "body"), "flip_agreement").why
    assert trial.estimate(SALIENCY, "flip_agreement").of == 2


@pytest.mark.parametrize(
    ("measure", "options", "message"),
    [
        ("deletion", {"steps": 0}, "option 'steps' is .*; got 0"),
        ("sufficiency", {"shares": 0.5}, "'shares' of measure 'sufficiency' must be several values of type float"),
        ("sufficiency", {"shares": (float("nan"),)}, "'shares' has nan"),
        ("infidelity", {"deviation": 0}, "above 0; got 0"),
        ("max_sensitivity", {"radius": 0}, "above 0; got 0"),
        ("max_sensitivity", {"radius": float("inf")}, "above 0; got inf"),
        ("pointing_game", {"tolerance": float("inf")}, "0 or more; got inf"),
        ("deletion", 3, "the options of measure 'deletion' are a dict"),
    ],
)
def test_options_that_cannot_be_end_the_trial(measure: str, options: object, message: str) -> None:
    with unchecked(), pytest.raises(OptionError, match=message):
        tried(measures=measure, options={measure: options}, masks=[torch.eye(16) > 0] * 2)


def test_shares_may_be_a_text_as_on_the_command_line() -> None:
    trials = [tried(measures="sufficiency", options={"sufficiency": {"shares": s}}) for s in ("0.1,0.5", [0.1, 0.5])]
    np.testing.assert_array_equal(trials[0].values, trials[1].values)


def test_a_mean_curve_leaves_out_pictures_that_have_none() -> None:
    x = pictures(count=3)
    x[1] = 0
    both, alone = (tried(x[rows], measures="deletion") for rows in ([0, 1, 2], [0, 2]))
    for key, points in alone.curves.items():
        if not key[0][0].startswith("random"):  # which differ from place to place in the list
            np.testing.assert_allclose(both.curves[key], points, atol=1e-5)


def test_only_the_points_that_were_asked_for_are_on_a_curve() -> None:
    points = tried(measures="sufficiency").curves[SALIENCY, "least", "zero"]
    assert np.flatnonzero(np.isfinite(points)).tolist() == [0, 10, 16, 18, 19]
