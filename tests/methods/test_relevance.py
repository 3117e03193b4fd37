import copy
import itertools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from zennit.canonizers import AttributeCanonizer, CompositeCanonizer, SequentialMergeBatchNorm
from zennit.composites import EpsilonAlpha2Beta1, EpsilonGammaBox, EpsilonPlus, EpsilonPlusFlat
from zennit.layer import Sum

import featuremaps as fm
from featuremaps.demo.small_resnet import Block
from featuremaps.errors import OptionError
from featuremaps.methods import find_method
from featuremaps.methods.relevance import excitation_backprop, lrp
from featuremaps.rules.composites import COMPOSITES
from featuremaps.running import counting
from method_samples import Little, cifar_model, noise, photographs, small_photographs, squeezenet
from relevance_samples import Spelt, bias_free, gradient, propagator, randomised, vgg

ALL = tuple(COMPOSITES)
IN_ZENNIT = ("epsilon_plus", "epsilon_plus_flat", "epsilon_alpha2_beta1", "epsilon_gamma_box")


class Residual(AttributeCanonizer):
    """Writes the sum of the demo network's block as a module, which is what zennit can act on."""

    def __init__(self) -> None:
        super().__init__(self._map)

    @classmethod
    def _map(cls, name: str, module: nn.Module) -> dict | None:
        if not isinstance(module, Block):
            return None
        return {"forward": cls._forward.__get__(module), "sum": Sum()}

    @staticmethod
    def _forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(self.sum(torch.stack([self.downsample(x), out], dim=-1)))


def zennit(model: nn.Module, pictures: Tensor, target: int, name: str, box: tuple[Tensor, Tensor]) -> Tensor:
    merge = [CompositeCanonizer([SequentialMergeBatchNorm(), Residual()])]
    low, high = (bound[:, None, None].expand_as(pictures) for bound in box)
    composite = {
        "epsilon_plus": lambda: EpsilonPlus(canonizers=merge),
        "epsilon_plus_flat": lambda: EpsilonPlusFlat(canonizers=merge),
        "epsilon_alpha2_beta1": lambda: EpsilonAlpha2Beta1(canonizers=merge),
        "epsilon_gamma_box": lambda: EpsilonGammaBox(low, high, canonizers=merge),
    }[name]()
    x = pictures.clone().requires_grad_()
    with composite.context(copy.deepcopy(model)) as prepared:
        score = prepared(x)[:, target]
        return torch.autograd.grad(score, x, score.detach())[0]


def box_of(pictures: Tensor) -> tuple[Tensor, Tensor]:
    return pictures.amin((0, 2, 3)), pictures.amax((0, 2, 3))


def distance(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def summed(relevance: Tensor) -> Tensor:
    return relevance.sum((1, 2, 3))


@pytest.mark.parametrize("composite", IN_ZENNIT)
def test_lrp_is_zennits_on_a_small_vgg(composite: str) -> None:
    model, pictures = randomised(vgg()).double(), noise().double()
    low, high = box = box_of(pictures)
    found = lrp(propagator(model, pictures, 1), composite=composite, low=low, high=high)
    assert distance(found, zennit(model, pictures, 1, composite, box)) < 1e-4


@pytest.mark.parametrize("composite", IN_ZENNIT)
def test_lrp_is_zennits_on_the_real_squeezenet(shared: Path, composite: str) -> None:
    model, pictures = squeezenet(shared), photographs(shared, (280,))
    low, high = box = box_of(pictures)
    found = lrp(propagator(model, pictures, 282), composite=composite, low=low, high=high)
    assert distance(found, zennit(model, pictures, 282, composite, box)) < 1e-4


@pytest.mark.parametrize("composite", IN_ZENNIT)
def test_lrp_is_zennits_on_the_residual_demo_network(composite: str) -> None:
    model = copy.deepcopy(fm.load("demo").model).eval()
    pictures = noise(1, (128, 128))
    low, high = box = box_of(pictures)
    target = int(model(pictures).argmax())
    found = lrp(propagator(model, pictures, target), composite=composite, low=low, high=high)
    assert distance(found, zennit(model, pictures, target, composite, box)) < 1e-3


def test_with_the_epsilon_rule_real_models_agree_with_input_times_gradient(shared: Path) -> None:
    """Ancona et al. 2018, proposition 3.1, through batch norms, functional ReLUs, padded shortcuts and pooling."""
    models = [
        (squeezenet(shared, torch.float64), photographs(shared, (280,)).double(), 282),
        (cifar_model(shared).double(), small_photographs(shared).double(), 3),
    ]
    for model, pictures, target in models:
        found = lrp(propagator(model, pictures, target), composite="epsilon", epsilon=1e-12)
        assert distance(found, pictures * gradient(model, pictures, target)) < 1e-4


@pytest.mark.parametrize("composite", ALL)
def test_the_score_is_conserved_without_biases(composite: str) -> None:
    """α = 2, β = 1 gives too much where an output has no negative contribution to take the −1 from."""
    bound = 0.1 if composite == "epsilon_alpha2_beta1" else 2e-3
    for model in (bias_free(Little()), bias_free(randomised(vgg())), bias_free(Spelt("functional"))):
        pictures = noise()
        target = int(model(pictures).amin(0).argmax())
        scores = model(pictures)[:, target].detach()
        found = summed(lrp(propagator(model, pictures, target), composite=composite))
        assert ((found - scores).abs() / scores.abs()).max() < bound


@pytest.mark.parametrize("composite", ALL)
def test_the_score_is_conserved_on_the_weights_of_real_models(shared: Path, composite: str) -> None:
    bound = 0.05 if composite == "epsilon_alpha2_beta1" else 2e-3
    real = [
        (squeezenet(shared), photographs(shared, (280,)), 282),
        (cifar_model(shared), small_photographs(shared), 8),
    ]
    for model, pictures, target in real:
        model = bias_free(model)
        scores = model(pictures)[:, target].detach()
        found = summed(lrp(propagator(model, pictures, target), composite=composite))
        assert ((found - scores).abs() / scores.abs()).max() < bound


def test_the_biases_of_real_models_take_their_share(shared: Path) -> None:
    """Measured: 98.7% of SqueezeNet's score reaches the pixels. Batch norm's offsets take more of ResNet-20's."""
    model, pictures = squeezenet(shared), photographs(shared, (280,))
    score = model(pictures)[0, 282].item()
    assert 0.98 < summed(lrp(propagator(model, pictures, 282))).item() / score < 0.99
    model, pictures = cifar_model(shared), small_photographs(shared)
    cat = model(pictures)[0, 3].item()
    assert 0.2 < summed(lrp(propagator(model, pictures, 3)))[0].item() / cat < 0.3


def test_an_epsilon_of_zero_is_the_plain_rule() -> None:
    model, pictures = randomised(vgg()).double(), noise().double()
    found = lrp(propagator(model, pictures, 1), composite="epsilon", epsilon=0.0)
    assert distance(found, pictures * gradient(model, pictures, 1)) < 1e-4


@pytest.mark.parametrize("composite", ALL)
def test_a_batch_is_as_one_by_one(composite: str) -> None:
    model, pictures = randomised(vgg()).double(), noise(3).double()
    together = lrp(propagator(model, pictures, 2), composite=composite)
    apart = [lrp(propagator(model, one[None], 2), composite=composite) for one in pictures]
    torch.testing.assert_close(together, torch.cat(apart))


def test_a_flipped_picture_gives_flipped_relevance() -> None:
    model = randomised(nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    mirrored = copy.deepcopy(model)
    mirrored[0].weight.data = model[0].weight.data.flip(-1)
    found = lrp(propagator(mirrored, noise().flip(-1), 1)).flip(-1)
    torch.testing.assert_close(found, lrp(propagator(model, noise(), 1)))


def test_the_box_defaults_to_each_pictures_own_values() -> None:
    model, pictures = randomised(vgg()), noise(1)
    low, high = box_of(pictures)
    given = lrp(propagator(model, pictures, 1), low=low, high=high)
    torch.testing.assert_close(given, lrp(propagator(model, pictures, 1)))
    wider = lrp(propagator(model, pictures, 1), low=-5.0, high=5.0)
    assert distance(wider, given) > 1e-2
    torch.testing.assert_close(wider, lrp(propagator(model, pictures, 1), low="-5", high=5))
    torch.testing.assert_close(
        given, lrp(propagator(model, pictures, 1), low=low.tolist(), high=", ".join(map(repr, high.tolist())))
    )


def test_options_say_what_they_take() -> None:
    nothing = propagator(Little(), noise(), 0)
    with pytest.raises(OptionError, match=r"option 'gamma' of lrp is zero or more; got -1.0\."):
        lrp(nothing, gamma=-1.0)
    with pytest.raises(OptionError, match=r"option 'epsilon' of lrp is zero or more; got nan\."):
        lrp(nothing, epsilon=float("nan"))
    with pytest.raises(OptionError, match=r"option 'low' of lrp is a number, or one number a colour; got 'dark'\."):
        lrp(nothing, low="dark")
    with pytest.raises(OptionError, match="option 'composite' of method 'lrp' must be 'epsilon_gamma_box' or"):
        find_method("lrp").checked({"composite": "best"})


def test_both_are_registered_for_pixels() -> None:
    for name in ("lrp", "excitation_backprop"):
        assert find_method(name).level == "pixel"


def dense(sizes: tuple[int, ...], seed: int = 0) -> nn.Sequential:
    layers = [layer for a, b in itertools.pairwise(sizes) for layer in (nn.Linear(a, b), nn.ReLU())]
    return randomised(nn.Sequential(nn.Flatten(), *layers[:-1]), seed).double()


def winners(model: nn.Sequential, picture: Tensor, target: int, sign: int = 1) -> Tensor:
    """Zhang et al. 2018, eq. 8, a child and a parent at a time; `sign` is that of the last layer's weights."""
    layers = [module for module in model if isinstance(module, nn.Linear)]
    seen = [picture.flatten() - picture.min()]
    value = picture.flatten()
    for layer in layers[:-1]:
        value = layer(value).relu()
        seen.append(value)
    probability = torch.eye(layers[-1].out_features, dtype=torch.float64)[target].tolist()
    for index in reversed(range(len(layers))):
        weight = (layers[index].weight * (sign if index == len(layers) - 1 else 1)).tolist()
        responses, below = seen[index].tolist(), [0.0] * len(seen[index])
        for parent, arriving in enumerate(probability):
            total = sum(r * w for r, w in zip(responses, weight[parent], strict=True) if w > 0)
            for child, response in enumerate(responses):
                if weight[parent][child] > 0 and total > 0:
                    below[child] += response * weight[parent][child] / total * arriving
        probability = below
    return torch.tensor(probability, dtype=torch.float64)


def test_excitation_backprop_is_the_papers_winning_probability() -> None:
    model, pictures = dense((12, 7, 6, 3)), noise(2, (2, 2)).double()
    found = excitation_backprop(propagator(model, pictures, 1))
    contrast = excitation_backprop(propagator(model, pictures, 1), contrastive=True)
    for index, picture in enumerate(pictures):
        expected = winners(model, picture, 1)
        torch.testing.assert_close(found[index].flatten(), expected, rtol=1e-6, atol=1e-9)
        opposite = winners(model, picture, 1, sign=-1)
        torch.testing.assert_close(contrast[index].flatten(), expected - opposite, rtol=1e-6, atol=1e-9)


def test_winning_probabilities_add_up_to_one(shared: Path) -> None:
    for model, pictures, target in (
        (squeezenet(shared), photographs(shared), 282),
        (cifar_model(shared), small_photographs(shared), 3),
    ):
        found = excitation_backprop(propagator(model, pictures, target))
        assert found.min() >= 0
        torch.testing.assert_close(summed(found), torch.ones(len(pictures)), rtol=2e-3, atol=0)


def test_the_contrast_of_opposite_classes_is_opposite() -> None:
    model, pictures = randomised(vgg()), noise()
    with torch.no_grad():
        model[-1].weight[1] = -model[-1].weight[0]
    one, other = (excitation_backprop(propagator(model, pictures, target), contrastive=True) for target in (0, 1))
    torch.testing.assert_close(one, -other)
    torch.testing.assert_close(summed(one), torch.zeros(2), rtol=0, atol=1e-3)
    assert one.min() < 0 < one.max()


@pytest.mark.parametrize("spelling", ["functional", "inplace"])
def test_relevance_does_not_touch_the_model(spelling: str) -> None:
    model = Spelt(spelling)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    lrp(propagator(model, noise(), 0))
    excitation_backprop(propagator(model, noise(), 0), contrastive=True)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("targets", [[None], [0, 1]])
def test_one_forward_pass_serves_the_record_and_the_first_target(targets: list[object]) -> None:
    model = randomised(vgg())
    scope = fm.Scope(model)
    scope.compare(noise(), "lrp", targets=targets)  # layers and outputs are looked at once
    with counting() as count:
        found = scope.compare(noise(), "lrp", targets=targets)
    assert count.pictures == len(targets) * len(noise())
    both = scope.compare(noise(), ["lrp", "excitation_backprop"], targets=targets)  # from a record of its own
    for target in targets:
        alone, other = found["lrp", "input", target], both["lrp", "input", target]
        torch.testing.assert_close(alone.tensor, other.tensor, rtol=1e-5, atol=1e-6)
        assert (alone.targets, alone.remarks.keys()) == (other.targets, other.remarks.keys())
        assert alone.answers[0].score == pytest.approx(other.answers[0].score, rel=1e-5)
