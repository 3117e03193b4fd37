"""Runs with batch norms folded give what the model gives, whatever the model does with its convolutions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import featuremaps as fm
from families import FAMILIES, calibrated
from featuremaps.folding import folded
from featuremaps.state import preserved
from nets import resnet20
from snapshots import snapshot


class Norms(TorchDispatchMode):
    """Counts the batch norms that really run."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += "batch_norm" in func.name()
        return func(*args, **(kwargs or {}))


@contextmanager
def counted() -> Iterator[Callable[[], int]]:
    with Norms() as norms:
        yield lambda: norms.count


def lively(model: nn.Module) -> nn.Module:
    """With statistics that a batch norm has after training, not its first ones."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.copy_(0.1 * torch.randn(module.num_features, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.num_features, generator=generator))
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()


def thrice(model: nn.Module, x: Tensor) -> tuple[list[Tensor], list[int]]:
    """Three runs in one session, and how many batch norms ran in each."""
    found, norms = [], []
    with preserved(model) as session, torch.no_grad():
        for _ in range(3):
            with counted() as count:
                found.append(folded(session, lambda: model(x)))
                norms.append(count())
    return found, norms


def check(model: nn.Module, x: Tensor, left: int | None) -> None:
    """All runs give what the model gives, to rounding; from the second on `left` batch norms run (None: all)."""
    model = lively(model)
    with torch.no_grad():
        wanted = model(x)
    before = snapshot(model, x)
    found, norms = thrice(model, x)
    assert before.differences(snapshot(model, x)) == []
    for one in found:
        torch.testing.assert_close(one, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))
    assert norms[1] == norms[2] == (norms[0] if left is None else left)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_the_same(name: str) -> None:
    torch.manual_seed(0)
    model, size = calibrated(FAMILIES[name]), FAMILIES[name].size
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    left = {"densenet121": 62}.get(name, 0)  # it normalises before half of its convolutions
    x = torch.randn(2, 3, size, size)
    check(model, x, left if norms else None)
    check(model, x.contiguous(memory_format=torch.channels_last), left if norms else None)


def test_functional_layers() -> None:
    check(resnet20(), torch.randn(2, 3, 32, 32), 0)


class Net(nn.Module):
    """One convolution and batch norm; `use` says what else becomes of the convolution's output."""

    def __init__(self, use: Callable[["Net", Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, groups=1)
        self.norm, self.other = nn.BatchNorm2d(4), nn.BatchNorm2d(4)
        self.flip = False
        self.use = use

    def forward(self, x: Tensor) -> Tensor:
        return self.use(self, x, self.conv(x))


def alone(net: Net, x: Tensor, y: Tensor) -> Tensor:
    assert y.shape[1] == y.size(1) == 4
    return net.norm(y).relu_()


def used_before(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return y.mean((2, 3), keepdim=True) + net.norm(y)


def used_after(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([net.norm(y), y], 1)


def converted(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return y.type(torch.float64).float() + net.norm(y)


def normed_twice(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(y) + net.other(y)


def shared_convolution(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(y) - net.other(net.conv(x * 2))


def written_into(net: Net, x: Tensor, y: Tensor) -> Tensor:
    y[:, 0] = 1.0
    return net.norm(y)


def other_settings(net: Net, x: Tensor, y: Tensor) -> Tensor:
    wider = nn.functional.conv2d(x, net.conv.weight, net.conv.bias, stride=[1, 1], dilation=2)
    return net.norm(y).mean((2, 3)) + net.other(wider).mean((2, 3))


def other_bias(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(y) + net.norm(nn.functional.conv2d(x, net.conv.weight, net.other.weight))


@pytest.mark.parametrize(
    ("use", "left"),
    [
        (alone, 0),
        (other_settings, 0),
        (other_bias, 0),
        (used_before, 1),
        (used_after, 1),
        (converted, 1),
        (normed_twice, 2),
        (shared_convolution, 2),
        (written_into, 1),
    ],
)
def test_only_what_goes_into_one_batch_norm_alone_is_folded(use: Callable[..., Tensor], left: int) -> None:
    torch.manual_seed(0)
    check(Net(use), torch.randn(2, 3, 8, 8), left)


# A later use after the batch norm cannot be told from one of what the batch norm gives.
@pytest.mark.parametrize("late", [used_before, written_into, lambda net, x, y: net.other(y), lambda net, x, y: y])
def test_a_model_that_takes_another_way_later_is_run_as_it_is(late: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    model = lively(Net(lambda net, x, y: late(net, x, y) if net.flip else alone(net, x, y)))
    x = torch.randn(2, 3, 8, 8)
    with preserved(model) as session, torch.no_grad():
        for _ in range(2):
            folded(session, lambda: model(x))
        model.flip = True
        torch.testing.assert_close(folded(session, lambda: model(x)), model(x))
        model.flip = False
        torch.testing.assert_close(folded(session, lambda: model(x)), model(x))


def test_a_convolution_that_is_looked_at_is_not_folded() -> None:
    torch.manual_seed(0)
    model, x = lively(Net(alone)), torch.randn(1, 3, 8, 8)
    seen: list[Tensor] = []
    model.conv.register_forward_hook(lambda module, args, output: seen.append(output.detach()))
    with torch.no_grad():
        model(x)
    thrice(model, x)
    assert all(torch.equal(one, seen[0]) for one in seen)


@pytest.mark.parametrize("kind", ["transposed", "grouped", "1d", "3d", "no affine", "with bias"])
def test_every_kind_of_convolution(kind: str) -> None:
    torch.manual_seed(0)
    conv, norm, axes = {
        "transposed": (nn.ConvTranspose2d(4, 6, 3, 2, groups=2), nn.BatchNorm2d(6), 2),
        "grouped": (nn.Conv2d(4, 8, 3, groups=4, padding="same"), nn.BatchNorm2d(8), 2),
        "1d": (nn.Conv1d(4, 5, 3), nn.BatchNorm1d(5), 1),
        "3d": (nn.Conv3d(4, 5, 3), nn.BatchNorm3d(5), 3),
        "no affine": (nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5, affine=False), 2),
        "with bias": (nn.Conv2d(4, 5, 3, bias=True, padding=1, padding_mode="circular"), nn.BatchNorm2d(5), 2),
    }[kind]
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    model, x = nn.Sequential(conv, norm).eval(), torch.randn(2, 4, *[8] * axes)
    with torch.no_grad():
        wanted = model(x)
    found, norms = thrice(model, x)
    assert norms == [1, 0, 0]
    torch.testing.assert_close(found[2], wanted, rtol=1e-4, atol=1e-5)


def test_statistics_that_are_not_finite_are_left_to_the_batch_norm() -> None:
    model, x = Net(alone).eval(), torch.randn(1, 3, 8, 8)
    model.norm.running_mean[0] = torch.nan
    found, norms = thrice(model, x)
    assert norms == [1, 1, 1]
    assert found[2][:, 0].isnan().all()


def test_in_lower_precision_it_is_as_close_as_the_model_itself() -> None:
    torch.manual_seed(0)
    model, x = lively(calibrated(FAMILIES["resnet18"])), torch.randn(2, 3, 64, 64)
    with preserved(model) as session, torch.no_grad():
        exact = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            plain = model(x).float()
            found = [folded(session, lambda: model(x)).float() for _ in range(3)]
    error, scale = (plain - exact).abs().max(), exact.abs().max()
    assert float(error) > 0
    assert torch.equal(found[0], plain)
    for one in found[1:]:
        assert float((one - exact).abs().max()) < max(2 * float(error), 0.02 * float(scale))


def test_gradients_of_the_input_are_the_same_and_weights_get_none() -> None:
    torch.manual_seed(0)
    model, x = lively(resnet20()).double(), torch.randn(2, 3, 32, 32, dtype=torch.float64).requires_grad_()
    wanted = torch.autograd.grad(model(x)[:, 3].sum(), x)[0]
    with preserved(model) as session:
        for _ in range(2):
            found = torch.autograd.grad(folded(session, lambda: model(x))[:, 3].sum(), x)[0]
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-9 * float(wanted.abs().max()))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_an_error_on_the_way_teaches_nothing() -> None:
    torch.manual_seed(0)
    model, x = lively(Net(alone)), torch.randn(1, 3, 8, 8)
    with preserved(model) as session, torch.no_grad():
        with pytest.raises(KeyboardInterrupt):
            folded(session, lambda: (model.conv(x), interrupt()))
        with counted() as count:
            folded(session, lambda: model(x))
        assert count() == 1
        with counted() as count:
            folded(session, lambda: model(x))
        assert count() == 0


def interrupt() -> None:
    raise KeyboardInterrupt


def test_another_session_knows_nothing_of_weights_changed_between() -> None:
    torch.manual_seed(0)
    model, x = lively(resnet20()), torch.randn(1, 3, 32, 32)
    scope = fm.Scope(model)
    first = scope.explain(x, "score_cam", layer="layer3").tensor
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight *= -1
    assert not torch.allclose(scope.explain(x, "score_cam", layer="layer3").tensor, first)
