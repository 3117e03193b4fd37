"""What a model's way depends on is seen wherever it is kept: the layers and the tail are looked at anew."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.layers.settings import settings_of

PICTURES = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """Scores times a factor that is kept somewhere, by `read`."""

    def __init__(self, kept: Any, read: Callable[[Any], float]) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.conv, self.head, self.kept, self.read = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), kept, read

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4)"""
        return self.head((self.conv(x) * self.read(self.kept)).relu().mean((2, 3)))


def config(k: float) -> SimpleNamespace:
    return SimpleNamespace(inner={"k": k})


PLACES: dict[str, tuple[Callable[[float], Any], Callable[[Any], float]]] = {
    "a number": (lambda k: k, lambda kept: kept),
    "a list": (lambda k: [0, k], lambda kept: kept[1]),
    "a dict": (lambda k: {"a": {"b": k}}, lambda kept: kept["a"]["b"]),
    "a configuration": (config, lambda kept: kept.inner["k"]),
    "a function": (lambda k: lambda: k, lambda kept: kept()),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", ["ablation_cam", "shapley_cam", "grad_cam"])
def test_a_changed_setting_is_seen(place: str, method: str) -> None:
    make, read = PLACES[place]
    model = Net(make(1.0), read).eval()
    scope = fm.Scope(model)
    scope.explain(PICTURES, method, layer="conv", target=1)
    model.kept = make(-2.0)
    expected = fm.Scope(Net(make(-2.0), read).eval()).explain(PICTURES, method, layer="conv", target=1)
    torch.testing.assert_close(scope.explain(PICTURES, method, layer="conv", target=1).tensor, expected.tensor)


def test_changed_in_place_it_is_seen_too() -> None:
    model = Net({"k": 1.0}, lambda kept: kept["k"]).eval()
    before = settings_of(model)
    assert settings_of(model) == before
    model.kept["k"] = 3.0
    assert settings_of(model) != before


def test_settings_of_torchs_own_modules() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    scope = fm.Scope(model)
    assert scope.layers(PICTURES)["0"].size == (6, 6)
    model[0].stride = (2, 2)
    assert scope.layers(PICTURES)["0"].size == (3, 3)


def test_an_end_that_is_exchanged_is_read_anew() -> None:
    class Ends(Net):
        def forward(self, x: Tensor) -> Tensor:
            return self.kept(super().forward(x))

    model = Ends(torch.sigmoid, lambda kept: 1.0).eval()
    scope = fm.Scope(model)
    scores = Net(1.0, lambda kept: kept).eval()(PICTURES)
    for end, shares in ((torch.sigmoid, scores.sigmoid()), (nn.Identity(), scores.softmax(1))):
        model.kept = end
        best = [answer[0].probability for answer in scope.predict(PICTURES)]
        assert best == pytest.approx(shares.amax(1).tolist())


def test_what_holds_itself_and_long_lists_come_to_an_end() -> None:
    kept: dict[str, Any] = {"long": list(range(1000))}
    kept["self"] = kept
    net = Net(kept, len)
    assert settings_of(net) == settings_of(net)
    model = torchvision.models.resnet18()
    assert settings_of(model) == settings_of(model)
