"""DeepLIFT's rescale rule: an explicit chain on a dense net, single operations, and every way to write a ReLU."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from featuremaps.rules.deeplift import Rescale
from method_samples import Little, noise
from nets import SqueezeExcite
from propagating import propagator


def multipliers(model: nn.Module, x: Tensor, baseline: Tensor, target: int = 0) -> tuple[Tensor, Rescale]:
    rule = Rescale(baseline)
    return propagator(model, x, target)(rule), rule


def missing(model: nn.Module, x: Tensor, baseline: Tensor, target: int = 0) -> tuple[Tensor, Rescale]:
    """What the contributions lack of the change of the score, as a share of it; in double precision."""
    model, x, baseline = model.double(), x.double(), baseline.double()
    found, rule = multipliers(model, x, baseline, target)
    change = (model(x) - model(baseline))[:, target].detach()
    return ((found * (x - baseline)).flatten(1).sum(1) - change) / change, rule


class Calls(nn.Module):
    """A function of the picture between two convolutions, and a linear head."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.before, self.after = nn.Conv2d(3, 6, 3, padding=1), nn.LazyConv2d(5, 1)
        self.head, self.function = nn.LazyLinear(4), function

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.after(self.function(2 * self.before(x))).flatten(1))


@pytest.mark.parametrize("activation", [torch.relu, torch.sigmoid, torch.tanh])
def test_a_dense_net_against_the_chain_written_out(activation: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(0)
    one, two, head = torch.randn(7, 5), torch.randn(6, 7), torch.randn(6)
    bias = torch.randn(7)

    class Dense(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            hidden = activation(F.linear(x.flatten(1), one, bias))
            return activation(hidden @ two.T) @ head[:, None]

    x, x0 = torch.randn(2, 1, 1, 5), torch.randn(2, 1, 1, 5)
    found, rule = multipliers(Dense(), x, x0)
    for picture, baseline, actual in zip(x.flatten(1), x0.flatten(1), found.flatten(1), strict=True):
        z, z0 = one @ picture + bias, one @ baseline + bias
        h, h0 = activation(z), activation(z0)
        u, u0 = two @ h, two @ h0
        sent = head * (activation(u) - activation(u0)) / (u - u0)
        sent = (sent @ two) * (h - h0) / (z - z0)
        torch.testing.assert_close(actual, sent @ one, rtol=1e-4, atol=1e-5)
    assert sum(rule.replaced.values()) == 2
    assert rule.warning() is None


def test_where_nothing_changed_the_gradient_passes() -> None:
    model = Little("module")
    x = noise(2)
    leaf = x.clone().requires_grad_()
    gradient = torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)[0]
    torch.testing.assert_close(multipliers(model, x, x.clone(), 1)[0], gradient)


FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "relu_": lambda x: (x + 0).relu_(),
    "clamp": lambda x: x.clamp(min=0),
    "relu6": F.relu6,
    "leaky": lambda x: F.leaky_relu(x, 0.1, inplace=True),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.3]).to(x)),
    "hardtanh": F.hardtanh,
    "elu": F.elu,
    "gelu": F.gelu,
    "silu in place": lambda x: F.silu(x, inplace=True),
    "hardswish": F.hardswish,
    "softplus": F.softplus,
    "power": lambda x: x**2,
    "two to the power": lambda x: 2**x,
    "one over": lambda x: 1 / (x.square() + 1),
    "max pool": lambda x: F.max_pool2d(x, 2),
    "overlapping max pool": lambda x: torch.max_pool2d(x, 3, 2, 1),
    "dilated max pool": nn.MaxPool2d(3, stride=1, padding=1, dilation=2, ceil_mode=True),
    "adaptive max pool": lambda x: F.adaptive_max_pool2d(x, (2, 3)),
    "max pool 1d": lambda x: F.max_pool1d(x.flatten(2), 3).unsqueeze(2),
    "softmax": lambda x: x.softmax(1),
    "softmax of all": lambda x: F.softmax(x.flatten(1), dim=-1).view(x.shape),
    "gate": lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)),
    "gate in place": lambda x: (x + 0).mul_(torch.sigmoid(x.mean((2, 3), keepdim=True))),
    "quotient": lambda x: x / (1 + x.exp()),
    "matmul": lambda x: x @ x.mT,
    "bmm": lambda x: torch.bmm(x.flatten(2), x.flatten(2).mT)[:, :, None],
    "layer norm": lambda x: F.layer_norm(x, x.shape[1:], x.new_full(x.shape[1:], 1.5), x.new_ones(x.shape[1:])),
    "group norm": nn.GroupNorm(3, 6),
    "attention": lambda x: F.scaled_dot_product_attention(x.flatten(2), 2 * x.flatten(2), x.flatten(2).cos()).view(
        x.shape
    ),
    "windows": lambda x: F.gelu(x.unflatten(2, (2, -1)).transpose(1, 2).flatten(0, 1)).view(x.shape),
    "tokens first": lambda x: torch.tanh(x.flatten(2).permute(2, 0, 1)).permute(1, 2, 0).view(x.shape),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_contributions_add_up_to_the_change_and_the_forward_pass_is_as_it_was(name: str) -> None:
    function = FUNCTIONS[name]
    model = Calls(function)
    x, baseline = noise(3, (8, 8)), noise(3, (8, 8), seed=1)
    with torch.no_grad():
        model(x)
    share, rule = missing(model, x, baseline)
    assert float(share.abs().max()) < 1e-7  # a tiny change is taken for rounding
    assert rule.replaced
    assert rule.warning() is None
    with torch.no_grad():
        expected = model(x.double())
        with Rescale(baseline[:1].double()):
            torch.testing.assert_close(model(x[:2].double()), expected[:2])


def test_without_the_rule_the_contributions_do_not_add_up() -> None:
    """So the completeness above is the rule's doing."""
    for name in ("relu", "max pool", "softmax", "gate", "layer norm"):
        model = Calls(FUNCTIONS[name])
        x, baseline = noise(2, (8, 8)), noise(2, (8, 8), seed=1)
        leaf = x.clone().requires_grad_()
        change = (model(x) - model(baseline))[:, 0].detach()
        gradient = torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)[0]
        assert float(((gradient * (x - baseline)).flatten(1).sum(1) - change).abs().max()) > 1e-2


@pytest.mark.parametrize("relu", ["functional", "inplace"])
def test_however_a_relu_is_written(relu: str) -> None:
    expected, _ = multipliers(Little("module"), noise(2), noise(2, seed=1), 2)
    found, rule = multipliers(Little(relu), noise(2), noise(2, seed=1), 2)
    assert torch.equal(found, expected)
    assert rule.replaced == {"relu": 3}


def test_a_picture_does_not_depend_on_the_others_in_the_batch() -> None:
    model, x, baseline = Little(), noise(3), noise(3, seed=1)
    together, _ = multipliers(model, x, baseline)
    for row in range(3):
        torch.testing.assert_close(multipliers(model, x[row : row + 1], baseline[row : row + 1])[0][0], together[row])


def test_max_pooling_splits_a_change_between_both_places() -> None:
    """A window that holds 5, 1 and before 2, 3: by hand, (5 − 3)/(5 − 2) and nothing where the baseline's was."""

    class Pool(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.max_pool2d(x, (1, 2)).flatten(1)

    x, x0 = torch.tensor([[[[5.0, 1.0]]]]), torch.tensor([[[[2.0, 3.0]]]])
    torch.testing.assert_close(multipliers(Pool(), x, x0)[0], torch.tensor([[[[2 / 3, 0.0]]]]))
    torch.testing.assert_close(multipliers(Pool(), x0, x)[0], torch.tensor([[[[2 / 3, 0.0]]]]))


def test_a_vision_transformer_adds_up() -> None:
    torch.manual_seed(0)
    model = torchvision.models.VisionTransformer(32, 8, 2, 2, 16, 32).eval()
    nn.init.normal_(model.heads.head.weight)
    share, rule = missing(model, noise(2, (32, 32)), noise(2, (32, 32), seed=1))
    assert float(share.abs().max()) < 1e-8
    assert rule.replaced == {"layer_norm": 5, "multi_head_attention": 2, "gelu": 2}


def test_what_keeps_its_gradient_is_counted_and_said() -> None:
    share, rule = missing(SqueezeExcite(), noise(2), noise(2, seed=1))
    assert rule.kept == {"max": 1}
    assert float(share.abs().max()) > 1e-3
    assert rule.warning() == (
        "DeepLIFT's rescale rule acted on 1 sigmoid, 1 mul; 1 max kept their own gradient, so the contributions need "
        "not add up to the change of the score (see the completeness error)."
    )
    _, rule = missing(
        Calls(lambda x: F.relu(x.permute(1, 2, 3, 0)).permute(3, 0, 1, 2)), noise(2, (5, 5)), noise(2, (5, 5), seed=1)
    )
    assert rule.kept == {"relu": 1}
    _, rule = multipliers(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), noise(1, (2, 2)), noise(1, (2, 2), seed=1))
    assert rule.warning() == (
        "DeepLIFT's rescale rule found no activation function: this is the plain gradient times the change of the "
        "picture."
    )
