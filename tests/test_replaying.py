"""Passes done again from notes: the same numbers as the model's own, and only where nothing can differ."""

import random
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from families import FAMILIES
from featuremaps.draw import Multiscale
from featuremaps.draw.optimise import Climb, ascend
from featuremaps.draw.watcher import Watcher, quick_precision
from featuremaps.layers.addresses import parse
from featuremaps.replaying import Replays
from featuremaps.state import preserved
from nets import plain, resnet20


def pictures(number: int, size: int = 32, count: int = 2) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(number)).requires_grad_()


class Counted(Replays):
    """Counts the passes that the model makes itself."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.own = 0

    def __call__(self, inputs: Tensor, run: Callable[[Tensor], tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
        def counted(inputs: Tensor) -> tuple[Tensor, ...]:
            self.own += 1
            return run(inputs)

        return super().__call__(inputs, counted)


def replayed(model: nn.Module, run: Callable[[Tensor], tuple[Tensor, ...]] | None = None, passes: int = 6) -> int:
    """Compare passes one after another with the model's own, gradients too; how many it made itself."""
    model.eval()
    run = run or (lambda inputs: (model(inputs),))
    replays = Counted(model)
    for number in range(passes):
        x, y = pictures(number), pictures(number)
        found, wanted = replays(x, run), run(y)
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
        weights = [torch.randn(one.shape, generator=torch.Generator().manual_seed(number)) for one in wanted]
        below = [
            torch.autograd.grad([(one * weight).sum() for one, weight in zip(outputs, weights, strict=True)], leaf)[0]
            for outputs, leaf in ((found, x), (wanted, y))
        ]
        torch.testing.assert_close(*below, rtol=1e-3, atol=1e-5 * float(below[1].abs().max()))
    return replays.own


NOTED = 3
"""The first pass, the second, which is noted, and the one that the third is compared with."""


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_every_family_sees_the_same(name: str, precision: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    family = FAMILIES[name]
    torch.manual_seed(0)
    model = family.make().eval()
    monkeypatch.setattr("featuremaps.draw.watcher.Replays", Counted)
    addresses = [parse(layer) for layer in family.layers]
    with preserved(model) as session:
        watcher, own = (Watcher(session, addresses, True, lambda x: x, precision) for _ in range(2))
        object.__setattr__(own, "_replays", lambda inputs, run: run(inputs))
        for number in range(2):
            own(pictures(number, family.size))  # from the second on batch norms are folded
        for number in range(5):
            found, below = looked(watcher, pictures(number, family.size))
            wanted, above = looked(own, pictures(number, family.size))
            for one, other in zip(found, wanted, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))
            torch.testing.assert_close(below, above, rtol=1e-3, atol=1e-4 * float(above.abs().max()))
    assert watcher._replays.own == NOTED


def looked(watcher: Watcher, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """What every layer gives, the scores, and the gradient of a sum over all of it."""
    found = watcher(x)
    everything = [*found.maps.values(), found.outputs]
    (below,) = torch.autograd.grad(sum((one * one).mean() for one in everything), x)
    return [one.detach() for one in everything], below


class Branched(nn.Module):
    """Works in place, on parts, on lists, by names, and on tensors that it makes itself."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.register_buffer("scale", torch.linspace(0.5, 1.5, 8)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv(x) * (self.scale * 2)
        maps = maps.clone()
        first, second = maps[:, :4], maps[:, 4:]
        first += 1
        held = torch.zeros_like(maps)
        held[:, :4] = first.relu()
        held[:, 4:] += second.sigmoid_() if not second.requires_grad else second.sigmoid()
        weights = torch.ones(8, 1, 3, 3)
        return torch.cat([held, torch.nn.functional.conv2d(held, weight=weights, padding=1, groups=8)], dim=1).mean(
            (2, 3)
        )


Branched.__module__ = "featuremaps.tests"


def test_parts_lists_names_and_new_tensors() -> None:
    torch.manual_seed(0)
    assert replayed(Branched()) == NOTED


def test_several_outputs_that_are_seen_in_other_ways() -> None:
    model = plain()

    def run(inputs: Tensor) -> tuple[Tensor, ...]:
        maps = model[0](inputs)
        return maps, maps.movedim(1, -1), model(inputs)

    assert replayed(model, run) == NOTED


def otherwise(change: Callable[[nn.Module, Tensor], Tensor], home: str = "featuremaps.tests") -> nn.Module:
    """A model with something else in it, which comes from somewhere."""

    class Other(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0
            self.register_buffer("held", torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            return change(self, x)

    Other.__module__ = home
    return nn.Sequential(nn.Conv2d(3, 4, 3), Other(), nn.Flatten(), nn.Linear(4 * 900, 2))


def counting(module: nn.Module, x: Tensor) -> Tensor:
    module.calls += 1
    return x * module.calls


def by_numpy(module: nn.Module, x: Tensor) -> Tensor:
    return x + torch.from_numpy(x.detach().numpy().copy())


NEVER = {
    "random": lambda module, x: x * torch.rand(1, generator=torch.Generator().manual_seed(0)),
    "dropout": lambda module, x: nn.functional.dropout(x, 1e-9),
    "looks": lambda module, x: x if x.sum() > 0 else -x,
    "asks for a number": lambda module, x: x * x.max().item(),
    "writes to its own": lambda module, x: x + module.held.add_(0),
    "fails where it is noted": lambda module, x: x * (1 // (not torch._C._len_torch_dispatch_stack())),
    "makes room": lambda module, x: x + torch.empty(0).resize_(1).zero_(),
    "changes how its own is seen": lambda module, x: x + module.held.unsqueeze_(0).squeeze_(0),
}


@pytest.mark.parametrize("name", NEVER)
def test_what_may_differ_is_never_done_again(name: str) -> None:
    assert replayed(otherwise(NEVER[name])) == 7  # the second is tried, and made again


def test_what_is_given_is_never_written_to() -> None:
    for change in (lambda x: x.mul_(2), lambda x: (x[:, 1:].mul_(2), x)[1]):
        model = nn.Sequential(otherwise(lambda _, x, change=change: change(x))[1], nn.Conv2d(3, 4, 3))
        replays = Counted(model)
        for number in range(5):
            x, y = pictures(number), pictures(number)
            (found,), (wanted,) = replays(x * 1, lambda inputs, model=model: (model(inputs),)), (model(y * 1),)
            torch.testing.assert_close(found, wanted)
        assert replays.own == 6  # the second is tried, and made again


def test_what_is_made_may_be_written_to_and_seen_otherwise() -> None:
    def change(module: nn.Module, x: Tensor) -> Tensor:
        maps = (x * 2).mul_(2)
        maps.transpose_(2, 3)
        return maps.relu_().transpose(2, 3)

    assert replayed(otherwise(change)) == NOTED


def test_a_model_that_is_not_steady_is_always_run() -> None:
    model = otherwise(counting, home="mine")
    replays = Counted(model)
    for number in range(6):
        replays(pictures(number), lambda inputs: (model(inputs),))
    assert replays.own == model[1].calls == 6


def test_the_first_time_both_ways_are_compared() -> None:
    torch.manual_seed(0)
    for change in (counting, by_numpy, lambda module, x: x * random.random()):
        model = otherwise(change)  # said to come from where modules do the same in every pass
        replays = Counted(model)
        for number in range(6):
            replays(pictures(number), lambda inputs, model=model: (model(inputs),))[0].sum().backward()
        assert not replays._possible
        assert replays.own >= 6


def test_another_shape_is_noted_anew() -> None:
    replays = Counted(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(True)).eval())
    for size in (32, 32, 32, 32, 20, 20, 20, 32, 32, 32):
        x = pictures(size, size)
        (found,) = replays(x, lambda inputs: (replays._model(inputs),))
        torch.testing.assert_close(found, replays._model(x))
        found.sum().backward()
    assert replays.own == 3 + 2 + 2


def test_a_pass_without_a_way_back_is_noted_again() -> None:
    model = plain()
    replays = Counted(model)
    for number in range(4):
        replays(pictures(number), lambda inputs: (model(inputs),))
    assert replays.own == 4
    x = pictures(9)
    replays(x, lambda inputs: (model(inputs),))[0].sum().backward()
    replays(x, lambda inputs: (model(inputs),))
    replays(x, lambda inputs: (model(inputs),))
    assert replays.own == 6  # one of them compared


def test_nothing_is_held_after_the_way_back() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(True), nn.Conv2d(8, 8, 3), nn.ReLU(True)).eval()
    replays = Replays(model)
    for number in range(4):
        x = pictures(number)
        (found,) = replays(x, lambda inputs: (model(inputs),))
        held = weakref.ref(found), weakref.ref(found.untyped_storage())
        (below,) = torch.autograd.grad(found.sum(), x)
        del found
        assert all(one() is None for one in held)
    assert below.shape == x.shape


def test_a_picture_that_nothing_leads_to() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).requires_grad_(False)
    replays = Replays(model)

    def run(inputs: Tensor) -> tuple[Tensor, ...]:
        return (model(inputs.detach()),)

    for number in range(4):
        assert not replays(pictures(number), run)[0].requires_grad


def test_numbers_that_are_no_longer_finite_end_a_climb() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus())
    replays = Counted(model)
    x = torch.full((1, 3, 8, 8), 1e30)

    def values(step: int, rule: object) -> Tensor:
        return replays(x * 1.0 if step < 5 else x * 1e30, lambda inputs: (model(inputs),))[0].flatten(1).sum(1)

    assert ascend([x], values, lambda: x, Climb(10, 1e-6)).stopped == "not finite"
    assert replays.own == NOTED


def test_users_own_models() -> None:
    assert replayed(resnet20().requires_grad_(False)) == NOTED


@pytest.mark.parametrize("canvas", ["fourier", Multiscale(start=40, steps=6, times=3)])
def test_drawings_are_the_same(canvas: object, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = FAMILIES["resnet18"].make().eval()
    drawn = []
    for steady in (True, False):
        monkeypatch.setattr("featuremaps.replaying.is_steady", lambda _, steady=steady: steady)
        scope = fm.Scope(model)
        drawn.append(scope.draw(["layer2:3", "layer1:5"], size=40, steps=12, canvas=canvas, precision="float32"))
    for with_notes, without in zip(*drawn, strict=True):
        torch.testing.assert_close(with_notes.curve, without.curve, rtol=1e-3, atol=1e-5)


def test_lower_precision_is_noted_as_it_was() -> None:
    if quick_precision(torch.device("cpu")) != torch.bfloat16:
        pytest.skip("this processor does not multiply in bfloat16")
    model = plain()

    def run(inputs: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", torch.bfloat16):
            half = model[:3](inputs)
            with torch.autocast("cpu", enabled=False):
                return (model[:3](inputs).mean() + half.float(),)

    assert replayed(model, run) == NOTED
