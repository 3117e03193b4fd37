"""What is sent back to the inputs: autograd's own gradient where the rule is the gradient, and the definitions else."""

import pytest
import torch
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.rules import Rectifiers, Rule
from featuremaps.runtime.backward import run_by, send_back_unit
from featuremaps.runtime.recording import take
from featuremaps.session import preserved
from featuremaps.targets.targets import as_target
from method_samples import Little, noise


def sent_back(model: Little, inputs: Tensor, rule: Rule) -> Tensor:
    with preserved(model) as session:
        record = take(session, inputs, (), [as_target(2)], gradients=False)
        return run_by(session, inputs, rule).sent_back(record.targets[0])


@pytest.mark.parametrize("relu", ["module", "functional", "inplace"])
def test_the_gradient_rule_gives_autograds_gradient(relu: str) -> None:
    model, inputs = Little(relu), noise(2)
    leaf = inputs.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(leaf)[:, 2].sum(), leaf)
    torch.testing.assert_close(sent_back(model, inputs, Rectifiers()), expected)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_without_a_graph_around_it_too() -> None:
    model, inputs = Little(), noise(1)
    expected = sent_back(model, inputs, Rectifiers())
    with torch.no_grad():
        assert torch.equal(sent_back(model, inputs, Rectifiers()), expected)


def test_a_score_that_depends_on_nothing_is_said() -> None:
    class Constant(Little):
        def forward(self, x: Tensor) -> Tensor:
            return torch.ones(len(x), 4)

    with pytest.raises(TargetError, match="gradient"):
        sent_back(Constant(), noise(1), Rectifiers())


@pytest.mark.parametrize("relu", ["functional", "inplace"])
@pytest.mark.parametrize("way", ["gradient", "guided", "deconvnet"])
def test_a_unit_is_sent_back_from_its_highest_place(relu: str, way: str) -> None:
    """By autograd, with the rectifiers' rule written out as functions of their inputs and what arrives."""

    class Rectify(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clamp_min(0)

        @staticmethod
        def backward(ctx, arriving):
            (x,) = ctx.saved_tensors
            passed = arriving * (x > 0) if way != "deconvnet" else arriving
            return passed if way == "gradient" else passed.clamp_min(0)

    model, inputs, channel = Little(relu).double(), noise(3).double(), 4
    with preserved(model) as session:
        values, places, signals = send_back_unit(session, inputs, "features", channel, way)
    leaf, features = inputs.clone().requires_grad_(), model.features
    maps = leaf
    for convolution in (features.conv1, features.conv2, features.conv3):
        maps = Rectify.apply(convolution(maps))
    for row in range(3):
        of_channel = maps[row, channel]
        place = int(of_channel.argmax())
        assert tuple(places[row].tolist()) == divmod(place, of_channel.shape[1])
        assert float(values[row]) == pytest.approx(float(of_channel.detach().max()), rel=1e-6)
        (expected,) = torch.autograd.grad(of_channel.flatten()[place] ** 2 / 2, leaf, retain_graph=True)
        torch.testing.assert_close(signals[row].double(), expected[row], rtol=1e-5, atol=1e-6)
