"""Grey pictures, signals and volumes reach the models that take them; colours still reach all others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import TensorDataset
from torchvision import transforms as v1

from featuremaps import Scope
from featuremaps.errors import ImageError, ModelError
from featuremaps.models.input_form import form_of
from featuremaps.pictures.preprocessing import InputForm
from snapshots import snapshot

LEVELS = np.random.default_rng(0).integers(0, 255, (28, 28)).astype(np.uint8)
GREY = Image.fromarray(LEVELS)
IN_TRAINING = v1.Compose([v1.ToTensor(), v1.Normalize((0.13,), (0.31,))])


def head(*body: nn.Module) -> nn.Sequential:
    return nn.Sequential(*body, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)).eval()


def digits() -> nn.Sequential:
    return head(nn.Conv2d(1, 8, 3, 2, 1))


def dense() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 4)).eval()


class MeanFirst(nn.Module):
    """Takes pictures in colours, though its first convolution has one channel."""

    def __init__(self) -> None:
        super().__init__()
        self.net = digits()

    def forward(self, x: Tensor) -> Tensor:
        return self.net((x * x.new_tensor([0.5, 0.3, 0.2])[:, None, None]).sum(1, keepdim=True))


def signals(channels: int = 2) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(channels, 8, 7, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 3)
    ).eval()


def volumes(channels: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels, 8, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(8, 3)
    ).eval()


@pytest.mark.parametrize("model", [digits(), dense()], ids=["convolution", "dense"])
@pytest.mark.parametrize(
    "transform",
    [IN_TRAINING, None, v1.Compose([v1.Grayscale(1), v1.ToTensor()])],
    ids=["as in training", "none", "makes grey"],
)
def test_a_grey_picture_is_what_it_was_in_training(model: nn.Module, transform) -> None:
    expected = (transform or v1.ToTensor())(GREY)
    array = LEVELS if transform is None else GREY
    for given in (GREY, array, [(GREY, 3)], torch.from_numpy(LEVELS)[None], GREY.convert("RGB")):
        assert torch.equal(Scope(model, transform).see(given).seen[0].input, expected)


def test_explanations_of_grey_pictures_are_those_of_the_tensor() -> None:
    scope, tensor = Scope(digits(), IN_TRAINING), IN_TRAINING(GREY)
    for method in ("grad_cam", "integrated_gradients", "occlusion"):
        by_picture, by_tensor = (scope.explain(given, method, target=1).tensor for given in (GREY, tensor))
        torch.testing.assert_close(by_picture, by_tensor)
    assert np.array_equal(np.asarray(scope.see(GREY).seen[0].image), LEVELS), "shown as it was"


def test_a_grey_transform_that_only_takes_grey_pictures() -> None:
    def transform(image: Image.Image) -> Tensor:
        height, width = np.asarray(image).shape  # three axes for a picture in colours
        return torch.from_numpy(np.asarray(image) / 255).reshape(1, height, width)

    assert torch.equal(Scope(digits(), transform).see(GREY).seen[0].input, v1.ToTensor()(GREY))


@pytest.mark.parametrize("model", [MeanFirst(), head(nn.Conv2d(3, 8, 3)), nn.Sequential(nn.Linear(28, 2))])
def test_colours_reach_every_other_model(model: nn.Module) -> None:
    before = snapshot(model, torch.zeros(1))
    assert Scope(model, v1.ToTensor()).see(GREY).seen[0].input.shape == (3, 28, 28)
    assert before.differences(snapshot(model, torch.zeros(1))) == []


FORMS = {"signals": (signals(), torch.rand(4, 2, 64), 2), "volumes": (volumes(), torch.rand(2, 1, 6, 12, 10), 4)}


@pytest.mark.parametrize("kind", FORMS)
def test_signals_and_volumes_are_explained_however_they_are_given(kind: str, tmp_path: Path) -> None:
    model, batch, axes = FORMS[kind]
    scope = Scope(model)
    assert scope.preprocessing.form == InputForm(axes)
    logits, kept = torch.empty(0), {}
    hook = model[1].register_forward_hook(lambda _, __, out: kept.update(maps=out))
    logits = model(batch)
    (gradient,) = torch.autograd.grad(logits[:, 0].sum(), kept["maps"])
    hook.remove()
    space = tuple(range(2, gradient.ndim))
    by_hand = (gradient.mean(space, keepdim=True) * kept["maps"]).sum(1).flatten(1)
    labels = torch.arange(len(batch))
    for given in (batch, list(batch), batch.double().numpy(), TensorDataset(batch, labels)):
        heat = scope.explain(given, layer="1", target=0)
        torch.testing.assert_close(heat.tensor.flatten(1), by_hand.detach())
        assert len(heat.save(tmp_path)) == 2 * len(batch)
    assert [seen.picture.label for seen in scope.see(TensorDataset(batch, labels)).seen] == labels.tolist()
    scope.maps(batch[0], "0").figure()
    scope.report(batch, tmp_path / "report.html", methods=["grad_cam"])
    assert scope.layers().last == "1"


def test_a_video_model_has_three_colours() -> None:
    assert form_of(volumes(3)) == InputForm(4)
    assert form_of(volumes(5)).axes == 4


REFUSED: dict[str, tuple[Callable[[], nn.Module], object, type[Exception], str]] = {
    "picture for signals": (
        signals,
        GREY,
        ImageError,
        r"takes signals \(channel, time\), and a PIL picture was given\.",
    ),
    "axes": (volumes, torch.rand(9, 9), ImageError, r"takes volumes .* and a tensor of shape \(9, 9\) was given"),
    "channels": (digits, torch.rand(3, 9, 9), ModelError, "cannot run on pictures of 9×9: it takes grey pictures"),
    "size": (dense, torch.rand(1, 9, 9), ModelError, "pictures of 9×9: a dense layer takes another num"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_fit_is_one_sentence(kind: str) -> None:
    model, given, error, message = REFUSED[kind]
    with pytest.raises(error, match=message):
        Scope(model()).explain(given, "saliency")


class Video(nn.Module):
    """Takes the axes of its input apart itself, as Swin3D does, before any layer could refuse a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.net = volumes(3)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, depth, _, _ = x.shape
        return self.net(x[:batch, :, :depth])


def test_a_model_of_videos_whatever_it_says_of_pictures() -> None:
    assert form_of(Video().eval()).axes == 4
    assert form_of(Large().eval()).axes == 3


class Large(nn.Module):
    """Takes large pictures only, and has a convolution over its channels that stands before those over the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.stem = nn.Conv1d(1, 1, 3, padding=1), nn.Conv2d(3, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-1] < 224:
            raise ValueError("too small")
        features = self.stem(x).mean((2, 3))
        return features * self.gate(features[:, None])[:, 0]
