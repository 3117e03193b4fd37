"""What a model's way depends on is seen wherever it is kept: the layers and the tail are looked at anew."""

from collections.abc import Callable
from functools import partial
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
    before = settings_of(model.modules())
    assert settings_of(model.modules()) == before
    model.kept["k"] = 3.0
    assert settings_of(model.modules()) != before


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
    assert settings_of(net.modules()) == settings_of(net.modules())
    model = torchvision.models.resnet18()
    assert settings_of(model.modules()) == settings_of(model.modules())


class Ways(nn.Module):
    """Goes through `second` where a flag says so, kept as a number that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, stride=2), nn.Linear(4, 4)
        self.register_buffer("buffer", torch.tensor(False))
        self.tensor, self.parameter = torch.tensor(0.0), nn.Parameter(torch.tensor(0.0), requires_grad=False)

    def longer(self, x: Tensor) -> Tensor:
        """(batch, 4)"""
        return self.head(self.second(self.first(x)).mean((2, 3)))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4)"""
        flagged = self.buffer or self.tensor > 0 or self.parameter > 0
        return self.longer(x) if flagged else self.head(self.first(x).mean((2, 3)))


CHANGES: dict[str, Callable[[Ways], Any]] = {
    "a buffer": lambda model: model.buffer.fill_(True),
    "another tensor": lambda model: setattr(model, "tensor", torch.tensor(1.0)),
    "a tensor written to": lambda model: model.tensor.data.fill_(1.0),
    "a frozen parameter": lambda model: model.parameter.data.fill_(1.0),
    "a patched forward": lambda model: setattr(model, "forward", partial(Ways.longer, model)),
    "a patched class": lambda model: setattr(model, "__class__", type("Long", (Ways,), {"forward": Ways.longer})),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_way_is_seen(change: str) -> None:
    model = Ways().eval()
    scope = fm.Scope(model)
    assert scope.layers(PICTURES).last == "first"
    CHANGES[change](model)
    assert scope.layers(PICTURES).last == "second"


def test_other_functions_patched_in_one_after_the_other_are_others() -> None:
    model = Ways().eval()
    scope = fm.Scope(model)
    for expected in ("second", "first") * 3:
        model.forward = lambda x, way=expected: Ways.longer(model, x) if way == "second" else Ways.forward(model, x)
        assert scope.layers(PICTURES).last == expected


def test_hooks_put_on_and_taken_off_are_seen() -> None:
    model = Ways().eval()
    scope = fm.Scope(model)
    handles = [
        model.first.register_forward_pre_hook(lambda module, args: (args[0][:, :, ::2],)),
        nn.modules.module.register_module_forward_hook(
            lambda module, args, output: output[:, :, ::2] if module is model.first else None
        ),
    ]
    try:
        for handle, rows in zip(handles, (1, 3), strict=True):
            assert scope.layers(PICTURES)["first"].size == (rows, 6)
            handle.remove()
    finally:
        [handle.remove() for handle in handles]
    assert scope.layers(PICTURES)["first"].size == (6, 6)


def test_what_is_trained_is_no_setting() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.PReLU())
    before = settings_of(model.modules())
    model(PICTURES).sum().backward()
    torch.optim.SGD(model.parameters(), 0.1).step()
    assert settings_of(model.modules()) == before
