"""One channel taken out at a time, beside a loop that sets it to zero and runs everything after it."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featuremaps.tail import Without

Build = Callable[[], nn.Module]


def made(*modules: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    for module in modules:
        for parameter in module.parameters():
            nn.init.normal_(parameter, std=0.3)
    return nn.Sequential(*modules).eval()


class Branches(nn.Module):
    """The maps are read three times, as in a residual block with a strided shortcut."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.narrow, self.shortcut = nn.Conv2d(6, 4, 1, bias=False), nn.Conv2d(6, 5, 1, stride=(2, 1))
        self.wide = nn.Conv2d(4, 5, 3, stride=(2, 1), padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        inner = self.wide(F.relu(self.narrow(maps)))
        return torch.tanh(inner + self.shortcut(maps)).mean((2, 3)) + maps.mean((1, 2, 3))[:, None]


class InPlaceFirst(nn.Module):
    """Changes a copy of the maps before the convolution, which must then see what they have become."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.conv = nn.Conv2d(6, 3, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return self.conv(F.relu(maps.clone(), inplace=True)).mean((2, 3))


MODELS: dict[str, Build] = {
    "1×1": lambda: made(nn.Conv2d(6, 4, 1)),
    "1×1, stride": lambda: made(nn.Conv2d(6, 4, 1, stride=2, bias=False), nn.ReLU()),
    "1×1, padded": lambda: made(nn.Conv2d(6, 4, 1, padding=1)),
    "3×3": lambda: made(nn.Conv2d(6, 4, 3, padding="same"), nn.ReLU()),
    "groups": lambda: made(nn.Conv2d(6, 4, 1, groups=2)),
    "two, of which one is first": lambda: made(nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 1)),
    "no convolution": lambda: made(nn.ReLU(), nn.AvgPool2d(2)),
    "branches": Branches,
    "in place first": InPlaceFirst,
}


@pytest.mark.parametrize("channels", [[0], [5, 2, 3]])
@pytest.mark.parametrize("name", MODELS)
def test_equals_a_loop_of_zeroed_channels(name: str, channels: list[int]) -> None:
    model = MODELS[name]()
    maps = torch.randn(2, 6, 5, 4, generator=torch.Generator().manual_seed(3))
    tail = lambda edited: torch.sin(model(edited).flatten(1)).sum(1)  # noqa: E731
    without = Without(tail, maps.clone())
    for _ in range(2):  # the copies serve twice
        found = without(torch.tensor(channels))
        for picture in range(2):
            for column, channel in enumerate(channels):
                edited = maps[picture : picture + 1].clone()
                edited[:, channel] = 0
                with torch.no_grad():
                    expected = tail(edited)[0]
                torch.testing.assert_close(found[picture, column], expected, rtol=1e-5, atol=1e-6)


def test_the_first_convolution_runs_once_on_the_whole_maps() -> None:
    """Ten channels cost one run of the 1×1 convolution, and ten of what follows."""
    seen: list[tuple[str, int]] = []

    class Watched(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            if func is torch.conv2d:
                seen.append(("1×1" if args[1].shape[2] == 1 else "3×3", len(args[0])))
            return func(*args, **(kwargs or {}))

    model = made(nn.Conv2d(10, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 3))
    maps = torch.randn(1, 10, 6, 6)
    without = Without(lambda edited: model(edited).sum((1, 2, 3)), maps)
    with Watched():
        without(torch.arange(10))
        without(torch.arange(10))
    assert seen == [("1×1", 1), ("3×3", 10), ("3×3", 10)]


def test_a_lower_precision_runs_everything_in_it() -> None:
    model = made(nn.Conv2d(6, 4, 1), nn.ReLU())
    kinds: list[torch.dtype] = []

    def tail(edited: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = model(edited)
        kinds.append(out.dtype)
        return out.float().sum((1, 2, 3))

    maps = torch.randn(1, 6, 4, 4)
    found = Without(tail, maps)(torch.tensor([1, 4]))
    edited = maps.repeat(2, 1, 1, 1)
    edited[0, 1], edited[1, 4] = 0, 0
    torch.testing.assert_close(found[0], tail(edited), rtol=1e-3, atol=1e-2)
    assert kinds == [torch.bfloat16] * 2
