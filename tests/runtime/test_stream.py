"""Streaming layers: each is seen as it comes, in the model's own memory, and nothing is kept."""

import pytest
import torch
from torch import Tensor, nn

from featuremaps.errors import LayoutError, ModelError
from featuremaps.layers.addresses import parse
from featuremaps.layers.known import known_layers
from featuremaps.runtime.stream import stream
from featuremaps.session import preserved
from method_samples import Little, noise


def streamed(model: nn.Module, layers: list[str], stop: bool = False) -> tuple[list[tuple[str, Tensor]], object]:
    seen: list[tuple[str, Tensor]] = []
    with preserved(model) as session, torch.no_grad():
        outputs = stream(
            session,
            noise(2),
            [parse(layer) for layer in layers],
            lambda name, maps: seen.append((name, maps.clone())),
            stop=stop,
        )
    return seen, outputs


@pytest.mark.parametrize("relu", ["module", "inplace"])
def test_layers_come_in_order_with_a_plain_hooks_values(relu: str) -> None:
    model, expected = Little(relu), {}
    for name in ("features.conv1", "features.conv2", "features"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda _, __, output, name=name: expected.__setitem__(name, output.clone()))
    seen, outputs = streamed(model, ["features", "features.conv1", "features.conv2"])
    assert [name for name, _ in seen] == ["features.conv1", "features.conv2", "features"]
    for name, maps in seen:
        assert torch.equal(maps, expected[name])
    assert torch.equal(outputs, model(noise(2)))


def test_maps_are_the_models_own_memory() -> None:
    model, places = Little(), []
    model.features.register_forward_hook(lambda _, __, output: places.append(output.data_ptr()))
    known_layers(model, noise(1))
    places.clear()
    with preserved(model) as session, torch.no_grad():
        stream(session, noise(1), [parse("features")], lambda _, maps: places.append(maps.data_ptr()), stop=False)
    assert places[0] == places[1]


def test_it_stops_after_the_deepest_layer() -> None:
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
    seen, outputs = streamed(model, ["features.conv1", "features"], stop=True)
    assert [name for name, _ in seen] == ["features.conv1", "features"]
    assert outputs is None


def test_what_cannot_be_streamed() -> None:
    model = Little()
    model.idle = nn.Conv2d(3, 3, 1)
    with pytest.raises(ModelError, match="'idle' did not run for an input of 3×16×16"):
        streamed(model, ["idle"])
    with pytest.raises(LayoutError, match="head"):
        streamed(model, ["head"])
    assert not any(module._forward_hooks for module in model.modules())
