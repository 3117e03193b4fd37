"""Packed convolutions give what torch's give: forward, backward, and the gradient of the gradient."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import featuremaps.packing
from featuremaps.draw.watcher import quick_precision
from featuremaps.folding import folded
from featuremaps.packing import Packed, Settings, can_be_packed, packable
from featuremaps.rules.affine import affine_of
from featuremaps.rules.operations import operation_of
from featuremaps.state import preserved
from nets import resnet20

CONVOLUTIONS = {
    "usual": {"inputs": 8, "outputs": 12, "kernel": 3, "padding": 1},
    "pointwise": {"inputs": 8, "outputs": 12, "kernel": 1},
    "strided": {"inputs": 8, "outputs": 12, "kernel": 3, "stride": 2, "padding": 1},
    "uneven": {"inputs": 8, "outputs": 12, "kernel": (3, 5), "stride": (2, 1), "padding": (0, 2)},
    "dilated": {"inputs": 8, "outputs": 12, "kernel": 3, "dilation": 2, "padding": 2},
    "grouped": {"inputs": 8, "outputs": 12, "kernel": 3, "groups": 4},
    "depthwise": {"inputs": 8, "outputs": 8, "kernel": 5, "stride": 2, "padding": 2, "groups": 8},
    "first": {"inputs": 3, "outputs": 16, "kernel": 7, "stride": 2, "padding": 3},
    "patches": {"inputs": 3, "outputs": 16, "kernel": 4, "stride": 4},
    "grey": {"inputs": 1, "outputs": 16, "kernel": 3, "stride": 3, "padding": 1},
}
BOTH = [torch.float32, torch.bfloat16]


def skip_where_it_is_emulated(dtype: torch.dtype) -> None:
    if dtype == torch.bfloat16 and quick_precision(torch.device("cpu")) != dtype:
        pytest.skip("this processor does not multiply in bfloat16")
    assert featuremaps.packing._works(dtype)


def made(inputs: int, outputs: int, kernel: int | tuple[int, int], **settings: object) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(inputs, outputs, kernel, **settings).requires_grad_(False)


def laid(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Numbers, channels last."""
    found = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    return found.contiguous(memory_format=torch.channels_last)


def packed(conv: nn.Conv2d, x: Tensor) -> Packed:
    settings = Settings(list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
    return Packed(conv.weight, conv.bias, settings, x.shape)


@pytest.mark.parametrize("dtype", BOTH)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_both_ways(name: str, dtype: torch.dtype) -> None:
    skip_where_it_is_emulated(dtype)
    conv = made(**CONVOLUTIONS[name]).to(dtype)
    x = laid(2, conv.in_channels, 21, 18, dtype=dtype).requires_grad_()
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 0.02, "atol": 0.02}
    wanted, found = conv(x), packed(conv, x)(x)
    torch.testing.assert_close(found, wanted, **close)
    assert found.is_contiguous(memory_format=torch.channels_last)
    towards = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    backs = [torch.autograd.grad(one, x, towards)[0] for one in (found, wanted)]
    torch.testing.assert_close(*backs, **close)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_the_gradient_of_the_gradient(name: str) -> None:
    conv = made(**CONVOLUTIONS[name])
    x = laid(2, conv.in_channels, 13, 14).requires_grad_()
    found = []
    for one in (conv, packed(conv, x)):
        first = torch.autograd.grad(one(x).pow(3).sum(), x, create_graph=True)[0]
        found.append(torch.autograd.grad(first.pow(2).sum(), x)[0])
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-3 * float(found[0].abs().max()))


def asked(conv: nn.Module, x: Tensor, dtype: torch.dtype = torch.float32) -> bool:
    operation = operation_of(nn.functional.conv2d, (x, conv.weight, conv.bias), {"padding": conv.padding})
    affine = affine_of(operation)
    return can_be_packed(affine) and packable(x, dtype)


def test_what_is_packed() -> None:
    conv, x = made(4, 6, 3), laid(2, 4, 8, 8)
    assert asked(conv, x)
    assert not asked(conv, x.contiguous()), "the result would be channels last where torch's is not"
    assert not asked(conv, x.double(), torch.float64)
    assert not asked(conv, x.as_subclass(type("Own", (Tensor,), {}))), "it may mean something else by a convolution"
    assert not asked(made(4, 6, 3, padding="same"), x)
    torch._C._set_mkldnn_enabled(False)
    try:
        assert not asked(conv, x)
    finally:
        torch._C._set_mkldnn_enabled(True)


def gone(*_: object) -> None:
    raise RuntimeError("no such operator")


@pytest.mark.parametrize(
    ("library", "works"),
    [
        (torch.ops.mkldnn, True),
        (SimpleNamespace(), False),
        (SimpleNamespace(_reorder_convolution_weight=gone), False),
        (
            SimpleNamespace(
                _reorder_convolution_weight=lambda weight, *_: weight,
                _convolution_pointwise=lambda x, weight, *_: x.new_zeros(2, 6, 3, 5),
                _reorder_convolution_transpose_weight=lambda weight, *_: weight,
                _convolution_transpose_pointwise=lambda y, *_: y.new_zeros(2, 4, 6, 5),
            ),
            False,
        ),
    ],
    ids=["as it is", "without", "refusing", "wrong"],
)
def test_a_torch_that_packs_otherwise_is_left_alone(
    library: object, works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        featuremaps.packing, "torch", SimpleNamespace(**{**vars(torch), "ops": SimpleNamespace(mkldnn=library)})
    )
    assert featuremaps.packing._works.__wrapped__(torch.float32) is works


class Refusing(TorchDispatchMode):
    """Lets nothing pass."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func} was seen")


def test_the_check_is_not_seen_by_those_who_watch() -> None:
    with Refusing():
        assert featuremaps.packing._works.__wrapped__(torch.float32)


class Layings(TorchDispatchMode):
    """Counts the weights that are laid out."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += "_reorder_convolution_weight" in func.name()
        return func(*args, **(kwargs or {}))


def layings(model: nn.Module, given: list[Tensor], run: Callable[[Tensor], object]) -> list[int]:
    """How many weights were laid out in each of several runs in one session."""
    assert featuremaps.packing._works(torch.float32)
    found = []
    with preserved(model) as session:
        for x in given:
            with Layings() as counted:
                folded(session, lambda x=x: run(x))
            found.append(counted.count)
    return found


def test_a_weight_is_laid_out_once_where_inputs_stay_alike() -> None:
    model, (large, small) = resnet20(), (laid(2, 3, 32, 32), laid(1, 3, 32, 32))
    convolutions = sum(isinstance(module, nn.Conv2d) for module in model.modules())
    wanted = model(large).detach()
    with torch.no_grad():
        found = layings(model, [large] * 4 + [small, large, large], model)
    assert found == [0, convolutions, 0, 0, convolutions, convolutions, 0]
    with preserved(model) as session, torch.no_grad():
        for _ in range(4):
            again = folded(session, lambda: model(large))
            torch.testing.assert_close(again, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_gradient_of_a_model(precision: str) -> None:
    skip_where_it_is_emulated(getattr(torch, precision))
    model = resnet20()
    found = []
    with preserved(model) as session, torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        for _ in range(4):
            x = laid(2, 3, 32, 32).requires_grad_()
            score = folded(session, lambda x=x: model(x))[:, 1].float().sum()
            found.append(torch.autograd.grad(score, x)[0].flatten())
    for one in found[1:]:
        assert torch.corrcoef(torch.stack([found[0], one]))[0, 1] > (0.99 if precision == "bfloat16" else 0.999999)
