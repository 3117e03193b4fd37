"""Capturing layers during one pass: by a plain hook's or autograd's own values, and nothing left behind."""

from collections import namedtuple
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
from featuremaps.errors import LayoutError, ModelError
from featuremaps.layers.addresses import parse
from featuremaps.layers.known import known_layers
from featuremaps.layers.model_ends import main_tensor
from featuremaps.runtime.capture import run_capturing, to_model, with_main_tensor
from featuremaps.session import preserved
from method_samples import Little, noise
from nets import Reused


def captured(model: nn.Module, inputs: Tensor, layers: Sequence[str], **options: bool):
    options = {"gradients": False, "stop_early": False} | options
    with preserved(model) as session:
        return run_capturing(session, inputs, [parse(layer) for layer in layers], **options)


def hooked(model: nn.Module, inputs: Tensor, layer: str) -> list[Tensor]:
    """Every output of a layer, by a plain hook that copies it at once."""
    outputs: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _, __, output: outputs.append(output.clone()))
    with torch.no_grad():
        model(inputs)
    handle.remove()
    return outputs


@pytest.mark.parametrize("relu", ["module", "functional", "inplace"])
@pytest.mark.parametrize("gradients", [False, True])
def test_captured_maps_are_those_of_a_plain_hook(relu: str, gradients: bool) -> None:
    """Also where the next operation overwrites them."""
    model, inputs = Little(relu), noise(2)
    layers = ["features.conv1", "features.conv2", "features"]
    capture, outputs = captured(model, inputs, layers, gradients=gradients)
    for layer in layers:
        assert torch.equal(capture.maps(layer).detach(), hooked(model, inputs, layer)[0])
    assert torch.equal(outputs.detach(), model(inputs).detach())


def test_gradients_through_what_is_captured_are_those_of_autograd() -> None:
    model, inputs = Little("inplace"), noise(2)
    capture, outputs = captured(model, inputs, ["features.conv2", "features"], gradients=True)
    taken = [capture.taken["features.conv2"], capture.taken["features"]]
    early, late = torch.autograd.grad(outputs[:, 1].sum(), taken)
    maps = hooked(model, inputs, "features")[0].requires_grad_()
    (expected,) = torch.autograd.grad(model.head(maps.mean((2, 3)))[:, 1].sum(), maps)
    torch.testing.assert_close(late, expected)
    middle = hooked(model, inputs, "features.conv2")[0].requires_grad_()
    top = torch.relu(model.features.conv3(torch.relu(middle)))
    (expected,) = torch.autograd.grad(model.head(top.mean((2, 3)))[:, 1].sum(), middle)
    torch.testing.assert_close(early, expected)


def test_stopping_early_runs_nothing_more() -> None:
    known: list[bool] = []  # where nobody sees that the way is another

    class Ends(Little):
        def forward(self, x: Tensor) -> Tensor:
            if not known:
                return super().forward(x)
            self.features(x)
            raise AssertionError("ran on")

    model = Ends()
    known_layers(model, noise(1))
    known.append(True)
    capture, outputs = captured(model, noise(1), ["features.conv1", "features"], stop_early=True)
    assert outputs is None
    assert set(capture.taken) == {"features.conv1", "features"}


def test_one_call_of_several() -> None:
    torch.manual_seed(0)
    model, inputs = Reused().eval(), noise(1)
    name, calls = next((n, c) for n, m in model.named_children() if len(c := hooked(model, inputs, n)) > 1)
    for call, expected in enumerate(calls):
        capture, _ = captured(model, inputs, [f"{name}#{call}"])
        assert torch.equal(capture.maps(f"{name}#{call}"), expected)
    with pytest.raises(ModelError, match=rf"'{name}#9' ran {len(calls)} times \(calls are counted from 0\)"):
        captured(model, inputs, [f"{name}#9"])


def test_a_layer_that_does_not_run_or_gives_no_map() -> None:
    model = Little()
    model.idle = nn.Conv2d(3, 3, 1)
    with pytest.raises(ModelError, match="'idle' did not run"):
        captured(model, noise(1), ["idle"])
    with pytest.raises(LayoutError, match="head"):
        captured(model, noise(1), ["head"])
    assert not any(module._forward_hooks for module in model.modules())


def test_the_tensor_in_an_output_and_the_output_with_another() -> None:
    Pair = namedtuple("Pair", "name maps")
    old, new = torch.zeros(2), torch.ones(2)
    one = torch.zeros(())
    forms = (
        old,
        (old, 1),
        [None, old],
        {"a": 1, "b": old},
        Pair("x", old),
        (one, old),
        ([old], 2),
        {"a": one, "out": old},
    )
    for output in forms:
        assert main_tensor(output) is old
        changed = with_main_tensor(output, new)
        assert type(changed) is type(output)
        assert main_tensor(changed) is new
    assert main_tensor(("a", 1)) is None
    assert main_tensor(3) is None


def test_inputs_go_where_the_weights_are() -> None:
    assert to_model(Little().double(), noise(1)).dtype == torch.float64
    assert to_model(nn.ReLU(), noise(1)).dtype == torch.float32


@pytest.mark.parametrize("first", [True, False], ids=["gallery first", "gallery second"])
def test_a_shared_layer_that_runs_on_other_pictures_too(first: bool) -> None:
    """On as many as there are in a gallery: its bare name means the call that the pictures reach."""

    class Gallery(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.body = nn.Sequential(nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU())
            self.register_buffer("gallery", noise(5))

        def forward(self, x: Tensor) -> Tensor:
            pair = (self.gallery, x) if first else (x, self.gallery)
            found = [self.body(each).mean((2, 3)) for each in pair]
            return found[1 if first else 0] @ found[0 if first else 1].T

    model, inputs = Gallery().eval(), noise(2)
    scope = fm.Scope(model)
    maps = model.body(inputs)
    scores = maps.mean((2, 3)) @ model.body(model.gallery).mean((2, 3)).T
    gradients = torch.autograd.grad(scores[:, 3].sum(), maps)[0]
    by_hand = (maps * gradients.mean((2, 3), keepdim=True)).sum(1).detach()
    for layer in ("body", "last", f"body#{int(first)}"):
        torch.testing.assert_close(scope.explain(inputs, layer=layer, target=3).tensor, by_hand)
        torch.testing.assert_close(scope.maps(inputs, layer).tensor, maps.detach())
