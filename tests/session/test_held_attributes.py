"""What a forward pass writes onto its modules: undone, whatever it is, and what was compiled runs as it was written."""

from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.session import preserved

VERBS = ("grad_cam", "score_cam", "saliency", "ablation_cam", "lrp")


class Writer(nn.Module):
    """A network that keeps what it computed, as many do, in attributes, lists, dicts and modules of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(6, 4)
        self.calls, self.sizes, self.kept, self.names = 0, [], {"pictures": []}, {"a"}
        self.recent: deque[Any] = deque([1, 2], maxlen=2)
        self.scale: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.sizes.append(x.shape)
        self.kept["pictures"].append(x)
        self.kept["last"] = x
        self.names.add("b")
        self.recent.append(x)
        if self.scale is None:
            self.scale = torch.full((1,), 2.0)
            self.extra = nn.Identity()
        self.stem.features = self.extra(self.stem(x))
        return self.head(self.stem.features.mean((2, 3))) * self.scale


def written(model: Writer) -> tuple[object, ...]:
    return (
        model.calls,
        list(model.sizes),
        {name: list(items) for name, items in model.kept.items()},
        set(model.names),
        list(model.recent),
        model.scale,
        hasattr(model, "extra"),
        hasattr(model.stem, "features"),
        model.training,
    )


@pytest.mark.parametrize("method", VERBS)
def test_what_a_forward_writes_is_undone(method: str) -> None:
    model, inputs = Writer(), torch.rand(2, 3, 16, 16)
    before = written(model)
    maps = [fm.Scope(model).explain(inputs, method, layer="stem", target=1).tensor for _ in range(2)]
    assert written(model) == before
    torch.testing.assert_close(*maps)


def test_what_stood_there_before_is_there_again() -> None:
    """The very objects, in their order, also where a pass fails."""
    model, inputs = Writer(), torch.rand(1, 3, 16, 16)
    model(inputs)
    before, features, parts = written(model), model.stem.features, list(model._modules)
    with pytest.raises(fm.errors.TargetError):
        fm.Scope(model).explain(inputs, layer="stem", target=99)
    after = written(model)
    assert [a == b for a, b in zip(before[:2], after[:2], strict=True)] == [True, True]
    assert model.stem.features is features
    assert list(model._modules) == parts
    assert all(a is b for a, b in zip(before[4], after[4], strict=True))  # type: ignore[call-overload]


def test_attributes_are_set_past_what_a_model_does_about_it() -> None:
    class Frozen(Writer):
        def __setattr__(self, name: str, value: Any) -> None:
            if vars(self).get("frozen") and name == "training":
                raise RuntimeError("this model is not to be changed")
            super().__setattr__(name, value)

    model = Frozen()
    model.frozen = True
    assert fm.Scope(model).explain(torch.rand(1, 3, 16, 16), target=1).layer == "stem"
    assert model.training


def test_a_container_that_holds_itself() -> None:
    model = Writer()
    model.sizes.append(model.sizes)
    with preserved(model):
        model.sizes.append(1)
    assert len(model.sizes) == 1


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stem(x).mean((2, 3)))


class Decorated(Plain):
    """Compiled where its class is written, as `@torch.compile` does."""

    forward = torch.compile(Plain.forward, backend="eager")


class Part(Plain):
    """Of which a method is compiled when it is made."""

    def __init__(self) -> None:
        super().__init__()
        self.run = torch.compile(self._run, backend="eager")

    def _run(self, x: Tensor) -> Tensor:
        return self.stem(x).mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.run(x))


@pytest.mark.parametrize("kind", [Decorated, Part])
def test_compiled_methods_run_as_they_were_written(kind: type[Plain]) -> None:
    """So the layers inside are heard; afterwards they are compiled again."""
    model, plain, inputs = kind(), Plain(), torch.rand(2, 3, 16, 16)
    plain.load_state_dict(model.state_dict())
    before = {name: id(value) for name, value in vars(model).items()}
    for method in ("grad_cam", "occlusion"):
        expected = fm.Scope(plain).explain(inputs, method, layer="stem", target=1).tensor
        torch.testing.assert_close(fm.Scope(model).explain(inputs, method, layer="stem", target=1).tensor, expected)
    assert {name: id(value) for name, value in vars(model).items()} == before


def _bent(x: Tensor) -> Tensor:
    return x.relu() + 0.1 * x


class Bent(Plain):
    """With a function between its layers that is no attribute of it, so that nothing of it tells of the compiler."""

    def __init__(self, bent: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.bent = [bent]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.bent[0](self.stem[0](x)).mean((2, 3)))


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet", "deep_lift", "lrp", "occlusion"])
def test_rules_hear_what_is_inside_compiled_functions(method: str) -> None:
    """Wherever these are; afterwards they run compiled again."""
    compiled_runs: list[int] = []

    def backend(graph: Callable[..., Any], examples: object) -> Callable[..., Any]:
        return lambda *inputs: compiled_runs.append(1) or graph(*inputs)

    compiled, inputs = torch.compile(_bent, backend=backend), torch.randn(2, 3, 16, 16)
    model, plain = Bent(compiled).eval(), Bent(_bent).eval()
    plain.load_state_dict(model.state_dict())
    values, expected = (fm.Scope(each).explain(inputs, method, target=1).values for each in (model, plain))
    torch.testing.assert_close(torch.stack([*values]), torch.stack([*expected]))
    assert not compiled_runs
    with torch.no_grad():
        model(inputs)
    assert compiled_runs


def test_functions_are_compiled_again_when_the_last_of_several_sessions_ends() -> None:
    compiled_runs: list[int] = []

    def backend(graph: Callable[..., Any], examples: object) -> Callable[..., Any]:
        return lambda *inputs: compiled_runs.append(1) or graph(*inputs)

    compiled, inside, ended = torch.compile(_bent, backend=backend), Event(), Event()

    def other() -> None:
        with preserved(Plain()):
            inside.set()
            ended.wait(30)

    thread = Thread(target=other)
    with preserved(Plain()):
        thread.start()
        inside.wait(30)
    compiled(torch.ones(2))
    assert not compiled_runs  # the other session is still inside
    ended.set()
    thread.join()
    compiled(torch.ones(2))
    assert compiled_runs


class Listening(nn.Module):
    """A network that puts a hook onto its layer in its first pass, and notes that it did, as Hugging Face's do."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        heard: list[Tensor] = []
        self.heard = heard
        if not hasattr(self, "listens"):
            self.conv.register_forward_hook(lambda module, args, output: self.heard.append(output))
            self.conv.register_forward_pre_hook(lambda module, args, kwargs: None, with_kwargs=True)
            self.listens = True
        self.conv(x)
        (maps,) = heard
        return self.head(maps.mean((2, 3)))


@pytest.mark.parametrize("method", VERBS)
def test_hooks_that_a_forward_puts_on_are_undone_with_what_it_noted_of_them(method: str) -> None:
    model, inputs = Listening().eval(), torch.rand(2, 3, 16, 16)
    first = fm.Scope(model).explain(inputs, method, layer="conv", target=1).tensor
    assert not hasattr(model, "listens")
    assert not any(getattr(model.conv, name) for name in vars(model.conv) if name.endswith("hooks"))
    model(inputs)  # from now on it listens
    hooks = dict(model.conv._forward_hooks)
    torch.testing.assert_close(fm.Scope(model).explain(inputs, method, layer="conv", target=1).tensor, first)
    assert dict(model.conv._forward_hooks) == hooks
    assert model.listens
