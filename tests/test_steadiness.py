"""Which models are taken to do the same in every pass, and which never."""

import functools
import itertools
import math
import random
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import functional

import featuremaps as fm
from families import FAMILIES
from featuremaps.steadiness import is_steady
from nets import Reused, SqueezeExcite, TinyUNet, plain, resnet20

COUNTED = {"calls": 0}
CALLS = 0
FACTOR = 2.0


def doubled(x: Tensor) -> Tensor:
    return x * FACTOR * math.sqrt(4)


def halved(x: Tensor, times: int = 1) -> Tensor:
    return x if not times else halved(x / 2, times - 1)


def counted(x: Tensor) -> Tensor:
    global CALLS
    CALLS += 1
    return x


def remembering(x: Tensor, before: list[Tensor] = []) -> Tensor:  # noqa: B006
    before.append(x)
    return x


def made(forward: Callable[..., Tensor], **attributes: object) -> nn.Module:
    """A module of a user's with this forward and these attributes."""

    class Mine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            for name, value in attributes.items():
                setattr(self, name, value)

    Mine.forward = forward
    return Mine()


def branching(self: nn.Module, x: Tensor) -> Tensor:
    found = []
    for scale in (1, 2):
        found.append(F.interpolate(self.conv(x), scale_factor=scale).mean((2, 3)))
    if not self.training and x.shape[0] > 1 and isinstance(x, Tensor):
        found = [functional.relu(one) for one in found]
    return torch.cat([torch.stack(found).sum(0), *(one[:, :1] for one in found)], 1)


STEADY = {
    "lists, loops and branches": lambda: made(branching),
    "functions": lambda: made(lambda self, x: self.act(halved(doubled(x))), act=F.relu),
    "constants": lambda: made(lambda self, x: x * self.scale + self.shift[0], scale=2, shift=(1.0, None)),
    "a tensor": lambda: made(lambda self, x: x - self.mean, mean=torch.zeros(3, 1, 1)),
    "parts of a batch": lambda: made(lambda self, x: torch.cat([self.conv(one[None]) for one in x])),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision_is(name: str) -> None:
    assert is_steady(FAMILIES[name].make())


def test_users_own_are() -> None:
    for model in (resnet20(), Reused(), SqueezeExcite(), TinyUNet(), plain(), fm.load("demo").model):
        assert is_steady(model)


@pytest.mark.parametrize("name", STEADY)
def test_plain_code_is(name: str) -> None:
    model = STEADY[name]()
    model(torch.ones(2, 3, 8, 8))
    assert is_steady(nn.Sequential(model))


def counts(self: nn.Module, x: Tensor) -> Tensor:
    self.calls += 1
    return x


def collects(self: nn.Module, x: Tensor) -> Tensor:
    self.seen.append(x)
    return x


def counts_outside(self: nn.Module, x: Tensor) -> Tensor:
    COUNTED["calls"] += 1
    return x


def counts_on_its_class(self: nn.Module, x: Tensor) -> Tensor:
    type(self).calls = 1
    return x


def throws(self: nn.Module, x: Tensor) -> Tensor:
    import random as lots

    return x * lots.random()


def closed() -> Callable[..., Tensor]:
    calls = 0

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return x

    return forward


def closed_over_a_list() -> Callable[..., Tensor]:
    calls: list[int] = []

    def forward(self: nn.Module, x: Tensor) -> Tensor:
        calls.append(1)
        return x

    return forward


UNSTEADY = {
    "an attribute": lambda: made(counts, calls=0),
    "a list": lambda: made(collects, seen=[]),
    "a counter": lambda: made(lambda self, x: x * next(self.counter), counter=itertools.count()),
    "a global": lambda: made(counts_outside),
    "its class": lambda: made(counts_on_its_class),
    "an import": lambda: made(throws),
    "a variable": lambda: made(closed()),
    "a variable that is a list": lambda: made(closed_over_a_list()),
    "lots": lambda: made(lambda self, x: x * random.random()),
    "NumPy": lambda: made(lambda self, x: x * np.random.rand()),
    "the time": lambda: made(lambda self, x: x * time.time()),
    "what it says": lambda: made(lambda self, x: (print(x.shape), x)[1]),
    "a function that counts": lambda: made(lambda self, x: counted(x)),
    "a function that counts, as its own": lambda: made(lambda self, x: self.act(x), act=counted),
    "a function that remembers": lambda: made(lambda self, x: remembering(x)),
    "half a function": lambda: made(lambda self, x: self.act(x), act=functools.partial(halved, times=2)),
    "code that is made": lambda: made(lambda self, x: eval("x * 2")),
}


@pytest.mark.parametrize("name", UNSTEADY)
def test_what_remembers_is_not(name: str) -> None:
    assert not is_steady(nn.Sequential(nn.Conv2d(3, 3, 1), UNSTEADY[name]()))


class Stepping(nn.Module):
    """A method, a property and an inherited forward that count."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0

    @property
    def scale(self) -> int:
        self._calls += 1
        return self._calls

    def step(self, x: Tensor) -> Tensor:
        self._calls += 1
        return x

    def unused(self) -> None:
        self._calls = 0


class ByProperty(Stepping):
    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class ByMethod(Stepping):
    def forward(self, x: Tensor) -> Tensor:
        return self.step(x)


class Inherited(ByMethod):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


class Calling(nn.Conv2d):
    def __call__(self, x: Tensor) -> Tensor:
        return super().__call__(x)


class Unused(Stepping):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


def test_what_forward_reaches_counts() -> None:
    assert is_steady(Unused())
    for model in (ByProperty(), ByMethod(), Inherited(), Calling(3, 4, 3)):
        assert not is_steady(model)


def test_hooks_and_replaced_methods_are_not() -> None:
    for hook in ("register_forward_hook", "register_forward_pre_hook"):
        model = plain()
        handle = getattr(model[0], hook)(lambda *_: None)
        assert not is_steady(model)
        handle.remove()
        assert is_steady(model)
    model[0].forward = model[0].forward
    assert not is_steady(model)
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    assert not is_steady(plain())
    handle.remove()
    assert is_steady(plain())
