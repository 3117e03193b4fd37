"""Tensors lie in memory as the model takes them; what passes free is kept."""

import platform
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.runtime.memory_format import quickest
from featuremaps.session import preserved
from method_samples import FEWER, noise


class Views(nn.Module):
    """Reshapes by `.view`, as the tutorials' networks do, which does not take tensors with their channels last."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv1, self.conv2, self.fc = nn.Conv2d(3, 6, 5), nn.Conv2d(6, 16, 1), nn.Linear(16 * 36, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.conv2(self.conv1(x).relu()).relu().view(-1, 16 * 36))


ELSEWHERE = {name for name, method in fm.METHODS.items() if {"attentions", "similarities"} & {*method.needs}}


@pytest.mark.parametrize("method", sorted({*fm.METHODS} - ELSEWHERE - {"cam"}))
def test_networks_that_reshape_by_view(method: str) -> None:
    """All methods take them, and give what they give for the same network with `.flatten`."""

    class Flattens(Views):
        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.conv2(self.conv1(x).relu()).relu().flatten(1))

    pictures, options = noise(2, (10, 10)), FEWER.get(method, {})
    for layer in ("conv1", "conv2"):
        found = fm.Scope(Views().eval()).explain(pictures, method, layer=layer, target=1, **options).tensor
        expected = fm.Scope(Flattens().eval()).explain(pictures, method, layer=layer, target=1, **options).tensor
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def _windows(maps: Tensor) -> Tensor:
    """Windows of 2×2, (batch, channel, rows, columns, 2, 2), by steps that are written for contiguous maps."""
    batch, channels, height, width = maps.shape
    strides = (channels * height * width, height * width, 2 * width, 2, width, 1)
    return maps.as_strided((batch, channels, height // 2, width // 2, 2, 2), strides)


def _asserted(maps: Tensor) -> Tensor:
    assert maps.is_contiguous()
    return maps.unfold(2, 2, 2).unfold(3, 2, 2)


def _needed(maps: Tensor) -> Tensor:
    if not maps.is_contiguous():  # as extensions in C++ check it
        raise RuntimeError("input tensor has to be contiguous")
    return maps.unfold(2, 2, 2).unfold(3, 2, 2)


class Cut(nn.Module):
    """Cuts its maps into windows, in some way, and weighs the places in each."""

    def __init__(self, cut: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.before, self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1), nn.Linear(6, 3)
        self._cut = cut

    def forward(self, x: Tensor) -> Tensor:
        windows = self._cut(self.conv(self.before(x).relu()).relu())
        return self.fc((windows[..., 0, 1] - windows[..., 1, 0] ** 2)[:, :, 0].mean(2))


@pytest.mark.parametrize("cut", [_windows, _asserted, _needed])
@pytest.mark.parametrize("method", ["score_cam", "ablation_cam", "rise", "occlusion", "integrated_gradients"])
def test_networks_that_take_contiguous_maps_only(method: str, cut: Callable[[Tensor], Tensor]) -> None:
    """One that steps through another layout by `as_strided` would read other values, without an error of torch's."""
    pictures, options = noise(2, (8, 8)), FEWER.get(method, {})
    for layer in ("before", "conv"):
        given = {} if method in ("rise", "occlusion", "integrated_gradients") else {"layer": layer}
        expected = fm.Scope(Cut(lambda maps: maps.unfold(2, 2, 2).unfold(3, 2, 2)).eval())
        wanted = expected.explain(pictures, method, target=1, **given, **options).tensor
        found = fm.Scope(Cut(cut).eval()).explain(pictures, method, target=1, **given, **options).tensor
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))


class Viewing(nn.Module):
    """Looks at maps with `.view`, and counts its runs."""

    runs = 0

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        self.runs += 1
        return self.conv(x).view(len(x), -1)


def test_a_model_that_refuses_channels_last_is_asked_once() -> None:
    torch.manual_seed(0)
    model, x = Viewing().eval(), torch.randn(2, 3, 8, 8)
    for runs in (2, 1):
        with preserved(model) as session:
            found = quickest(session, lambda layout: model(x.contiguous(memory_format=layout)))
            assert model.runs == runs
        assert model.runs == 0
    torch.testing.assert_close(found, model(x))
    wanted = torch.autograd.grad(model(x.requires_grad_())[:, 1].sum(), x)[0]
    torch.testing.assert_close(fm.Scope(model).explain(x.detach(), "saliency", target=1).tensor, wanted)


FAULTS = """
import os, resource, torch
from featuremaps.runtime.memory_format import keep_freed_memory

for kept in (False, True):
    if os.fork():  # each in a process of its own
        os.wait()
        continue
    if kept:
        keep_freed_memory()
    torch.ones(6_750_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(6_740_000)  # glibc before 2.38 wants some room beside an aligned block
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before, flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc learns what to keep")
def test_freed_memory_is_kept() -> None:
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, check=True, text=True)
    fetched_anew, kept = map(int, done.stdout.split())
    assert fetched_anew > 5_000, "27 MB in pages of 4 KB"
    assert kept < 1_000
