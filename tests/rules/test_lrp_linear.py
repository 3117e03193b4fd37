import copy

import pytest
import torch
from torch import Tensor, nn

from featuremaps.rules import lrp_linear
from featuremaps.rules.affine import affine_of
from featuremaps.rules.composites import highest, lowest
from relevance_samples import LAYERS, operations

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")
LOW, HIGH = -1.5, 2.5
RULES = {
    "epsilon": lrp_linear.epsilon_rule(0.25),
    "gamma": lrp_linear.gamma_rule(0.4),
    "z_plus": lrp_linear.z_plus_rule(),
    "alpha2_beta1": lrp_linear.alpha_beta_rule(2.0, 1.0),
    "z_box": lrp_linear.z_box_rule(lambda x: torch.full_like(x, LOW), lambda x: torch.full_like(x, HIGH)),
    "flat": lrp_linear.flat_rule(),
    "winning": lrp_linear.winning_rule(),
    "contrast": lrp_linear.contrast_rule(),
}


def matrix(module: nn.Module, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """A linear layer written out: (out, in) weights by sending in unit vectors, and (out,) biases."""
    count = torch.Size(shape[1:]).numel()
    with torch.no_grad():
        bias = module(torch.zeros(1, *shape[1:], dtype=torch.float64)).flatten()
        unit = torch.eye(count, dtype=torch.float64).reshape(count, *shape[1:])
        return (module(unit).flatten(1) - bias).T.round(decimals=12), bias.round(decimals=12)


def slow(name: str, w: list[list[float]], b: list[float], x: list[float], arriving: list[float]) -> list[float]:
    """The rules as their papers write them, an output and an input at a time."""
    received, epsilon = [0.0] * len(x), 1e-12 if name in ("winning", "contrast") else 1e-6
    for j, relevance in enumerate(arriving):
        z = [x[i] * w[j][i] for i in range(len(x))]
        output = sum(z) + b[j]
        for weights, total, factor in fractions(name, z, w[j], b[j], x, output):
            for i in range(len(x)):
                received[i] += factor * relevance * weights[i] / (total + (epsilon if total >= 0 else -epsilon))
    return received


def fractions(name, z, w, b, x, output):
    """What the inputs of one output contribute, by what the contributions are divided, and how much of it is sent."""
    match name:
        case "epsilon":
            return [(z, output + (0.25 - 1e-6) * (1 if output >= 0 else -1), 1)]
        case "gamma":
            if output == 0:
                return []
            own = max if output > 0 else min
            raised = [value + 0.4 * own(0, value) for value in z]
            return [(raised, sum(raised) + b + 0.4 * own(0, b), 1)]
        case "z_plus" | "alpha2_beta1":
            plus, minus = [max(0, value) for value in z], [min(0, value) for value in z]
            up, down = (plus, sum(plus) + max(0, b)), (minus, sum(minus) + min(0, b))
            return [(*up, 1)] if name == "z_plus" else [(*up, 2), (*down, -1)]
        case "z_box":
            boxed = [value * v - LOW * max(0, v) - HIGH * min(0, v) for v, value in zip(w, x, strict=True)]
            return [(boxed, sum(boxed), 1)]
        case "flat":
            ones = [float(v != 0) for v in w]
            return [(ones, sum(ones), 1)]
    plus = [max(0, v) * max(0, value) for v, value in zip(w, x, strict=True)]
    minus = [max(0, -v) * max(0, value) for v, value in zip(w, x, strict=True)]
    return [(plus, sum(plus), 1)] + ([(minus, sum(minus), -1)] if name == "contrast" else [])


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("layer", [name for name in LAYERS if name not in ("conv3d", "linear over a sequence")])
@pytest.mark.parametrize("rule", RULES)
def test_rules_share_as_the_papers_write_them(rule: str, layer: str, signed: bool) -> None:
    module, shape = LAYERS[layer]
    module = copy.deepcopy(module).double()
    random = torch.Generator().manual_seed(1)
    x = torch.randn(1, *shape[1:], generator=random, dtype=torch.float64)
    x = x if signed else x.relu()
    output = module(x).detach()
    arriving = torch.randn(output.shape, generator=random, dtype=torch.float64)
    found = lrp_linear.shared(RULES[rule], affine_of(operations(module, x)[0]), x, output, arriving)
    weights, biases = matrix(module, shape)
    expected = slow(rule, weights.tolist(), biases.tolist(), x.flatten().tolist(), arriving.flatten().tolist())
    torch.testing.assert_close(found.flatten(), torch.tensor(expected, dtype=torch.float64), rtol=1e-4, atol=1e-7)


def test_half_precision_is_shared_in_single() -> None:
    layer = nn.Conv2d(3, 8, 3, padding=1)
    x, arriving = torch.randn(2, 3, 6, 6), torch.randn(2, 8, 6, 6)
    rule = lrp_linear.z_plus_rule()
    exact = lrp_linear.shared(rule, affine_of(operations(layer, x)[0]), x, layer(x).detach(), arriving)
    halved = layer.bfloat16()
    small = x.bfloat16()
    found = lrp_linear.shared(
        rule, affine_of(operations(halved, small)[0]), small, halved(small).detach(), arriving.bfloat16()
    )
    assert found.dtype == torch.bfloat16
    assert (found - exact).norm() < 0.05 * exact.norm()


def test_the_divisor_moves_away_from_zero() -> None:
    found = lrp_linear.stabilised(torch.tensor([-1.0, 0.0, 1.0]), 0.5)
    assert found.tolist() == [-1.5, 0.5, 1.5]
    assert lrp_linear.stabilised(torch.tensor([-1.0, 0.0, 1.0]), 0.0).tolist() == [-1, torch.inf, 1]


def test_the_box_is_each_pictures_own_per_colour() -> None:
    x = torch.arange(24.0).reshape(2, 3, 2, 2)
    assert lowest(x).flatten().tolist() == [0, 4, 8, 12, 16, 20]
    assert highest(x).flatten().tolist() == [3, 7, 11, 15, 19, 23]
    assert lowest(x.flatten(1)).tolist() == [[0], [12]]


@pytest.mark.parametrize("signed", [True, False])
def test_an_output_of_zero_shares_by_size_under_gamma(signed: bool) -> None:
    """The mean of what is sent where the output is just above and just below zero; relevance is kept."""
    layer = nn.Linear(2, 1, bias=False).double()
    x = torch.tensor([[1.0, 1.0]] if not signed else [[-1.0, 1.0]], dtype=torch.float64)
    layer.weight.data = torch.tensor([[-3.0, 3.0]] if not signed else [[3.0, 3.0]], dtype=torch.float64)
    arriving = torch.ones(1, 1, dtype=torch.float64)
    affine, rule = affine_of(operations(layer, x)[0]), lrp_linear.gamma_rule(0.25)
    at, above, below = (
        lrp_linear.shared(rule, affine, x + shift, layer(x + shift).detach(), arriving)
        for shift in (torch.zeros(2), torch.tensor([0.0, 1e-3]), torch.tensor([0.0, -1e-3]))
    )
    torch.testing.assert_close(at, torch.full((1, 2), 0.5, dtype=torch.float64), rtol=0, atol=1e-5)
    torch.testing.assert_close(at, (above + below) / 2, rtol=0, atol=1e-2)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("padding", [0, 2, "same"])
def test_few_channels_are_shared_side_by_side_as_apart(
    rule: str, padding: int | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = nn.Conv2d(3, 5, 3, padding=padding).double()
    x = torch.randn(2, 3, 7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    output = layer(x).detach()
    affine = affine_of(operations(layer, x)[0])
    together = lrp_linear.shared(RULES[rule], affine, x, output, output.cos())
    monkeypatch.setattr("featuremaps.rules.affine.FEW_CHANNELS", 0)
    torch.testing.assert_close(together, lrp_linear.shared(RULES[rule], affine, x, output, output.cos()))


def test_gamma_of_zero_is_epsilon() -> None:
    assert lrp_linear.gamma_rule(0.0) == lrp_linear.epsilon_rule(lrp_linear.STABILISER)
