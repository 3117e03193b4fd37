"""A layer is the same layer, however it packs what it gives: alone, in a tuple, a dict, a dataclass, beside a loss."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm


@dataclass
class Packed:
    loss: Tensor
    maps: Tensor


class Named(NamedTuple):
    name: str
    maps: Tensor


FORMS: dict[str, tuple[Callable[[Tensor], Any], Callable[[Any], Tensor]]] = {
    "tuple": (lambda maps: (maps, maps.mean()), lambda given: given[0]),
    "loss first": (lambda maps: (maps.square().mean(), maps), lambda given: given[1]),
    "list in a tuple": (lambda maps: ([maps], maps.mean((2, 3))), lambda given: given[0][0]),
    "dict in a dict": (lambda maps: {"head": {"maps": maps}, "n": 3}, lambda given: given["head"]["maps"]),
    "out is second": (lambda maps: {"low": maps[..., ::2, ::2], "out": maps}, lambda given: given["out"]),
    "logits is second": (lambda maps: OrderedDict(low=maps * 2, logits=maps), lambda given: given["logits"]),
    "dataclass": (lambda maps: Packed(maps.mean(), maps), lambda given: given.maps),
    "named tuple": (lambda maps: Named("maps", maps), lambda given: given.maps),
    "dataclass in a list": (lambda maps: [None, Packed(maps.mean(), maps)], lambda given: given[1].maps),
}


class Layer(nn.Module):
    def __init__(self, form: str) -> None:
        super().__init__()
        self.inside = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.Conv2d(6, 6, 3, 1, 1), nn.ReLU())
        self.pack = FORMS[form][0]

    def forward(self, x: Tensor) -> Any:
        return self.pack(self.inside(x))


class Network(nn.Module):
    def __init__(self, form: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.head = Layer(form), nn.Linear(6, 4)
        self.unpack = FORMS[form][1]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.unpack(self.layer(x)).mean((2, 3)))


@pytest.mark.parametrize("form", FORMS)
def test_a_layer_however_it_packs_its_maps(form: str) -> None:
    model, inputs = Network(form).eval(), torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    scope = fm.Scope(model)
    maps = model.layer.inside(inputs)
    gradients = torch.autograd.grad(model.head(maps.mean((2, 3)))[:, 1].sum(), maps)[0]
    by_hand = (maps * gradients.mean((2, 3), keepdim=True)).sum(1).detach()
    torch.testing.assert_close(scope.explain(inputs, layer="layer", target=1).tensor, by_hand)
    torch.testing.assert_close(scope.maps(inputs, "layer").tensor, maps.detach())
    for method in ("ablation_cam", "score_cam"):
        inside = scope.explain(inputs, method, layer="layer.inside", target=1).tensor
        torch.testing.assert_close(scope.explain(inputs, method, layer="layer", target=1).tensor, inside)
    without = scope.without("layer:2").model.eval()
    zeroed = maps.detach().clone()
    zeroed[:, 2] = 0
    torch.testing.assert_close(without(inputs), model.head(zeroed.mean((2, 3))))
