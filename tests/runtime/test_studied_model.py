"""Finding layers for given inputs: remembered as long as nothing changes, and clear where a model cannot be walked."""

import pytest
import torch
from torch import Tensor, nn

import featuremaps as fm
import featuremaps.layers.known
from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, OptionError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.runtime.studied_model import StudiedModel
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
    assert StudiedModel(nn.Conv2d(1, 2, 3)).blank().shape == (1, 1, 224, 224)
    transform = Preprocessing(lambda image: torch.zeros(3, 8, image.width // 8))
    assert StudiedModel(plain(), transform).blank().shape == (1, 3, 8, 32)


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
