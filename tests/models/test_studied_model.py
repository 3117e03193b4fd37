"""Finding layers for given inputs: remembered as long as nothing changes, and clear where a model cannot be walked."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import featuremaps as fm
import featuremaps.layers.known
from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, OptionError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.preprocessing import Preprocessing
from method_samples import Little, noise
from nets import plain


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the inputs that were walked with."""
    seen: list[tuple[int, ...]] = []
    walk = featuremaps.layers.known.walk

    def counted(model, inputs, given):
        seen.append(tuple(inputs.shape))
        return walk(model, inputs, given)

    monkeypatch.setattr(featuremaps.layers.known, "walk", counted)
    return seen


def test_a_walk_is_remembered_until_size_or_modules_change(walks: list[tuple[int, ...]]) -> None:
    model = plain()
    studied = StudiedModel(model)
    assert studied.walk(noise(1)) is studied.walk(noise(3))
    assert len(walks) == 1
    studied.walk(noise(1, (20, 16)))
    assert len(walks) == 2
    studied.walk(noise(1))
    assert len(walks) == 2
    model[1] = nn.Sigmoid()
    assert studied.walk(noise(1, (20, 16)))["1"].type == "Sigmoid"
    assert len(walks) == 3


def test_scopes_and_detectors_share_what_is_known_of_a_model(walks: list[tuple[int, ...]]) -> None:
    model = Little()
    studied = StudiedModel(model)
    assert studied.resolve(["features.conv2", "features", "features"], noise(1)) == ["features.conv2", "features"]
    assert StudiedModel(model).resolve("last", noise(1)) == ["features"]
    assert len(walks) == 1


def test_a_shared_layer_is_the_call_that_the_picture_reaches() -> None:
    class Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Conv2d(3, 8, 3, 2, 1)
            self.register_buffer("reference", noise(1))

        def forward(self, x: Tensor) -> Tensor:
            pictures, reference = self.backbone(x), self.backbone(self.reference)
            return (pictures * reference).mean((2, 3))

    model = Siamese()
    studied = StudiedModel(model)
    assert studied.resolve("backbone", noise(2)) == ["backbone#0"]
    heat = fm.Scope(model).explain(noise(2), "fem", layer="backbone")
    assert heat.layer == "backbone#0"
    with pytest.raises(LayoutError, match="'backbone#1' gives .*: it does not depend on the picture"):
        fm.Scope(model).explain(noise(2), layer="backbone#1", target=1)


def test_deeper_layers_are_the_coarser_stages_after_a_layer() -> None:
    studied = StudiedModel(Little())
    assert studied.deeper("features.conv1", noise(1)) == ("features.act#1", "features")
    assert studied.deeper("features", noise(1)) == ()


def test_a_blank_picture_is_what_the_transform_gives() -> None:
    assert fm.Scope(nn.Conv2d(1, 2, 3))._studied.blank().shape == (1, 1, 224, 224)
    transform = Preprocessing(lambda image: torch.zeros(3, 8, image.width // 8))
    assert StudiedModel(plain(), transform).blank().shape == (1, 3, 8, 32)


class PositionsFirst(Little):
    """Has a parameter of four axes before its first convolution's."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.zeros(1, 8, 1, 1))


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 2, 3, 3))

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight)


@pytest.mark.parametrize(
    ("model", "channels"),
    [
        (lambda: nn.Sequential(weight_norm(nn.Conv2d(3, 8, 3))), 3),
        (lambda: nn.Sequential(nn.Conv2d(3, 6, 3, groups=3)), 3),
        (lambda: nn.Sequential(nn.Conv2d(6, 6, 3, groups=3)), 6),
        (lambda: nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 3)), 3),
        (PositionsFirst, 3),
        (Functional, 2),
    ],
)
def test_a_blank_picture_has_the_channels_that_the_model_takes(model: Callable[[], nn.Module], channels: int) -> None:
    scope = fm.Scope(model())
    assert scope._studied.blank((16, 16)).shape == (1, channels, 16, 16)
    assert len(scope.layers()) or isinstance(scope.model, Functional)


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3)

    def forward(self, image, mask, *, scale=1.0):
        return self.conv(image) * mask * scale


class Mistaken(nn.Module):
    def forward(self, image):
        return image + "one"


def test_a_model_with_several_inputs_says_how_to_wrap_it() -> None:
    model = TwoInputs().train()
    with pytest.raises(ModelError, match=r"TwoInputs.forward takes 2 inputs \(image, mask\).*Wrap it in a module"):
        StudiedModel(model).walk(noise(1))
    assert model.training
    with pytest.raises(TypeError, match="unsupported operand"):
        StudiedModel(Mistaken()).walk(noise(1))


def test_errors() -> None:
    with pytest.raises(OptionError, match="no layer was given; 'last' is"):
        StudiedModel(plain()).resolve([], noise(1))
    with pytest.raises(LayerNotFoundError, match="'conv9' is not in Sequential"):
        StudiedModel(plain()).resolve("conv9", noise(1))


def test_a_layer_may_be_given_as_the_module_or_as_it_is_listed() -> None:
    model = Little()
    studied = StudiedModel(model)
    assert studied.named(model.features.conv2) == "features.conv2"
    assert studied.named(torch.compile(model.features.conv2)) == "features.conv2"
    assert studied.named(("features", model.features.conv1)) == ["features", "features.conv1"]
    assert studied.named(studied.walk(noise(1))["features.act#1"]) == "features.act#1"
    assert studied.one_named([model.features]) == "features"


def test_what_is_no_layer_is_refused_with_what_would_be_one() -> None:
    model = Little()
    studied = StudiedModel(model)
    with pytest.raises(LayerNotFoundError, match=r"the Conv2d that was given as a layer is no part of this model"):
        studied.named([Little().features.conv1])
    with pytest.raises(LayerNotFoundError, match=r"the Little that was given as a layer is the whole model"):
        studied.named(model)
    for given in (0, 1.5, torch.zeros(2), b"features", [None]):
        with pytest.raises(OptionError, match=r"is no layer: a layer is named by a text .* or given as the module"):
            studied.named(given)
    with pytest.raises(OptionError, match=r"one layer is taken here, and 2 were given: features, head"):
        studied.one_named(["features", "head"])


def test_a_parameter_given_as_a_layer_is_not_printed_whole() -> None:
    with pytest.raises(OptionError, match="is no layer") as caught:
        StudiedModel(Little()).named(nn.Parameter(torch.zeros(64, 64)))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "ask",
    [
        lambda scope, unit: scope.explain(noise(1), layer=unit),
        lambda scope, unit: scope.compare(noise(1), layers=["features", unit]),
        lambda scope, unit: scope.record(noise(1), unit),
        lambda scope, unit: scope.factorize(noise(1), unit, concepts=1),
        lambda scope, unit: scope.stylize(noise(1), noise(1), style_layers=unit, steps=1),
        lambda scope, unit: scope.invert(noise(1), unit, steps=1),
    ],
)
@pytest.mark.parametrize("unit", ["features:3", "last:3", "feat*:3"])
def test_one_channel_is_not_taken_for_its_layer(ask: Callable[[fm.Scope, str], object], unit: str) -> None:
    with pytest.raises(OptionError, match=f"'{re.escape(unit)}' is one channel, and whole layers are taken here"):
        ask(fm.Scope(Little()), unit)


def test_a_layer_whose_own_name_ends_like_a_channel_is_that_layer() -> None:
    model = nn.Sequential()
    model.add_module("conv:3", nn.Conv2d(3, 4, 3))
    assert StudiedModel(model).resolve("conv:3", noise(1)) == ["conv:3"]
