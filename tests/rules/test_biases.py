"""FullGrad's bias terms: every way a network adds a bias, and what they add up to."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.rules.biases import Biases
from method_samples import Curved, Little, noise
from propagating import propagator


def missing(model: nn.Module, x: Tensor, target: int = 0) -> tuple[Tensor, Biases]:
    """What input times gradient and the bias terms lack of the score, as a share of it."""
    rule, model, x = Biases(), model.double().eval(), x.double()
    found = propagator(model, x, target)(rule)
    score = model(x)[:, target].detach()
    return ((found * x).flatten(1).sum(1) + rule.totals() - score) / score, rule


class Adds(nn.Module):
    """A layer that adds something to the picture, a ReLU that works in place, and a linear head."""

    def __init__(self, layer: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.layer, self.head = nn.Conv2d(3, 6, 3), layer, nn.LazyLinear(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layer(self.first(x)).relu_().flatten(1))


def batch_norm() -> nn.Module:
    layer = nn.BatchNorm2d(6)
    for values in (layer.weight, layer.bias, layer.running_mean):
        nn.init.normal_(values)  # type: ignore[arg-type]
    nn.init.uniform_(layer.running_var, 0.5, 2.0)  # type: ignore[arg-type]
    return layer


OFFSET = torch.randn(6, 1, 1, generator=torch.Generator().manual_seed(3))
LAYERS: dict[str, Callable[[], Callable[[Tensor], Tensor]]] = {
    "convolution": lambda: nn.Conv2d(6, 4, 3, groups=2, dilation=2),
    "transposed": lambda: nn.ConvTranspose2d(6, 4, 2, 2),
    "batch norm": batch_norm,
    "linear over channels": lambda: nn.Sequential(nn.Flatten(2), nn.Linear(36, 5)),
    "number": lambda: lambda x: x + 1.5,
    "number in place": lambda: lambda x: x.add_(0.5),
    "less a number": lambda: lambda x: x - 0.3,
    "from a number": lambda: lambda x: 0.3 - x,
    "tensor": lambda: lambda x: torch.add(x, OFFSET.to(x), alpha=2),
    "tensor first": lambda: lambda x: OFFSET.to(x) + x,
    "less a tensor": lambda: lambda x: torch.sub(x, OFFSET.to(x), alpha=3),
    "from a tensor": lambda: lambda x: OFFSET.to(x) - x,
    "leaky": lambda: lambda x: F.leaky_relu(x - 0.2, 0.1),
    "max pool": lambda: lambda x: F.max_pool2d(x + 0.1, 3, 2),
    "two things that change": lambda: lambda x: x + x.roll(1, 3),
}


@pytest.mark.parametrize("name", LAYERS)
def test_terms_add_up_to_the_score(name: str) -> None:
    model, x = Adds(LAYERS[name]()), noise(2, (8, 8))
    share, rule = missing_after(model, x)
    assert float(share.abs().max()) < 1e-9
    assert rule.warning() is None


def missing_after(model: nn.Module, x: Tensor) -> tuple[Tensor, Biases]:
    """The lazy head takes its size from a first pass."""
    with torch.no_grad():
        model.eval()(x)
    return missing(model, x)


def test_the_biases_are_needed() -> None:
    """So the sum above is theirs: without them input times gradient lacks a good part of the score."""
    model = Little()
    rule = Biases()
    found = propagator(model, noise(2), 1)(rule)
    score = model(noise(2))[:, 1].detach()
    assert float(((found * noise(2)).flatten(1).sum(1) - score).abs().min() / score.abs().max()) > 1e-2
    assert [tuple(watched.shape) for watched in rule.watched] == [(2, 6, 16, 16), (2, 7, 8, 8), (2, 8, 4, 4), (2, 4)]


def test_maps_are_the_terms_with_positions_channels_first() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.linear, self.head = nn.LayerNorm(3), nn.Linear(3, 5), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.linear(self.norm(x.permute(0, 2, 3, 1))).relu().mean((1, 2)))

    rule = Biases()
    model = Last()
    nn.init.normal_(model.norm.bias)
    propagator(model, noise(2, (4, 6)), 1)(rule)
    assert [tuple(term.shape) for term in rule.maps()] == [(2, 3, 4, 6), (2, 5, 4, 6)]
    gradient = rule.arrived[1]
    assert gradient is not None
    torch.testing.assert_close(list(rule.maps())[1], (gradient * model.linear.bias).permute(0, 3, 1, 2))


@pytest.mark.parametrize("relu", ["functional", "inplace"])
def test_however_a_relu_is_written(relu: str) -> None:
    rules = Biases(), Biases()
    expected, found = (
        propagator(Little(way), noise(2), 1)(rule) for way, rule in zip(("module", relu), rules, strict=True)
    )
    assert torch.equal(found, expected)
    for one, other in zip(rules[0].arrived, rules[1].arrived, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


def test_what_is_not_linear_is_counted_and_said() -> None:
    share, rule = missing(Curved(), noise(2), 1)
    assert float(share.abs().max()) > 1e-2
    assert rule.warning() == (
        "FullGrad's terms add up to the score in networks of ReLUs; 1 tanh, 1 pow here are not linear around a "
        "picture, so part of the score belongs to no term (see the completeness error)."
    )
    _, rule = missing_after(Adds(lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True))), noise(2, (8, 8)))
    assert "1 sigmoid, 1 mul here" in str(rule.warning())
    _, rule = missing_after(Adds(nn.GroupNorm(2, 6)), noise(2, (8, 8)))
    assert "1 group_norm here" in str(rule.warning())
