"""Inversions: the terms beside plain loops, how close they come, and what cannot be inverted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms import v2

from featuremaps.draw.invert import InvertOptions, Prior, distances, invert
from featuremaps.draw.pixels import PixelCanvas
from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, OptionError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import Seen, see
from method_samples import IMAGENET, Little, cifar_model, noise, squeezenet, unchecked
from snapshots import snapshot


def photograph(size: int = 24) -> Seen:
    """A smooth picture with values 0 to 1."""
    down, across = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    return see(torch.stack([down, across, (6 * down * across).sin().abs()]), Preprocessing()).seen[0]


def test_distance_beside_a_plain_loop() -> None:
    maps, goals = noise(2, (3, 4)), noise(2, (3, 4), seed=1)
    for found, own, goal in zip(distances(list(maps), list(goals)), maps.numpy(), goals.numpy(), strict=True):
        apart = length = 0.0
        for place in np.ndindex(own.shape):
            apart += float(own[place] - goal[place]) ** 2
            length += float(goal[place]) ** 2
        assert float(found) == pytest.approx(apart / length, rel=1e-5)


@pytest.mark.parametrize(("alpha", "beta"), [(6.0, 2.0), (4.0, 3.0)])
def test_prior_beside_a_plain_loop(alpha: float, beta: float) -> None:
    pictures = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    found = Prior(range=0.3, smooth=0.7, alpha=alpha, beta=beta)(pictures)
    for cost, picture in zip(found, pictures.numpy(), strict=True):
        far = rough = 0.0
        for channel, row, column in np.ndindex(picture.shape):
            value = float(picture[channel, row, column])
            far += abs(2 * value - 1) ** alpha
            right = float(picture[channel, row, column + 1]) - value if column < 4 else 0.0
            below = float(picture[channel, row + 1, column]) - value if row < 3 else 0.0
            rough += (right**2 + below**2) ** (beta / 2)
        assert float(cost) == pytest.approx((0.3 * far + 0.7 * rough) / picture.size, rel=1e-5)


def test_the_distance_falls_and_is_that_of_the_final_picture() -> None:
    model, seen = Little(), photograph()
    found = invert(StudiedModel(model), seen, ["features.conv1", "features"], InvertOptions(steps=60))
    assert [drawing.name for drawing in found] == ["features.conv1 of picture 0", "features of picture 0"]
    for drawing, layer in zip(found, (model.features.conv1, model.features), strict=True):
        with torch.no_grad():
            goal, own = layer(seen.input[None]), layer(drawing.picture[None])
        assert drawing.value == pytest.approx(float((own - goal).norm() / goal.norm()), rel=1e-3)
        assert drawing.settings["relative_squared_distance"] == pytest.approx(drawing.value**2, rel=1e-5)
        assert float(drawing.curve[-1]) < 0.25 * float(drawing.curve[0])
        assert drawing.goal == "minimised"
        levels = drawing.picture * 255
        torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-3)


def test_layers_together_are_layers_alone() -> None:
    """A row looks at its own layer only. Noise is drawn for all rows at once, so the first row is compared."""
    studied, seen = StudiedModel(Little()), photograph()
    together = invert(studied, seen, ["features.conv2", "features"], InvertOptions(steps=8))
    alone = invert(studied, seen, "features.conv2", InvertOptions(steps=8))
    torch.testing.assert_close(together[0].picture, alone[0].picture, rtol=0, atol=1.5 / 255)
    assert len(alone) == 1


def test_a_seed_repeats() -> None:
    studied, seen = StudiedModel(Little()), photograph()
    first, again = (invert(studied, seen, "features", InvertOptions(steps=5, seed=3))[0] for _ in range(2))
    other = invert(studied, seen, "features", InvertOptions(steps=5, seed=4))[0]
    assert torch.equal(first.picture, again.picture)
    assert not torch.equal(first.picture, other.picture)


def test_options_reach_the_climb() -> None:
    studied, seen = StudiedModel(Little()), photograph()
    canvas = PixelCanvas()
    drawing = invert(
        studied, seen, "features", InvertOptions(size=(16, 20), canvas=canvas, steps=12, optimizer="lbfgs", frames=3)
    )[0]
    assert drawing.picture.shape == (3, 16, 20)
    assert [tuple(frame.shape) for frame in drawing.frames] == [(3, 16, 20)] * 3
    assert len(drawing.curve) == 12
    assert drawing.settings["climb"]["rate"] == canvas.rate  # type: ignore[index]
    assert float(drawing.curve[-1]) < 0.5 * float(drawing.curve[0])


def test_a_tensor_of_unknown_colours_is_stretched() -> None:
    seen = see(noise(1, (24, 24)), Preprocessing()).seen[0]
    drawing = invert(StudiedModel(Little()), seen, "features.conv1", InvertOptions(steps=60))[0]
    assert drawing.value is not None
    assert drawing.value < 0.5
    assert any("colours is not known" in note for note in drawing.notes)


def test_the_model_comes_back_and_an_interrupt_keeps_the_best() -> None:
    model, seen = Little().train(), photograph()
    calls = 0

    def interrupt(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 10:
            raise KeyboardInterrupt

    before = snapshot(model, seen.input)
    invert(StudiedModel(model), seen, "features", InvertOptions(steps=3))
    assert before.differences(snapshot(model, seen.input)) == []
    hook = model.features.conv1.register_forward_hook(interrupt)
    StudiedModel(model).walk(seen.input[None])  # a hook is new, so the layers are found once more
    calls = 0
    before = snapshot(model, seen.input)
    drawing = invert(StudiedModel(model), seen, "features", InvertOptions(steps=100))[0]
    assert before.differences(snapshot(model, seen.input)) == []
    hook.remove()
    assert drawing.notes == (f"stopped by hand after {len(drawing.curve)} steps",)
    assert 5 < len(drawing.curve) < 10


def test_what_cannot_be_inverted() -> None:
    model, seen = Little(), photograph()
    studied = StudiedModel(model)
    with pytest.raises(LayerNotFoundError, match="Did you mean 'features"):
        invert(studied, seen, "feature", InvertOptions())
    with pytest.raises(LayoutError, match="head"):
        invert(studied, seen, "head", InvertOptions())
    with pytest.raises(OptionError, match=r"'features:2' is one channel.*'features'.*draw it"):
        invert(studied, seen, "features:2", InvertOptions())
    with pytest.raises(OptionError, match=r"size is \(height, width\) in pixels, 1 or more; got \(0, 4\)"):
        invert(studied, seen, "features", InvertOptions(size=(0, 4)))
    with pytest.raises(OptionError, match="prior: smooth is 0 or more; got -1"):
        Prior(smooth=-1.0)
    with unchecked(), pytest.raises(OptionError, match="prior is a featuremaps.draw.Prior.* got 'smooth'"):
        InvertOptions(prior="smooth")  # type: ignore[arg-type]
    with torch.no_grad():
        model.features.conv3.bias.fill_(-1e6)
    with pytest.raises(ModelError, match="layer 'features' is silent for picture 0.*earlier layer"):
        invert(studied, seen, "features", InvertOptions())
    deep = nn.Sequential(*[nn.Sequential(nn.Conv2d(3, 3, 3), nn.MaxPool2d(2)) for _ in range(3)]).eval()
    with pytest.raises(ModelError, match=r"cannot run on pictures of 8×8: .*Give a larger size, or none"):
        invert(StudiedModel(deep), see(torch.rand(3, 40, 40), Preprocessing()).seen[0], "2", InvertOptions(size=(8, 8)))


def test_a_real_network_remembers(shared: Path) -> None:
    """The shared ResNet-20: an early layer keeps the picture, a deep one its features."""
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, True), v2.Normalize(**IMAGENET)])
    preprocessing = Preprocessing(transform)
    seen = see(sorted((shared / "images" / "cifar10" / "cat").glob("*.jpg"))[0], preprocessing).seen[0]
    found = invert(
        StudiedModel(cifar_model(shared), preprocessing), seen, ["layer1", "layer3"], InvertOptions(steps=200)
    )
    assert found[0].value < 0.1  # type: ignore[operator]
    assert found[1].value < 0.3  # type: ignore[operator]
    real = torch.from_numpy(np.array(seen.image)).permute(2, 0, 1) / 255
    assert _likeness(found[0].picture, real) > 0.95
    assert _likeness(found[0].picture, real) > _likeness(found[1].picture, real)


@pytest.mark.slow
def test_an_early_layer_of_squeezenet_keeps_the_picture(shared: Path) -> None:
    transform = v2.Compose(
        [v2.Resize(112), v2.CenterCrop(112), v2.ToImage(), v2.ToDtype(torch.float32, True), v2.Normalize(**IMAGENET)]
    )
    preprocessing = Preprocessing(transform)
    seen = see(shared / "images" / "imagenet" / "200_Tibetan_terrier.jpg", preprocessing).seen[0]
    drawing = invert(StudiedModel(squeezenet(shared), preprocessing), seen, "features.3", InvertOptions(steps=150))[0]
    assert drawing.value is not None
    assert drawing.value < 0.15
    real = torch.from_numpy(np.array(seen.image)).permute(2, 0, 1) / 255
    assert _likeness(drawing.picture, real) > 0.9


def _likeness(own: Tensor, real: Tensor) -> float:
    """The correlation of two pictures' values."""
    return float(torch.corrcoef(torch.stack([own.flatten(), real.flatten()]))[0, 1])
