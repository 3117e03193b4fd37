"""The random label check in a trial: with a model trained on shuffled labels, or with what trains it."""

from pathlib import Path

import pytest
import torch
from torch import nn

import featuremaps as fm
from featuremaps.errors import OptionError
from small_models import network, pictures

ROW = ("saliency", "input")


def shuffled(model: nn.Module, seed: int = 3) -> nn.Module:
    """Stands for training: other weights."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random))
    return model


def tried(given: object = None, **how: object) -> fm.Trial:
    return fm.Scope(network()).trial(
        pictures(),
        "saliency",
        "body",
        measures=("random_labels", "gini"),
        random_label_model=given,
        **how,  # type: ignore[arg-type]
    )


def test_a_function_is_given_a_copy_and_its_model_is_held_beside() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given = []

    def train(copy: nn.Module) -> nn.Module:
        given.append(copy)
        return shuffled(copy)

    trial = fm.Scope(model).trial(pictures(), "saliency", "body", measures="random_labels", random_label_model=train)
    assert len(given) == 1
    assert given[0] is not model
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    by_model = tried(shuffled(network()))
    assert trial.estimate(ROW, "random_labels").mean == by_model.estimate(ROW, "random_labels").mean < 0.9


def test_the_same_model_fails_the_check() -> None:
    trial = tried(lambda model: model)
    assert trial.estimate(ROW, "random_labels").mean == pytest.approx(1)
    assert trial.failed(ROW) == ("random_labels",)
    assert trial.conclusion[0] == (
        "On 2 pictures every explanation fails a sanity check: believe none of them before you know why."
    )


def test_it_is_asked_for_only_where_a_measure_needs_it() -> None:
    def never(model: nn.Module) -> nn.Module:
        raise AssertionError

    fm.Scope(network()).trial(pictures(), "saliency", "body", measures="gini", random_label_model=never)
    assert tried().estimate(ROW, "random_labels").why.startswith("no model trained on shuffled labels was given")


def test_another_model_is_another_trial(tmp_path: Path) -> None:
    tried(shuffled(network()), out=tmp_path)
    tried(shuffled(network()), out=tmp_path)
    with pytest.raises(OptionError, match="in random label model"):
        tried(shuffled(network(), seed=4), out=tmp_path)
    with pytest.raises(OptionError, match="in random label model"):
        tried(out=tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("model.pt", "random_label_model is a model .* or a function .*; got 'model.pt'"),
        (lambda model: None, "the function gave None"),
        (nn.Linear(2, 2), "random_label_model has another architecture: '.*' has shape"),
    ],
)
def test_what_is_no_such_model_is_said_before_anything_runs(given: object, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        tried(given)


def test_the_model_comes_back_as_it_was() -> None:
    model = shuffled(network()).train()
    flags = [(parameter.requires_grad, parameter.grad) for parameter in model.parameters()]
    tried(model)
    assert model.training
    for parameter, (requires_grad, grad) in zip(model.parameters(), flags, strict=True):
        assert parameter.requires_grad == requires_grad
        assert parameter.grad is grad
    assert not any(module._forward_hooks for module in model.modules())
