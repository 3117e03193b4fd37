"""A cut is checked against the model before it is used, remembered, and forgotten with the model."""

import gc
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from featuremaps.errors import ModelError
from featuremaps.tail import checked_split as module
from featuremaps.tail.checked_split import checked_split, in_structure
from featuremaps.tail.replace_output import visited
from featuremaps.tail.split import Split


def _checked(model: nn.Module, layer: str, inputs: Tensor, way: Any = "fx") -> Split | str:
    with torch.no_grad():
        return checked_split(model, way, visited(model, layer, None, inputs), inputs)


def _net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(4 * 16, 2)).eval()


PICTURES = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def test_a_graph_that_disagrees_with_its_model_is_refused() -> None:
    class TwoFaced(nn.Module):
        """Computes something else when traced; a hook that changes outputs, or custom code, can have this effect."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return (y if isinstance(x, Tensor) else 1.01 * y).mean((2, 3))

    reason = _checked(TwoFaced().eval(), "conv", PICTURES)
    assert isinstance(reason, str)
    assert reason.startswith("it gives other outputs than the model (off by 1.0e-02, allowed 1e-04)")


def test_a_graph_that_agrees_only_without_edits_is_refused() -> None:
    class Stale(nn.Module):
        """Reads the layer's output where no graph sees it."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            if isinstance(y, Tensor):
                self.kept = y
                return y.mean((2, 3))
            return self.kept.mean((2, 3)) + 0 * y.mean((2, 3))

    reason = _checked(Stale().eval(), "conv", PICTURES[:1])
    assert isinstance(reason, str)
    assert "off by" in reason or "outputs of shape" in reason


def test_a_hook_that_changes_outputs_is_noticed_even_when_it_comes_later() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.ReLU()), nn.Flatten(), nn.Linear(64, 2)).eval()
    assert isinstance(_checked(model, "0", PICTURES), Split)
    handle = model[1].register_forward_hook(lambda module, args, output: 2 * output)
    assert "other outputs than the model" in str(_checked(model, "0", PICTURES))
    handle.remove()
    assert isinstance(_checked(model, "0", PICTURES), Split)


def test_a_trace_is_made_once_and_a_cut_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, counts = _net(), {"traced": 0, "_check": 0}
    for name in counts:
        original = getattr(module, name)

        def counted(*args: Any, name: str = name, original: Any = original, **kwargs: Any) -> Any:
            counts[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(module, name, counted)
    copied = {_checked(model, "0", PICTURES).copied for _ in range(3)}  # type: ignore[union-attr]
    assert len(copied) == 1
    assert counts == {"traced": 1, "_check": 1}
    _checked(model, "1", PICTURES)
    assert counts == {"traced": 1, "_check": 2}
    _checked(model, "1", PICTURES[:1])
    assert counts == {"traced": 1, "_check": 3}
    model[1] = nn.ReLU()
    _checked(model, "1", PICTURES[:1])
    assert counts == {"traced": 2, "_check": 4}
    model[1].inplace = True
    _checked(model, "1", PICTURES[:1])
    assert counts == {"traced": 3, "_check": 5}


def test_a_failure_is_remembered_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model, runs = _net(), []

    def refuse(*_args: Any) -> None:
        runs.append(1)
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(module, "exported", refuse)
    assert [_checked(model, "0", PICTURES, "export") for _ in range(2)] == ["ValueError: first line"] * 2
    assert len(runs) == 1


def test_a_lack_of_memory_is_not_taken_for_a_property_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhaust(*_args: Any) -> None:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(module, "traced", exhaust)
    with pytest.raises(torch.OutOfMemoryError):
        _checked(_net(), "0", PICTURES)


def test_what_is_known_goes_with_the_model() -> None:
    gc.collect()
    before = len(module._KNOWN)
    model = _net()
    _checked(model, "0", PICTURES)
    assert len(module._KNOWN) == before + 1
    del model
    gc.collect()
    assert len(module._KNOWN) == before


def test_outputs_without_pictures_cannot_be_checked() -> None:
    class Total(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x).mean()

    assert _checked(Total().eval(), "conv", PICTURES) == "an output has shape () for 2 pictures"


def test_containers_are_the_models_own() -> None:
    structure = torch.utils._pytree.tree_structure({"a": (1, 2)})
    assert in_structure([[1], [2]], structure) == {"a": (1, 2)}
    with pytest.raises(ModelError, match="the graph gives 3 outputs, and the model 2"):
        in_structure([1, 2, 3], structure)
