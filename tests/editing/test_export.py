"""An export says the same on every picture, not only on those it was tried on, whatever the layers around it are."""

from collections import OrderedDict
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import featuremaps as fm
from featuremaps.editing.edits import direction_out
from featuremaps.errors import ModelError, OptionError

QUIET = -8.0
"""A bias by which a channel is silent in noise."""


def chain(**layers: nn.Module) -> nn.Sequential:
    """A convolution whose channel 1 is silent in noise, and what comes after it."""
    torch.manual_seed(0)
    first = nn.Conv2d(3, 8, 3, padding=1)
    with torch.no_grad():
        first.bias[1] = QUIET
    ends = {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "head": nn.Linear(8, 3)}
    return nn.Sequential(OrderedDict(first=first, relu=nn.ReLU(), **layers, **ends)).eval()


def said_of(model: nn.Module, loud: bool) -> Tensor:
    """Its scores of noise, or of pictures in which every channel speaks."""
    pictures = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        scores: Tensor = model(pictures * (100 if loud else 1))
    return scores


class Twice(nn.Module):
    """Two layers read what the first gives, the second one only what lies above 2."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(*list(chain().children())[:2])
        self.second, self.head = nn.Conv2d(8, 8, 1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        x = self.first(x)
        scores: Tensor = self.head((self.second(x).relu() + (x - 2).relu()).mean((2, 3)))
        return scores


MODELS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "weight norm": (lambda: chain(next=parametrizations.weight_norm(nn.Conv2d(8, 8, 1)), after=nn.ReLU()), "relu"),
    "own weight norm": (lambda: chain(next=parametrizations.weight_norm(nn.Conv2d(8, 8, 1)), after=nn.ReLU()), "next"),
    "two readers": (Twice, "first"),
    "groups": (lambda: chain(next=nn.Conv2d(8, 8, 3, groups=4), after=nn.ReLU()), "relu"),
    "in place": (lambda: chain(next=nn.Conv2d(8, 8, 1), after=nn.ReLU(inplace=True)), "next"),
    "gelu": (lambda: chain(next=nn.GELU(), last=nn.Conv2d(8, 8, 1)), "relu"),
}


@pytest.mark.parametrize("kind", list(MODELS))
@pytest.mark.parametrize("what", ["channel", "direction"])
def test_an_export_says_the_same_where_more_speaks_than_in_noise(kind: str, what: str) -> None:
    make, layer = MODELS[kind]
    model = make().eval()
    direction = direction_out(layer, torch.eye(8)[1:2] + 0.1, torch.ones(8), "one of eight, mostly")
    edited = fm.Scope(model).without(f"{layer}:1" if what == "channel" else direction)
    module = edited.export().model.eval()
    for loud in (False, True):
        torch.testing.assert_close(said_of(module, loud), said_of(edited.model, loud), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("layer", ["first", "relu", "next"])
def test_models_of_every_precision_are_exported(precision: torch.dtype, layer: str) -> None:
    model = chain(next=nn.Conv2d(8, 8, 3), after=nn.ReLU()).to(precision)
    edited = fm.Scope(model).without(direction_out(layer, torch.ones(1, 8), torch.ones(8), "their sum"))
    module = edited.export().model
    assert {each.dtype for each in module.parameters()} == {precision}
    noise = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1)).to(precision)
    with torch.no_grad():
        first, second = module(noise).double(), edited.model(noise).double()
    assert (first - second).abs().max() < 8 * torch.finfo(precision).eps * second.abs().max()


def test_weights_that_two_layers_share_are_changed_in_one_of_them_alone() -> None:
    model = chain(next=nn.Conv2d(8, 8, 1), relu2=nn.ReLU(), again=nn.Conv2d(8, 8, 1), relu3=nn.ReLU())
    model.get_submodule("again").weight = model.get_submodule("next").weight
    for layer in ("next", "again", "relu", "relu2"):
        edited = fm.Scope(model).without(f"{layer}:1")
        module = edited.export().model.eval()
        torch.testing.assert_close(said_of(module, True), said_of(edited.model, True), rtol=1e-4, atol=1e-4)


def test_frozen_weights_stay_frozen() -> None:
    model = chain().requires_grad_(False)
    model.get_submodule("first").bias = None
    module = fm.Scope(model).without("first:2").export().model
    assert not any(each.requires_grad for each in module.parameters())


def test_where_nothing_fits_that_is_said() -> None:
    class Asking(nn.Module):
        """Reads an attribute of a layer, which no other layer in its place has."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.act, self.head = nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.act(self.first(x))
            scores: Tensor = self.head((x if self.act.inplace else x * x).mean((2, 3)))
            return scores

    direction = direction_out("act", torch.ones(1, 8), torch.ones(8), "their sum")
    with pytest.raises(ModelError, match="edited scope as it is"):
        fm.Scope(Asking().eval()).without(direction).export()


def test_directions_that_say_the_same_twice_take_out_one() -> None:
    twice = torch.ones(2, 8)
    removal = direction_out("first", twice, torch.ones(8), "their sum, twice")
    assert removal.directions.shape == (1, 8)
    with pytest.raises(OptionError, match="no length"):
        direction_out("first", torch.zeros(1, 8), torch.ones(8), "nothing")
    model = chain()
    both, once = (fm.Scope(model).without(what).model for what in (["first:2", "first:2"], "first:2"))
    torch.testing.assert_close(said_of(both, True), said_of(once, True))
