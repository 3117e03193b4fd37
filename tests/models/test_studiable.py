"""Models without layers to listen to are refused with what to give instead; ordinary ones in any wrapper are not."""

import copy
import warnings

import pytest
import torch
from torch import nn

from featuremaps import Scope
from featuremaps.errors import ModelError
from featuremaps.models.studiable import studiable
from nets import plain


def quantised(model: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def scripted(model: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(model)


def dense() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval()


def exported() -> torch.export.ExportedProgram:
    return torch.export.export(dense(), (torch.rand(1, 3, 2, 2),))


REFUSED = {
    "script": (lambda: scripted(dense()), r"^RecursiveScriptModule is TorchScript .*load_state_dict\(scripted\.state"),
    "script inside": (lambda: nn.Sequential(nn.ReLU(), scripted(dense())), r"^layer '1' of Sequential is TorchScript"),
    "quantised": (lambda: quantised(dense()), r"^layer '1' of Sequential is quantised.*in floating point"),
    "program": (exported, r"an exported program has no layers\. Give torch\.export\.unflatten"),
    "module of a program": (lambda: exported().module(), r"is an exported program.*Give torch\.export\.unflatten"),
    "nothing": (lambda: 3, r"takes a torch\.nn\.Module, got a int"),
    "name": (lambda: "resnet50", r"got the text 'resnet50'\. Models are loaded by name"),
    "class": (lambda: nn.ReLU, r"got the class ReLU\. Make one, ReLU\(\)"),
    "weights": (lambda: nn.Linear(2, 2).state_dict(), r"got a state dict, the weights alone"),
    "checkpoint": (lambda: {"epoch": 3}, r"got a dict, such as a checkpoint"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_studied_is_one_sentence(kind: str) -> None:
    make, message = REFUSED[kind]
    with pytest.raises(ModelError, match=message):
        studiable(make())


def test_wrapped_traced_and_unflattened_modules_are_studied() -> None:
    model = plain()
    assert studiable(torch.compile(model)) is model
    assert studiable(torch.fx.symbolic_trace(model)) is not None
    unflattened = torch.export.unflatten(torch.export.export(model, (torch.rand(1, 3, 16, 16),)))
    x = torch.rand(1, 3, 16, 16)
    by_module, by_program = (Scope(one).explain(x, target=0) for one in (model, unflattened))
    torch.testing.assert_close(by_program.tensor, by_module.tensor)


def test_a_lazy_module_is_to_be_run_once_first() -> None:
    with pytest.raises(
        ModelError, match=r"layer '0' of Sequential has parameters without a size yet.*Run the model once"
    ):
        studiable(nn.Sequential(nn.LazyConv2d(4, 3)))


def test_weights_without_values_are_to_be_loaded_first() -> None:
    with torch.device("meta"):
        model = plain()
    with pytest.raises(ModelError, match=r"weights without values.*load_state_dict"):
        studiable(model)


def test_what_is_compiled_in_place_is_looked_into_and_stays_compiled() -> None:
    """The whole, a part, or only its forward."""
    x = torch.rand(2, 3, 16, 16)
    model = plain()
    expected = [Scope(model).explain(x, method, layer="0", target=0).tensor for method in ("grad_cam", "occlusion")]

    def refuse(*_: object) -> object:
        raise AssertionError("the compiled code ran")

    whole, part, forward = (copy.deepcopy(model) for _ in range(3))
    whole.compile(backend=refuse)
    part[0].compile(backend=refuse)
    forward.forward = torch.compile(forward.forward, backend=refuse)
    for model in (whole, part, forward):
        kept = [(vars(module).get("_compiled_call_impl"), vars(module).get("forward")) for module in model.modules()]
        for method, map in zip(("grad_cam", "occlusion"), expected, strict=True):
            torch.testing.assert_close(Scope(model).explain(x, method, layer="0", target=0).tensor, map)
        again = [(vars(module).get("_compiled_call_impl"), vars(module).get("forward")) for module in model.modules()]
        assert all(
            before is after for pair in zip(kept, again, strict=True) for before, after in zip(*pair, strict=True)
        )
