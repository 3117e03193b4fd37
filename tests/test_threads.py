"""One model and several threads: calls take turns, and nobody notices but by waiting."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from copy import deepcopy
from typing import TypeVar

import pytest
import torch
from torch import nn

import featuremaps as fm
from featuremaps.editing.edited_model import copy_of
from featuremaps.registry import Registry
from featuremaps.session import Beside, in_turn, preserved
from method_samples import unchecked
from small_models import CALLS, Network, network, pictures
from snapshots import snapshot

THREADS = 8
Kept = TypeVar("Kept")


@pytest.fixture(autouse=True)
def _as_users_run_it() -> Iterator[None]:
    """Without checks of shapes, which would be traced, and which take turns with nobody."""
    with unchecked():
        yield


@pytest.mark.slow
def test_eight_threads_every_verb_two_scopes() -> None:
    """With calls among them that fail, and two models; alone afterwards it is the same."""
    models = (network(0), network(1))
    scopes = [fm.Scope(model) for model in models for _ in range(2)]
    batches = [pictures(seed, count=seed + 1) for seed in range(2)]
    work = [(name, number, batch) for name in CALLS for number in range(len(scopes)) for batch in range(2)]
    expected = {
        (name, model, batch): CALLS[name](fm.Scope(network(model)), batches[batch])
        for name in CALLS
        for model in range(2)
        for batch in range(2)
    }
    before = [snapshot(model, batches[0]) for model in models]

    def run(item: tuple[str, int, int]) -> str:
        name, number, batch = item
        known = expected[name, number // 2, batch]
        got = CALLS[name](scopes[number], batches[batch])
        return "" if torch.allclose(got, known, rtol=1e-4, atol=1e-6) else f"{item} is wrong"

    def fail(item: tuple[str, int, int]) -> str:
        with pytest.raises(fm.FeatureMapsError):
            scopes[item[1]].explain(batches[0], layer="stem", target=99)
        with pytest.raises(KeyboardInterrupt), preserved(scopes[item[1]].model):
            raise KeyboardInterrupt
        return ""

    jobs = [(fail if position % 7 == 0 else run, item) for position, item in enumerate([*work, *work])]
    with ThreadPoolExecutor(THREADS) as pool:
        assert [wrong for wrong in pool.map(lambda job: job[0](job[1]), jobs) if wrong] == []
    for model, known in zip(models, before, strict=True):
        assert known.differences(snapshot(model, batches[0])) == []
    assert [wrong for wrong in map(run, work) if wrong] == []


def test_first_calls_at_once() -> None:
    """Of fresh models, whose turns, traces and layers nobody has asked for yet."""
    inputs = pictures()
    expected = CALLS["ablation_cam"](fm.Scope(network()), inputs)
    for _ in range(5):
        scope, start = fm.Scope(network()), threading.Barrier(THREADS)

        def call(scope: fm.Scope = scope, start: threading.Barrier = start) -> torch.Tensor:
            start.wait()
            return CALLS["ablation_cam"](scope, inputs)

        with ThreadPoolExecutor(THREADS) as pool:
            for future in [pool.submit(call) for _ in range(THREADS)]:
                torch.testing.assert_close(future.result(), expected)


def test_nested_calls_of_a_thread_do_not_wait_for_themselves() -> None:
    model, inputs = network(), pictures()
    with preserved(model):
        assert CALLS["grad_cam"](fm.Scope(model), inputs).shape[0] == 2


def test_the_random_state_survives_calls_that_overlap() -> None:
    models, inside, leave = (network(0), network(1)), threading.Event(), threading.Event()

    def first() -> None:
        with preserved(models[0]):
            torch.rand(3)
            inside.set()
            leave.wait()

    torch.manual_seed(0)
    before = torch.get_rng_state()
    thread = threading.Thread(target=first)
    thread.start()
    inside.wait()
    with preserved(models[1]):
        torch.rand(5)
        leave.set()
        thread.join()
        torch.rand(7)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_register_is_walked_once_by_many() -> None:
    for _ in range(5):
        registry: Registry[object] = Registry("thing", "featuremaps.draw")
        with ThreadPoolExecutor(THREADS) as pool:
            assert list(pool.map(lambda _, known=registry: list(known), range(THREADS))) == [[]] * THREADS


def test_what_is_beside_a_model_is_one_thing() -> None:
    model, start = network(), threading.Barrier(THREADS)
    kept: Beside[object] = Beside()

    def ask(_: int) -> object:
        start.wait()
        return kept.get(model, object)

    with ThreadPoolExecutor(THREADS) as pool:
        assert len(set(pool.map(ask, range(THREADS)))) == 1


class Halting(Network):
    """Stays in its forward until it may go on, where it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.halt, self.inside, self.leave = False, threading.Event(), threading.Event()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.halt:
            self.inside.set()
            self.leave.wait(30)
        return super().forward(x)

    def __deepcopy__(self, memo: dict[int, object]) -> nn.Module:
        copied = Halting()
        copied.load_state_dict(self.state_dict())
        for name, module in self.named_modules():  # as a plain deep copy has them
            copied.get_submodule(name)._forward_hooks = deepcopy(module._forward_hooks, memo)
            copied.get_submodule(name).training = module.training
        return copied


def _during_a_call(model: Halting, ask: Callable[[], Kept]) -> Kept:
    """What `ask` gives, begun while another thread is inside the model, and whether it waited until it had left."""
    scope = fm.Scope(model)
    scope.layers(pictures())
    with ThreadPoolExecutor(2) as pool:
        model.halt = True
        first = pool.submit(lambda: CALLS["grad_cam"](scope, pictures()))
        assert model.inside.wait(30)
        model.halt = False
        second = pool.submit(ask)
        wait([second], timeout=0.2)
        assert not second.done()
        model.leave.set()
        first.result()
        return second.result()


def test_a_copy_has_no_hooks_of_a_call_in_another_thread() -> None:
    model = Halting().train()
    copied = _during_a_call(model, lambda: copy_of(model))
    hooks = [hook for module in copied.modules() for hook in module._forward_hooks.values()]
    assert (hooks, copied.training) == ([], True)
    torch.testing.assert_close(copied.eval()(pictures()), model.eval()(pictures()))


@pytest.mark.parametrize(
    ("sharing", "layer"),
    [(lambda model: nn.Sequential(model, nn.Softmax(1)), "0.stem"), (lambda model: nn.Sequential(*model.stem), "2")],
)
def test_models_that_share_a_part_take_turns(sharing: Callable[[Halting], nn.Module], layer: str) -> None:
    model = Halting()
    other = fm.Scope(sharing(model))

    def asked() -> torch.Tensor:
        return other.record(pictures(), layer, gradients=False).activations[layer]

    expected = asked()
    torch.testing.assert_close(_during_a_call(model, asked), expected)


def test_a_model_waits_for_the_turns_of_its_parts() -> None:
    """Which had them before it came."""
    parts = [Halting(), Halting()]
    for part in parts:
        with in_turn(part):
            pass
    whole = nn.ModuleList(parts)
    for part in parts:
        assert _during_a_call(part, lambda: preserved_once(whole))


def preserved_once(model: nn.Module) -> bool:
    with preserved(model):
        return True


class Meanwhile(Network):
    """While it runs, another thread runs it too, once, on other pictures."""

    def __init__(self, report: Callable[[torch.Tensor], None]) -> None:
        super().__init__()
        self.report, self.inside, self.on = report, threading.local(), False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.on and not getattr(self.inside, "already", False):
            self.inside.already = True
            thread = threading.Thread(target=self._run_beside)
            thread.start()
            thread.join()
            self.inside.already = False
        return super().forward(x)

    def _run_beside(self) -> None:
        self.inside.already = True
        with torch.no_grad():
            others = self(pictures(7, count=3))
        self.report(others)


@pytest.mark.parametrize("name", ["grad_cam", "record", "maps", "ablation_cam", "layers", "project", "lrp"])
def test_a_pass_of_the_users_own_in_another_thread_is_not_heard(name: str) -> None:
    """Neither does it see the hooks of the call, nor the call its activations."""
    others: list[torch.Tensor] = []
    model, inputs = Meanwhile(others.append), pictures()
    scope, alone = fm.Scope(model), model.eval()(pictures(7, count=3)).detach()
    expected = CALLS[name](scope, inputs)
    model.on = True
    torch.testing.assert_close(CALLS[name](scope, inputs), expected)
    torch.testing.assert_close(CALLS[name](fm.Scope(model), inputs), expected)
    assert others
    for given in others:
        assert not given.requires_grad
        torch.testing.assert_close(given, alone)
