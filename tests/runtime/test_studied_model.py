"""Finding layers for given inputs: remembered as long as nothing changes, and clear where a model cannot be walked."""

import pytest
import torch
from torch import nn

import featuremaps.runtime.studied_model
from featuremaps.errors import LayerNotFoundError, ModelError, OptionError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.runtime.studied_model import StudiedModel
from method_samples import Little, noise
from nets import plain


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the inputs that were walked with."""
    seen: list[tuple[int, ...]] = []
    walk = featuremaps.runtime.studied_model.walk

    def counted(model, inputs):
        seen.append(tuple(inputs.shape))
        return walk(model, inputs)

    monkeypatch.setattr(featuremaps.runtime.studied_model, "walk", counted)
    return seen


def test_a_walk_is_remembered_until_size_or_modules_change(walks: list[tuple[int, ...]]) -> None:
    model = plain()
    studied = StudiedModel(model)
    assert studied.walk(noise(1)) is studied.walk(noise(3))
    assert len(walks) == 1
    studied.walk(noise(1, (20, 16)))
    assert len(walks) == 2
    model[1] = nn.Sigmoid()
    assert studied.walk(noise(1, (20, 16)))["1"].type == "Sigmoid"
    assert len(walks) == 3


def test_exact_names_need_no_run(walks: list[tuple[int, ...]]) -> None:
    studied = StudiedModel(Little())
    assert studied.resolve(["features.conv2", "features", "features"], noise(1)) == ["features.conv2", "features"]
    assert walks == []
    assert studied.resolve("last", noise(1)) == ["features"]
    assert studied.resolve("features", noise(1), run=True) == ["features"]
    assert len(walks) == 1


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
