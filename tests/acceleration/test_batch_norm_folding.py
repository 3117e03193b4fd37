"""Runs with batch norms folded give what the model gives, whatever the model does with its convolutions."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest
import torch
import torchvision
from benchmarks.resnet20 import resnet20
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

import featuremaps as fm
from families import FAMILIES, calibrated
from featuremaps.acceleration.batch_norm_folding import batch_norms_folded
from featuremaps.layers import known
from featuremaps.layers.discover import walk
from featuremaps.session import preserved
from featuremaps.tail import Tail
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
            if module.affine:
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, 0, 0.1)
    return model.eval()


def twice(model: nn.Module, x: Tensor) -> tuple[list[Tensor], list[int]]:
    """Two folded runs in one session, and how many batch norms ran in each."""
    found, norms = [], []
    with preserved(model) as session, torch.no_grad():
        for _ in range(2):
            with counted() as count, batch_norms_folded(session):
                found.append(model(x))
                norms.append(count())
    return found, norms


def check(model: nn.Module, x: Tensor, left: int | None) -> None:
    """In double precision all runs give what the model gives; `left` batch norms run in each (None: all)."""
    model, x = lively(model).double(), x.double()
    with torch.no_grad(), counted() as count:
        wanted = model(x)
        norms = count() if left is None else left
    before = snapshot(model, x)
    assert twice(model, x)[1] == [norms, norms]
    for found in twice(model, x)[0]:
        torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9 * float(wanted.abs().max()))
    assert before.differences(snapshot(model, x)) == []


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_gives_the_same(name: str) -> None:
    torch.manual_seed(0)
    model, size = calibrated(FAMILIES[name]), FAMILIES[name].size
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    left = {"densenet121": 13}.get(name, 0)  # it normalises before half of its convolutions
    x = torch.randn(2, 3, size, size)
    check(model, x, left if norms else None)
    check(model, x.contiguous(memory_format=torch.channels_last), left if norms else None)


@pytest.mark.parametrize("name", ["resnet18", "inception_v3", "mobilenet_v3_small"])
def test_in_single_precision_it_is_the_same_to_rounding(name: str) -> None:
    torch.manual_seed(0)
    model, x = lively(calibrated(FAMILIES[name])), torch.randn(2, 3, FAMILIES[name].size, FAMILIES[name].size)
    with torch.no_grad():
        wanted = model(x)
    for found in twice(model, x)[0]:
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize(
    ("name", "all_norms", "folded"),
    [
        ("resnet18", 20, 20),
        ("mobilenet_v3_small", 34, 34),
        ("googlenet", 59, 57),  # two are in the auxiliary heads, which run in training only
        ("efficientnet_b0", 49, 49),
    ],
)
def test_how_many_are_folded(name: str, all_norms: int, folded: int) -> None:
    model = torchvision.models.get_model(name, **({"init_weights": False} if name == "googlenet" else {})).eval()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    with preserved(model) as session, batch_norms_folded(session):
        assert (len(norms), sum("forward" in vars(norm) for norm in norms)) == (all_norms, folded)
    assert not any("forward" in vars(module) for module in model.modules())


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
    return net.norm(y).relu_()


def by_name(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(input=y)


def used_before(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return y.mean((2, 3), keepdim=True) + net.norm(y)


def used_after(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return torch.cat([net.norm(y), y], 1)


def converted(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return y.type(torch.float64).to(x.dtype) + net.norm(y)


def normed_twice(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(y) + net.other(y)


def shared_convolution(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(y) - net.other(net.conv(x * 2))


def shared_norm(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(y) - net.norm(x.mean(1, keepdim=True).expand(-1, 4, -1, -1)).mean()


def written_into(net: Net, x: Tensor, y: Tensor) -> Tensor:
    y[:, 0] = 1.0
    return net.norm(y)


def other_settings(net: Net, x: Tensor, y: Tensor) -> Tensor:
    wider = nn.functional.conv2d(x, net.conv.weight, net.conv.bias, stride=[1, 1], dilation=2)
    return net.norm(y).mean((2, 3)) + net.other(wider).mean((2, 3))


def other_bias(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(y) + net.norm(nn.functional.conv2d(x, net.conv.weight, net.other.weight))


def a_method_of_the_same_name(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(x.mean(1, keepdim=True).expand(-1, 4, -1, -1)).sum((1, 2, 3)) * y.norm()


def adapts(net: Net, x: Tensor, y: Tensor) -> Tensor:
    with torch.no_grad():
        net.norm.running_mean.add_(x.mean())
    return net.norm(y)


def branches(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return net.norm(y) if x.sum() > 0 else y


def checkpointed(net: Net, x: Tensor, y: Tensor) -> Tensor:
    return checkpoint(lambda x: net.norm(net.conv(x)), x + y.mean(), use_reentrant=False)


@pytest.mark.parametrize(
    ("use", "left"),
    [
        (alone, 0),
        (by_name, 0),
        (used_before, 1),
        (used_after, 1),
        (converted, 1),
        (normed_twice, 2),
        (shared_convolution, 2),
        (shared_norm, 2),
        (written_into, 1),
        (other_settings, 2),
        (other_bias, 2),
        (a_method_of_the_same_name, 1),
        (branches, None),
        (checkpointed, 1),
    ],
)
def test_only_what_goes_into_one_batch_norm_alone_is_folded(use: Callable[..., Tensor], left: int | None) -> None:
    torch.manual_seed(0)
    check(Net(use), torch.randn(2, 3, 8, 8), left)


def test_a_model_that_writes_to_its_statistics_is_not_folded() -> None:
    assert twice(Net(adapts).eval(), torch.randn(2, 3, 8, 8))[1] == [1, 1]


@pytest.mark.parametrize("late", [used_before, written_into, lambda net, x, y: net.other(y), lambda net, x, y: y])
def test_a_model_that_takes_another_way_in_the_next_session(late: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    model = lively(Net(lambda net, x, y: late(net, x, y) if net.flip else alone(net, x, y))).double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    for flip in (False, True, False):
        model.flip = flip
        with torch.no_grad():
            wanted = model(x)
        torch.testing.assert_close(twice(model, x)[0][1], wanted)


@pytest.mark.parametrize("late", [used_before, lambda net, x, y: net.other(y), lambda net, x, y: y])
def test_a_model_that_takes_another_way_in_its_next_run(late: Callable[..., Tensor]) -> None:
    """It says so by what it leaves on itself, and is not folded."""

    def turns(net: Net, x: Tensor, y: Tensor) -> Tensor:
        net.flip = not net.flip
        return alone(net, x, y) if net.flip else late(net, x, y)

    torch.manual_seed(0)
    model, x = lively(Net(turns)).double(), torch.randn(2, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        wanted = [model(x), model(x)]
    for found, expected in zip(twice(model, x)[0], wanted, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("module", ["conv", "norm"])
@pytest.mark.parametrize("kind", ["forward", "forward_pre", "full_backward", "full_backward_pre"])
def test_what_the_user_hooks_onto_is_not_folded(module: str, kind: str) -> None:
    model, x = lively(Net(alone)), torch.randn(1, 3, 8, 8)
    seen: list[Tensor] = []
    hook = getattr(model.get_submodule(module), f"register_{kind}_hook")
    handle = hook(lambda module, args, *output: seen.append(args))
    assert twice(model, x)[1] == [1, 1]
    handle.remove()
    assert twice(model, x)[1] == [0, 0]


def test_a_hook_that_comes_later_sees_what_the_convolution_gives() -> None:
    model, x = lively(Net(alone)), torch.randn(1, 3, 8, 8)
    seen: list[Tensor] = []
    with preserved(model) as session, torch.no_grad():
        wanted = model.conv(x)
        with batch_norms_folded(session):
            model(x)
        session.on_forward(model.conv, lambda module, args, output: seen.append(output))
        with batch_norms_folded(session):
            model(x)
    assert torch.equal(seen[0], wanted)


def test_a_replaced_forward_is_kept() -> None:
    model, x = lively(Net(alone)), torch.randn(1, 3, 8, 8)
    own = model.norm.forward
    model.norm.forward = lambda y: 2 * own(y)
    with torch.no_grad():
        wanted = model(x)
    assert torch.equal(twice(model, x)[0][1], wanted)
    assert "forward" in vars(model.norm)


def test_a_convolution_that_is_looked_at_is_not_folded() -> None:
    torch.manual_seed(0)
    model, x = lively(calibrated(FAMILIES["resnet18"])), torch.randn(1, 3, 64, 64)
    layers = ["layer1.0.conv2", "layer1.0.bn2"]
    with torch.no_grad():
        wanted = fm.Scope(model).record(x, layers, gradients=False).activations
    with preserved(model) as session, torch.no_grad():
        seen: dict[nn.Module, Tensor] = {}
        for apart in (["layer1.0.conv2"], [], layers):
            seen.clear()
            with counted() as count, batch_norms_folded(session, apart), session.one_pass() as hooks:
                for layer in layers:
                    hooks.on_forward(model.get_submodule(layer), lambda module, _, y: seen.update({module: y.clone()}))
                model(x)
            assert count() == (1 if apart else 0)
            for layer in layers if apart else layers[1:]:
                torch.testing.assert_close(seen[model.get_submodule(layer)], wanted[layer], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", ["conv1", "bn1", "layer3.0.conv2", "layer3.0.conv2#0"])
@pytest.mark.parametrize("method", ["ablation_cam", "score_cam", "finer_cam"])
def test_maps_of_a_convolution_are_those_of_a_model_without_folding(
    method: str, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model = lively(resnet20()).double()
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    found = fm.Scope(model).explain(x, method, layer=layer, target=3).tensor
    monkeypatch.setattr("featuremaps.acceleration.batch_norm_folding._fused", lambda model: ())
    wanted = fm.Scope(model).explain(x, method, layer=layer, target=3).tensor
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("way", ["fx", "export", "replace"])
@pytest.mark.parametrize("layer", ["conv1", "layer3.1.bn1", "layer3.1.conv2"])
def test_every_way_of_a_tail_is_right_wherever_it_was_made(layer: str, way: str) -> None:
    torch.manual_seed(0)
    model = lively(resnet20()).double()
    x = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    with preserved(model) as session, torch.no_grad():
        before = Tail(model, layer, x, way=way)
        edited = before.output * torch.rand_like(before.output)
        wanted = before(edited)
        with batch_norms_folded(session, [layer]):
            torch.testing.assert_close(before(edited), wanted, rtol=1e-9, atol=1e-9)
            within = Tail(model, layer, x, way=way)
            torch.testing.assert_close(within(edited), wanted, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(within(edited), wanted, rtol=1e-9, atol=1e-9)


KINDS: dict[str, tuple[Callable[[], nn.Module], int, int]] = {
    "plain": (lambda: nn.Sequential(nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)), 2, 0),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(4, 6, 3, 2), nn.BatchNorm2d(6)), 2, 0),
    "transposed 3d": (lambda: nn.Sequential(nn.ConvTranspose3d(4, 6, 3, 2), nn.BatchNorm3d(6)), 3, 0),
    "transposed in groups": (lambda: nn.Sequential(nn.ConvTranspose2d(4, 4, 3, groups=4), nn.BatchNorm2d(4)), 2, 1),
    "grouped": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=4, padding="same"), nn.BatchNorm2d(8)), 2, 0),
    "1d": (lambda: nn.Sequential(nn.Conv1d(4, 5, 3), nn.BatchNorm1d(5)), 1, 0),
    "3d": (lambda: nn.Sequential(nn.Conv3d(4, 5, 3), nn.BatchNorm3d(5)), 3, 0),
    "no affine": (lambda: nn.Sequential(nn.Conv2d(4, 5, 3), nn.BatchNorm2d(5, affine=False)), 2, 0),
    "circular": (
        lambda: nn.Sequential(nn.Conv2d(4, 5, 3, padding=1, padding_mode="circular"), nn.BatchNorm2d(5)),
        2,
        0,
    ),
    "no bias": (lambda: nn.Sequential(nn.Conv2d(4, 5, 3, bias=False), nn.BatchNorm2d(5)), 2, 0),
    "parametrized": (
        lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 5, 3)), nn.BatchNorm2d(5)),
        2,
        1,
    ),
    "in a block of its own": (lambda: nn.Sequential(nn.Sequential(nn.Conv2d(4, 5, 3)), nn.BatchNorm2d(5)), 2, 1),
    "norm first": (lambda: nn.Sequential(nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3)), 2, 1),
    "instance norm": (lambda: nn.Sequential(nn.Conv2d(4, 5, 3), nn.InstanceNorm2d(5)), 2, None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_convolution(kind: str) -> None:
    torch.manual_seed(0)
    make, axes, left = KINDS[kind]
    check(make(), torch.randn(2, 4, *[8] * axes), left)


def test_a_convolution_whose_weights_another_shares() -> None:
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
    second.weight = first.weight
    check(nn.Sequential(first, nn.BatchNorm2d(3), nn.ReLU(), second), torch.randn(1, 3, 8, 8), 0)


def test_statistics_of_the_batch_itself_are_left_to_the_batch_norm() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(twice(model, x)[0][1], model(x))


def test_statistics_that_are_not_finite_are_left_to_the_batch_norm() -> None:
    model, x = Net(alone).eval(), torch.randn(1, 3, 8, 8)
    model.norm.running_mean[0] = torch.nan
    found, norms = twice(model, x)
    assert norms == [1, 1]
    assert found[1][:, 0].isnan().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_not_folded(dtype: torch.dtype) -> None:
    model, x = lively(Net(alone)).to(dtype), torch.randn(1, 3, 8, 8).to(dtype)
    found, norms = twice(model, x)
    assert norms == [1, 1]
    with torch.no_grad():
        assert torch.equal(found[1], model(x))


def test_in_lower_precision_it_is_as_close_as_the_model_itself() -> None:
    torch.manual_seed(0)
    model, x = lively(calibrated(FAMILIES["resnet18"])), torch.randn(2, 3, 64, 64)
    with preserved(model) as session, torch.no_grad():
        exact = model(x)
        with torch.autocast("cpu", torch.bfloat16):
            plain = model(x).float()
            with counted() as count, batch_norms_folded(session):
                found = model(x).float()
                assert count() == 0
    error, scale = (plain - exact).abs().max(), exact.abs().max()
    assert float(error) > 0
    assert float((found - exact).abs().max()) < max(2 * float(error), 0.02 * float(scale))


def test_gradients_of_the_input_are_the_same_and_weights_get_none() -> None:
    torch.manual_seed(0)
    model, x = lively(resnet20()).double(), torch.randn(2, 3, 32, 32, dtype=torch.float64).requires_grad_()

    def gradients() -> tuple[Tensor, Tensor]:
        (first,) = torch.autograd.grad(model(x)[:, 3].square().sum(), x, create_graph=True)
        return first, torch.autograd.grad(first.square().sum(), x)[0]

    wanted = gradients()
    with preserved(model) as session, batch_norms_folded(session):
        found = gradients()
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9 * float(other.detach().abs().max()))
    assert all(parameter.grad is None for parameter in model.parameters())


def raise_it(model: Net, error: type[BaseException]) -> None:
    assert "forward" in vars(model.conv)
    raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_whatever_happens_the_model_comes_back(error: type[BaseException]) -> None:
    torch.manual_seed(0)
    model, x = lively(Net(alone)), torch.randn(1, 3, 8, 8)
    before = snapshot(model, x)
    with preserved(model) as session, torch.no_grad(), session.one_pass() as shorter:
        with pytest.raises(error), batch_norms_folded(shorter):
            raise_it(model, error)
        assert not any("forward" in vars(module) for module in model.modules())
        with counted() as count, batch_norms_folded(session):
            model(x)
            assert count() == 0
    assert before.differences(snapshot(model, x)) == []


def test_finding_what_can_be_folded_draws_no_random_numbers() -> None:
    model, x = Net(lambda net, x, y: net.norm(y) + torch.rand(1)).eval(), torch.randn(1, 3, 8, 8)
    torch.manual_seed(0)
    with torch.no_grad():
        wanted = model(x)
    torch.manual_seed(0)
    torch.testing.assert_close(twice(model, x)[0][0], wanted)


def test_a_layer_that_is_drawn_is_the_models_own() -> None:
    torch.manual_seed(0)
    scope = fm.Scope(lively(resnet20()))
    drawing = scope.draw("layer1.0.conv2:3", steps=2, size=32, precision="float32")[0]
    shown = scope.record(drawing.picture[None], "layer1.0.conv2", gradients=False)
    assert drawing.value == pytest.approx(float(shown.activations["layer1.0.conv2"][0, 3].mean()), rel=0.05, abs=1e-3)


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


def small() -> nn.Module:
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 8))


@pytest.mark.parametrize("models", [1, 2])
def test_threads_get_what_one_alone_gets(models: int) -> None:
    """Over one model they take turns; over several, a trace in one must not hear another's run."""
    torch.manual_seed(0)
    scopes = [fm.Scope(lively(small())) for _ in range(models)]
    pictures = [torch.randn(1, 3, 10, 10) for _ in range(8)]

    def explained(number: int) -> list[Tensor]:
        scope, x = scopes[number % models], pictures[number]
        return [
            scope.explain(x, "grad_cam", layer="3", target=number).tensor,
            scope.explain(x, "occlusion", target=number).tensor,
        ]

    wanted = [explained(number) for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(explained, range(8)))
    for one, other in zip(found, wanted, strict=True):
        assert all(map(torch.equal, one, other))


@pytest.mark.parametrize("folded_first", [False, True])
def test_layers_are_looked_at_once(monkeypatch: pytest.MonkeyPatch, folded_first: bool) -> None:
    """Folded or not, a model's layers are the same, and looked at for the first of all runs only."""
    walked = []
    monkeypatch.setattr(known, "walk", lambda *given: walked.append(given) or walk(*given))
    model, x = lively(torchvision.models.resnet18(num_classes=2)), torch.rand(1, 3, 40, 40)
    with preserved(model) as session:
        layers = []
        for run in range(4):
            with batch_norms_folded(session) if run % 2 != folded_first else nullcontext():
                layers.append(known.known_layers(model, x))
    assert list(layers[0]) == list(walk(model, x, None))
    assert all(later is layers[0] for later in layers[1:])
    assert len(walked) == 1
