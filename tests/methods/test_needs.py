"""What formulas are given: every need by plain autograd on a small model, and only what was asked for is recorded."""

import pytest
import torch
from torch import Tensor

from featuremaps.errors import TargetError
from featuremaps.methods.needs import NEEDS, together
from featuremaps.methods.passes import Pass
from featuremaps.rules import Rectifiers
from featuremaps.runtime.recording import take
from featuremaps.session import preserved
from featuremaps.targets.targets import as_target
from method_samples import Curved, noise

LAYER, CLASS = "features.conv2", 2


def own_score(outputs: Tensor) -> Tensor:
    """A target that is no class."""
    return outputs[:, 1] - outputs[:, 2].square()


@pytest.fixture
def model() -> Curved:
    return Curved()


@pytest.fixture
def inputs() -> Tensor:
    return noise(2)


def supplied(model: Curved, inputs: Tensor, name: str, target: object = CLASS, use=lambda need: need):
    """What `use` makes of a need while the session lasts, and the pass it came from."""
    need = NEEDS[name]
    with preserved(model) as session:
        record = take(
            session,
            inputs,
            [LAYER, "features"],
            [as_target(target)],
            gradients=need.gradients,
            input_gradients=need.ways,
        )
        context = Pass(session, record, LAYER, ("features",))
        return use(need.supply(context)), context


def after(model: Curved, maps: Tensor) -> Tensor:
    """The class scores from the layer's maps on."""
    act, conv3 = model.features.act, model.features.conv3
    return model.head(torch.tanh(act(conv3(act(maps)))).pow(2).mean((2, 3)))


def maps_of(model: Curved, inputs: Tensor) -> Tensor:
    features = model.features
    return features.conv2(features.act(features.conv1(inputs)))


def test_maps_and_their_gradients(model: Curved, inputs: Tensor) -> None:
    maps = maps_of(model, inputs).detach().requires_grad_()
    (expected,) = torch.autograd.grad(after(model, maps)[:, CLASS].sum(), maps)
    torch.testing.assert_close(supplied(model, inputs, "activations")[0], maps.detach())
    torch.testing.assert_close(supplied(model, inputs, "gradients")[0], expected)
    (deeper,) = supplied(model, inputs, "deeper_activations")[0]
    torch.testing.assert_close(deeper, model.features(inputs).detach())
    top = model.features(inputs).detach().requires_grad_()
    (expected,) = torch.autograd.grad(model.head(torch.tanh(top).pow(2).mean((2, 3)))[:, CLASS].sum(), top)
    torch.testing.assert_close(supplied(model, inputs, "deeper_gradients")[0][0], expected)


def test_inputs_answers_and_the_target(model: Curved, inputs: Tensor) -> None:
    torch.testing.assert_close(supplied(model, inputs, "inputs")[0], inputs)
    torch.testing.assert_close(supplied(model, inputs, "logits")[0], model(inputs).detach())
    assert supplied(model, inputs, "target")[0].tolist() == [CLASS, CLASS]
    with pytest.raises(TargetError, match="compares classes, and the target"):
        supplied(model, inputs, "target", own_score)


def test_scores_of_new_inputs(model: Curved, inputs: Tensor) -> None:
    new = noise(6, seed=3)
    torch.testing.assert_close(
        supplied(model, inputs, "score", use=lambda score: score(new))[0], model(new)[:, CLASS].detach()
    )
    torch.testing.assert_close(
        supplied(model, inputs, "probability", use=lambda probability: probability(new))[0],
        model(new).softmax(1)[:, CLASS].detach(),
    )
    torch.testing.assert_close(
        supplied(model, inputs, "probability", own_score, lambda probability: probability(new))[0],
        own_score(model(new)).detach(),
    )


def test_the_tail(model: Curved, inputs: Tensor) -> None:
    maps = maps_of(model, inputs).detach()
    edited = torch.cat([maps, 2 * maps]).reshape(2, 2, *maps.shape[1:]).transpose(0, 1).flatten(0, 1)
    expected = after(model, edited).detach()
    scores = supplied(model, inputs, "tail", use=lambda tail: tail(edited).detach())[0]
    torch.testing.assert_close(scores, expected[:, CLASS])
    logits = supplied(model, inputs, "tail_logits", use=lambda tail: tail(edited).detach())[0]
    torch.testing.assert_close(logits, expected)
    without = supplied(model, inputs, "tail_without", use=lambda tail: tail(torch.tensor([0, 5])))[0]
    for column, channel in enumerate((0, 5)):
        silenced = maps.clone()
        silenced[:, channel] = 0
        torch.testing.assert_close(without[:, column], after(model, silenced)[:, CLASS].detach())


def test_the_tail_can_be_differentiated(model: Curved, inputs: Tensor) -> None:
    maps = maps_of(model, inputs).detach().requires_grad_()
    (expected,) = torch.autograd.grad(after(model, maps)[:, CLASS].sum(), maps)
    (found,), _ = supplied(model, inputs, "tail", use=lambda tail: torch.autograd.grad(tail(maps).sum(), maps))
    torch.testing.assert_close(found, expected)


def test_observing_new_inputs(model: Curved, inputs: Tensor) -> None:
    new = noise(2, seed=5)
    (activations, gradients), _ = supplied(model, inputs, "observe", use=lambda observe: observe(new))
    maps = maps_of(model, new).detach().requires_grad_()
    (expected,) = torch.autograd.grad(after(model, maps)[:, CLASS].sum(), maps)
    torch.testing.assert_close(activations, maps.detach())
    torch.testing.assert_close(gradients, expected)


@pytest.mark.parametrize("name", ["input_gradients", "gradients_at", "propagate"])
def test_gradients_at_the_picture(model: Curved, inputs: Tensor, name: str) -> None:
    leaf = inputs.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(leaf)[:, CLASS].sum(), leaf)
    use = {
        "input_gradients": lambda gradients: gradients,
        "gradients_at": lambda gradient: gradient(inputs),
        "propagate": lambda send_back: send_back(Rectifiers()),
    }[name]
    torch.testing.assert_close(supplied(model, inputs, name, use=use)[0], expected)


def test_remarks_and_chance(model: Curved, inputs: Tensor) -> None:
    _, context = supplied(model, inputs, "remark", use=lambda remark: remark("error", torch.tensor([1.0, 2.0])))
    assert context.remarks["error"].tolist() == [1.0, 2.0]
    first, second = (torch.rand(3, generator=supplied(model, inputs, "generator")[0]) for _ in range(2))
    assert torch.equal(first, second)


def test_the_union_asks_for_no_more_than_its_parts() -> None:
    nothing = together(["activations", "inputs"])
    assert (nothing.gradients, nothing.target, nothing.deeper, nothing.ways) == (False, False, False, ())
    both = together(["gradients", "guided_input_gradients"])
    assert (both.gradients, both.target, both.ways) == (True, True, ("guided",))
    assert together(["deeper_gradients"]).deeper


def test_every_need_says_what_it_is() -> None:
    for name, need in NEEDS.items():
        assert need.name == name
        assert len(need.doc) > 20, name
