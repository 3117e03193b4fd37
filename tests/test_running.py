"""Every picture that enters a model is counted, as a hook on the model counts them."""

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.running import counting
from small_models import CALLS, network, pictures


class Hooked:
    """Counts the pictures that enter a model, by a hook; symbols that trace it are no pictures."""

    def __init__(self, model: nn.Module) -> None:
        self.pictures = 0
        model.register_forward_pre_hook(self._count)

    def _count(self, _module: nn.Module, args: tuple[object, ...]) -> None:
        self.pictures += len(args[0]) if isinstance(args[0], Tensor) and type(args[0]).__name__ != "FakeTensor" else 0


@pytest.mark.parametrize("name", CALLS)
def test_every_verb_counts_what_a_hook_counts(name: str) -> None:
    model = network()
    hooked = Hooked(model)
    with counting() as count:
        CALLS[name](fm.Scope(model), pictures())
    assert count.pictures == hooked.pictures > 0


def test_a_trial_counts_all_passes_of_its_methods_and_measures() -> None:
    model = network()
    hooked = Hooked(model)
    methods = ["grad_cam", "score_cam", "occlusion", "rise", "lrp", "integrated_gradients", "ablation_cam", "saliency"]
    measures = ("deletion", "sufficiency", "road", "infidelity", "max_sensitivity", "random_target", "single_deletion")
    few = {"rise": {"masks": 8}, "integrated_gradients": {"steps": 4}, "max_sensitivity": {"samples": 2}}
    trial = fm.Scope(model).trial(pictures(count=3), methods, measures=measures, batch_size=2, options=few)
    assert not trial.comparison.failures  # type: ignore[union-attr]
    assert trial.passes == hooked.pictures


def test_copies_with_random_weights_are_counted_too() -> None:
    trials = [
        fm.Scope(network()).trial(pictures(), "saliency", measures=measures)
        for measures in (("gini",), ("gini", "parameter_randomisation"))
    ]
    stages = 3  # of this model's modules with weights, in five parts at most
    assert trials[1].passes - trials[0].passes >= stages * 2


def test_counts_lie_within_one_another_and_end() -> None:
    model, scope = network(), fm.Scope(network())
    del model
    with counting() as outer:
        scope.predict(pictures())
        with counting() as inner:
            scope.predict(pictures())
    scope.predict(pictures())
    assert inner.pictures == 2
    assert outer.pictures >= 4


def test_what_enters_is_what_comes_out() -> None:
    from featuremaps.running import run

    with counting() as count:
        assert run(lambda a, b: (a, b), "text", torch.zeros(3, 1))[0] == "text"
    assert count.pictures == 3
