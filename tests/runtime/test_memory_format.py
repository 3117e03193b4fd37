"""A model that does not run on what it is given says why in words; what passes free is kept."""

import platform
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
import torchvision
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import ModelError
from featuremaps.runtime.memory_format import quickest, run_on
from featuremaps.session import preserved
from method_samples import FEWER, Little, noise
from snapshots import snapshot

SMALL = torch.rand(1, 3, 6, 6)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, picture: Tensor, depth: Tensor) -> Tensor:
        return self.conv(picture + depth).mean((2, 3))


@pytest.mark.parametrize(
    "ask",
    [
        lambda scope: scope.explain(SMALL, "saliency"),
        lambda scope: scope.explain(SMALL, "lrp"),
        lambda scope: scope.explain(SMALL, "occlusion"),
        lambda scope: scope.explain(SMALL, "grad_cam", layer="features"),
        lambda scope: scope.maps(SMALL, "features"),
        lambda scope: scope.project(SMALL, "features.3:1"),
        lambda scope: scope.record(SMALL, "features"),
    ],
)
def test_pictures_smaller_than_the_kernel(ask: object) -> None:
    model = torchvision.models.squeezenet1_0().eval()
    before = snapshot(model, SMALL)
    with pytest.raises(ModelError, match="SqueezeNet cannot run on pictures of 6×6: they are smaller than a kernel"):
        ask(fm.Scope(model))  # type: ignore[operator]
    assert before.differences(snapshot(model, SMALL)) == []


@pytest.mark.parametrize("ask", [lambda s: s.explain(noise(1), "saliency"), lambda s: s.maps(noise(1), "conv")])
def test_a_model_of_two_inputs(ask: object) -> None:
    with pytest.raises(ModelError, match=r"Two.forward takes 2 inputs \(picture, depth\), .* Wrap it in a module"):
        ask(fm.Scope(Two()))  # type: ignore[operator]


class ByName(Little):
    def forward(self, *, pixels: Tensor) -> Tensor:
        return super().forward(pixels)


class OfDict(Little):
    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        return super().forward(batch["image"])


class Positions(Little):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + torch.zeros(1, 3, 24, 24))


class Mixing(Little):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.double())


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        (ByName, noise(1), r"ByName.forward takes its inputs by name only \(pixels\)"),
        (OfDict, noise(1), "Where it takes a dict or a list, wrap it"),
        (Mixing, noise(1), "it computes in several precisions"),
        (Little, torch.zeros(1, 16, 16, 4), r"tensor.permute\(0, 3, 1, 2\) puts them first"),
        (Positions, noise(1), "values do not fit each other, as places and their embeddings"),
    ],
)
def test_inputs_that_a_model_takes_otherwise(model: type[Little], inputs: Tensor, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        fm.Scope(model()).explain(inputs, "saliency")


class Mapped(Little):
    def forward(self, x: Tensor) -> Tensor:
        pooled = self.features(x).mean((2, 3))
        weights = self.head.weight * torch.tensor([1.0, 2.0])[:, None, None]
        return torch.vmap(lambda weight: pooled @ weight.T)(weights).sum(0)


class Inward(Little):
    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            maps = self.features(x)
            (inner,) = torch.autograd.grad(maps.square().sum(), maps)
        return self.head((maps - inner).mean((2, 3)))


@pytest.mark.parametrize(
    ("model", "method", "words"),
    [
        (Mapped, "lrp", "Mapped runs a part of itself through torch.vmap"),
        (Inward, "ablation_cam", "takes gradients"),
    ],
)
def test_models_that_use_gradients_themselves(model: type[Little], method: str, words: str) -> None:
    scope = fm.Scope(model())
    assert scope.explain(noise(1), layer="features").tensor.isfinite().all()
    with pytest.raises(ModelError, match=words):
        scope.explain(noise(1), method, layer="features")


def test_a_second_derivative_that_torch_does_not_have_is_said() -> None:
    with (
        pytest.raises(
            ModelError, match="Little has an operation whose gradient has none of its own, which this method"
        ),
        run_on(Little(), noise(1)),
    ):
        raise RuntimeError("derivative for aten::_fused_backward is not implemented")


def test_other_errors_of_a_model_stay_its_own() -> None:
    class Broken(Little):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own"):
        fm.Scope(Broken()).explain(noise(1), "saliency")


def test_weights_that_are_not_finite_are_named_before_a_unit_is_projected() -> None:
    model = Little()
    with torch.no_grad():
        model.features.conv3.weight[1] = torch.nan
    with pytest.raises(ModelError, match=r"unit features:1 has values that are not finite.*features.conv3.weight"):
        fm.Scope(model).project(noise(1), "features:1")


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


class OfOneSize(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:] != (64, 64):
            raise ValueError(f"Input image size ({x.shape[2]}*{x.shape[3]}) doesn't match model (64*64).")
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Conv2d(1, 2, 3), r"it takes grey pictures, of one channel, and was given three.*--grey"),
        (OfOneSize(), r"it takes pictures of one size\. Give a transform of that size, .*--size\. .*model \(64\*64\)"),
    ],
    ids=["grey", "one size"],
)
def test_what_a_transform_should_have_done_is_said(model: nn.Module, message: str) -> None:
    with pytest.raises(ModelError, match=message), run_on(model, torch.zeros(1, 3, 32, 32)):
        model(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("selected index k out of range", "cannot run on pictures of 9×9: too few places are left of them"),
        (
            "Expected more than 1 value per channel when training, got input size [1, 8, 1, 1]",
            "too few places are left",
        ),
        ("The size of tensor a (784) must match the size of tensor b (64)", "pictures of the size that it takes"),
        ("There was no rule registered for HigherOrderOperator flex_attention", "Give it scaled_dot_product_attention"),
    ],
)
def test_what_torch_says_of_a_model_is_put_into_words(said: str, meant: str) -> None:
    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError(said)

    with pytest.raises(ModelError, match=meant), run_on(Fails(), torch.zeros(1, 3, 9, 9)):
        Fails()(torch.zeros(1, 3, 9, 9))


def test_grey_pictures_for_a_model_of_colours_are_told() -> None:
    with pytest.raises(ModelError, match=r"takes pictures in colours.*Leave out grey=True, --grey"):
        fm.Scope(nn.Conv2d(3, 2, 3)).record(torch.rand(1, 1, 8, 8), "last", gradients=False)
