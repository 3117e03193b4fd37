"""The model comes back as it was: every method × everything that can go wrong × evaluation and training mode."""

import gc
import random
import weakref
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsError, ModelError, TargetError
from featuremaps.methods.needs import NEEDS
from featuremaps.rules import Rectifiers
from featuremaps.session import listening, preserved, random_state, unwrapped
from snapshots import snapshot

BOOM = "boom in the model"

ATTENDING = {name for name, method in fm.METHODS.items() if "attentions" in method.needs}


class Trap(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        return x.clone()

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def]
        raise RuntimeError(BOOM)


class Fragile(nn.Module):
    """A small network with batch norm, dropout and a counter, that fails on demand."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(inplace=True))
        self.body = nn.Sequential(nn.Conv2d(6, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(0.5))
        self.head = nn.Linear(8, 4)
        self.register_buffer("runs", torch.zeros(()))
        self.failure: str | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        x = self.body(self.stem(x))
        if self.failure == "forward":
            raise RuntimeError(BOOM)
        if self.failure == "interrupt":
            raise KeyboardInterrupt
        if self.failure == "backward":
            x = Trap.apply(x)
        return self.head(x.mean((2, 3)))


def fragile(training: bool, failure: str | None = None) -> Fragile:
    model = Fragile()
    with torch.no_grad():
        for parameter in model.head.parameters():
            parameter.abs_()
    model.train(training)
    model.stem[1].eval()  # a frozen batch norm inside a training model: each flag must come back on its own
    model.stem[0].weight.requires_grad_(False)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    model.failure = failure
    return model


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("case", ["normal", "bad target", "forward", "backward", "interrupt"])
@pytest.mark.parametrize("method", sorted(set(fm.METHODS) - ATTENDING - {"d_rise"}))  # which is for detectors
def test_model_comes_back(method: str, case: str, training: bool) -> None:
    model = fragile(training, case if case in ("forward", "backward", "interrupt") else None)
    inputs = torch.rand(2, 3, 16, 16)
    before = snapshot(model, inputs)
    outcome: object = None
    try:
        # cam needs the layer before the pooling, the others may take any
        layer = "body" if method == "cam" else "stem"
        fm.Scope(model).explain(inputs, method, layer=layer, target=99 if case == "bad target" else 1)
    except (RuntimeError, KeyboardInterrupt, FeatureMapsError) as error:
        outcome = error
    assert before.differences(snapshot(model, inputs)) == []
    backward = {"gradients", "observe", "gradients_at", "propagate"}
    needs_gradient = bool(backward & set(fm.METHODS[method].needs)) or any(
        NEEDS[name].ways for name in fm.METHODS[method].needs
    )
    differentiates = needs_gradient or method in ("shapley_cam", "finer_cam")
    class_free = method in ("eigen_cam", "kpca_cam", "fem", "random_cam")
    if case == "normal" or (class_free and case in ("bad target", "forward", "interrupt")):
        assert outcome is None or class_free
    elif case == "bad target":
        assert isinstance(outcome, TargetError)
    elif case == "forward":
        assert isinstance(outcome, RuntimeError)
        assert BOOM in str(outcome)
    elif case == "interrupt":
        assert isinstance(outcome, KeyboardInterrupt)
    else:
        assert (outcome is not None) == differentiates


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("failure", [None, KeyboardInterrupt, RuntimeError])
@pytest.mark.parametrize("method", [*sorted(ATTENDING), "attention maps"])
def test_a_vision_transformer_comes_back(method: str, failure: type[BaseException] | None, training: bool) -> None:
    model = torchvision.models.VisionTransformer(16, 8, 2, 2, 8, 16, dropout=0.1, num_classes=3).train(training)
    inputs = torch.rand(2, 3, 16, 16)

    def fail(*_: object) -> None:
        if failure is not None:
            raise failure

    handle = model.encoder.layers[1].register_forward_hook(fail)
    before = snapshot(model, inputs)
    with pytest.raises(failure) if failure else nullcontext():
        scope = fm.Scope(model)
        scope.explain(inputs, method, target=1) if method in ATTENDING else scope.attention(inputs)
    assert before.differences(snapshot(model, inputs)) == []
    handle.remove()


def test_interrupt_inside_a_nested_pass_restores_everything() -> None:
    model = fragile(True)
    inputs = torch.rand(1, 3, 16, 16)
    calls = 0

    def stop(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise KeyboardInterrupt

    handle = model.body.register_forward_hook(stop)
    before = snapshot(model, inputs)
    with pytest.raises(KeyboardInterrupt):
        fm.Scope(model).explain(inputs, "score_cam", layer="stem", chunk=1)
    assert before.differences(snapshot(model, inputs)) == []
    handle.remove()


def test_random_state_is_restored() -> None:
    model = fragile(False)

    def seeded() -> None:
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)

    def drawn(interrupted: bool = False) -> tuple[object, ...]:
        numbers = torch.rand(3).tolist(), random.random(), np.random.rand()
        if interrupted:
            raise KeyboardInterrupt
        return numbers

    seeded()
    expected = drawn()
    for surroundings in (partial(preserved, model), random_state):
        seeded()
        with surroundings():
            drawn()
        assert drawn() == expected
        seeded()
        with pytest.raises(KeyboardInterrupt), surroundings():
            drawn(interrupted=True)
        assert drawn() == expected


def test_works_inside_no_grad_and_inference_mode_and_leaves_them() -> None:
    expected = fm.Scope(fragile(False)).explain(torch.ones(1, 3, 16, 16), layer="stem", target=1).tensor
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            inputs = torch.ones(1, 3, 16, 16)
            model = fragile_without_grads()
            heat = fm.Scope(model).explain(inputs, layer="stem", target=1)
            assert not torch.is_grad_enabled()
            assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
        torch.testing.assert_close(heat.tensor, expected)


def fragile_without_grads() -> Fragile:
    model = fragile(False)
    model.head.weight.grad = None
    return model


def test_frozen_parameters() -> None:
    model = fragile(False).requires_grad_(False)
    heat = fm.Scope(model).explain(torch.ones(1, 3, 16, 16), layer="stem", target=1)
    assert bool(heat.tensor.any())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_hooks_of_the_user_stay_and_see_every_forward() -> None:
    model = fragile(False)
    seen: list[int] = []
    handle = model.stem.register_forward_hook(lambda *_: seen.append(1))
    scope = fm.Scope(model)
    scope.layers(torch.ones(1, 3, 16, 16))
    seen.clear()
    scope.explain(torch.ones(1, 3, 16, 16), layer="body", target=0)
    assert seen == [1]
    handle.remove()
    assert len(model.stem._forward_hooks) == 0


def test_a_parameter_written_in_forward_is_an_error() -> None:
    class Writer(Fragile):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                self.head.bias += 1
            return super().forward(x)

    with pytest.raises(ModelError, match=r"wrote to its own parameter head\.bias"):
        fm.Scope(Writer()).explain(torch.ones(1, 3, 16, 16), layer="stem")


def test_no_growth_over_many_calls() -> None:
    model = fragile(False)
    scope = fm.Scope(model)
    inputs = torch.rand(1, 3, 16, 16)

    def alive() -> int:
        gc.collect()
        return sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())

    for _ in range(3):
        scope.compare(inputs, ["grad_cam", "ablation_cam", "score_cam", "eigen_cam"], "stem", [0, 1])
    before, hooks = alive(), snapshot(model, inputs).hooks
    for _ in range(5):
        scope.compare(inputs, ["grad_cam", "ablation_cam", "score_cam", "eigen_cam"], "stem", [0, 1])
    assert alive() <= before
    assert snapshot(model, inputs).hooks == hooks


def test_results_hold_no_graph_and_the_model_can_be_freed() -> None:
    model = fragile(False)
    record = fm.Scope(model).record(torch.rand(1, 3, 16, 16), "stem")
    heat = fm.Scope(model).explain(torch.rand(1, 3, 16, 16), layer="stem")
    assert not any(t.requires_grad for t in (*record.activations.values(), *record.gradients.values(), heat.tensor))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_unwrapped() -> None:
    model = fragile(False)
    assert unwrapped(nn.DataParallel(model)) is model
    assert unwrapped(torch.compile(model)) is model
    assert unwrapped(torch.compile(nn.DataParallel(model))) is model
    assert fm.Scope(nn.DataParallel(model)).model is model


def test_an_interrupt_in_which_torch_lost_the_mode_is_still_the_interrupt() -> None:
    """As one that falls into a handler, which takes the mode off for as long as it runs."""

    def interrupted() -> None:
        with listening(Rectifiers()):
            torch._C._pop_torch_function_stack()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert torch._C._len_torch_function_stack() == 0
