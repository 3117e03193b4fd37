"""Painting: the loss falls, the content's size is kept, and what cannot be painted."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from featuremaps.draw.style import Weights, Wish
from featuremaps.draw.stylize import StylizeOptions, stylize
from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, OptionError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import Seen, see
from method_samples import IMAGENET, Little, squeezenet, unchecked
from snapshots import snapshot

TRANSFORM = v2.Compose([v2.Resize((16, 16)), v2.ToImage(), v2.ToDtype(torch.float32, True), v2.Normalize(**IMAGENET)])


def picture(height: int, width: int, seed: int = 0) -> Seen:
    """A smooth picture of this size; the model is shown 16×16 of it."""
    noise = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    smooth = nn.functional.interpolate(noise, (height, width), mode="bicubic").clamp(0, 1)[0]
    image = Image.fromarray((smooth * 255).byte().permute(1, 2, 0).numpy())
    return see(image, Preprocessing(TRANSFORM)).seen[0]


def studied(model: nn.Module | None = None) -> StudiedModel:
    return StudiedModel(model or Little(), Preprocessing(TRANSFORM))


@pytest.mark.parametrize("start", ["content", "noise"])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_loss_falls_at_the_contents_own_size(start: str, optimizer: str) -> None:
    options = StylizeOptions(
        content_layers="features",
        style_layers=["features.conv1", "features.conv2"],
        start=start,  # type: ignore[arg-type]
        optimizer=optimizer,  # type: ignore[arg-type]
        steps=30,
    )
    drawing = stylize(studied(), picture(20, 31), picture(40, 24, 1), options)
    assert drawing.picture.shape == (3, 20, 31)
    assert float(drawing.curve[-1]) < 0.6 * float(drawing.curve[0])
    assert drawing.value == pytest.approx(float(drawing.curve.min()), rel=0.2)
    assert (drawing.goal, len(drawing.curve)) == ("minimised", 30)


def test_it_starts_as_the_content() -> None:
    """With no weight on the style nothing is left to do, and the picture stays what it was."""
    content = picture(20, 31)
    drawing = stylize(studied(), content, picture(9, 9, 1), StylizeOptions(weights=Weights(1.0, 0.0), steps=1))
    assert content.picture.image is not None
    real = v2.functional.to_image(content.picture.image) / 255
    assert float((drawing.picture - real).abs().max()) < 3 / 255
    assert float(drawing.curve[0]) < 1e-4


def test_content_only_and_texture_only() -> None:
    content = stylize(studied(), picture(20, 31), None, StylizeOptions(content_layers="features.conv1", steps=60))
    assert content.name == "content of picture 0"
    assert content.picture.shape == (3, 20, 31)
    assert content.value is not None
    assert content.value < 0.2 * float(content.curve[0])
    texture = stylize(studied(), None, picture(20, 31), StylizeOptions(size=(20, 24), steps=60))
    assert texture.name == "style of picture 0"
    assert texture.picture.shape == (3, 20, 24)
    assert texture.value is not None
    assert texture.value < 0.2 * float(texture.curve[0])
    assert stylize(studied(), None, picture(20, 31), StylizeOptions(steps=1)).picture.shape == (3, 20, 31)


def test_layers_are_chosen_from_the_models_stages() -> None:
    stages = studied().walk(picture(9, 9).input[None]).stages
    drawing = stylize(studied(), picture(20, 31), picture(20, 20, 1), StylizeOptions(steps=1))
    assert drawing.settings["style_layers"] == list(stages)
    assert drawing.settings["content_layers"] == [stages[-2]]


def test_the_loss_is_that_of_the_wish() -> None:
    """The first value of the curve, from features that are read off the model here."""
    model, content, style = Little(), picture(20, 20), picture(20, 20, 1)
    drawing = stylize(
        studied(model),
        content,
        style,
        StylizeOptions(content_layers="features", style_layers="features.conv1", steps=1),
    )

    def normalised(seen: Seen) -> Tensor:
        assert seen.picture.image is not None
        tensor = v2.functional.to_dtype(v2.functional.to_image(seen.picture.image), torch.float32, True)
        return v2.functional.normalize(tensor, IMAGENET["mean"], IMAGENET["std"])[None].as_subclass(Tensor)

    with torch.no_grad():
        deep, early = model.features(normalised(content))[0], model.features.conv1(normalised(style))[0]
        own = {"features": deep[None], "features.conv1": model.features.conv1(normalised(content))}
        wish = Wish.of({"features": deep}, {"features.conv1": early}, Weights())
        expected = float(wish(own, torch.rand(1, 3, 20, 20)))
    assert float(drawing.curve[0]) == pytest.approx(expected, rel=1e-2)


def test_a_seed_repeats_and_the_model_comes_back() -> None:
    model, content, style = Little().train(), picture(12, 14), picture(12, 12, 1)
    before = snapshot(model, content.input)
    one, two, other = (
        stylize(studied(model), content, style, StylizeOptions(start="noise", steps=3, seed=seed)).picture
        for seed in (1, 1, 2)
    )
    assert before.differences(snapshot(model, content.input)) == []
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_what_cannot_be_painted() -> None:
    content, style = picture(20, 31), picture(20, 20, 1)
    with pytest.raises(OptionError, match="takes a content, a style or both, and neither was given"):
        stylize(studied(), None, None, StylizeOptions())
    with pytest.raises(OptionError, match="size is for a texture"):
        stylize(studied(), content, style, StylizeOptions(size=(9, 9)))
    with pytest.raises(OptionError, match="1 or more; got"):
        stylize(studied(), None, style, StylizeOptions(size=(0, 9)))
    with pytest.raises(OptionError, match="start='content' is not possible; choose 'noise'"):
        stylize(studied(), None, style, StylizeOptions(start="content"))
    with unchecked(), pytest.raises(OptionError, match="start='contents' is not possible.* Did you mean 'content'"):
        stylize(studied(), content, style, StylizeOptions(start="contents"))  # type: ignore[arg-type]
    with pytest.raises(LayerNotFoundError, match="Did you mean 'features"):
        stylize(studied(), content, style, StylizeOptions(style_layers="feature"))
    with pytest.raises(LayoutError, match="head"):
        stylize(studied(), content, style, StylizeOptions(content_layers="head"))


def test_a_model_that_takes_one_size_only() -> None:
    """Its dense layer comes first, so no layer after it can look at the whole picture; one before it can."""
    model = nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.Linear(4 * 256, 64), nn.Unflatten(1, (4, 4, 4))),
        nn.Conv2d(4, 4, 3, padding=1),
    ).eval()
    with pytest.raises(ModelError, match=r"cannot run on pictures of 20×31.*earlier layers.*seen\[0\].image"):
        stylize(
            studied(model), picture(20, 31), picture(20, 20, 1), StylizeOptions(content_layers="4", style_layers="0")
        )
    drawing = stylize(
        studied(model),
        picture(20, 31),
        picture(20, 20, 1),
        StylizeOptions(content_layers="0", style_layers="0", steps=2),
    )
    assert drawing.picture.shape == (3, 20, 31)


def test_an_interrupt_keeps_the_best() -> None:
    model, calls = Little(), 0

    def interrupt(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 13:  # the first is a look at the model
            raise KeyboardInterrupt

    model.features.conv1.register_forward_hook(interrupt)
    layers = {"content_layers": "features.conv2", "style_layers": "features.conv1"}
    drawing = stylize(studied(model), picture(12, 14), picture(12, 12, 1), StylizeOptions(steps=50, **layers))  # type: ignore[arg-type]
    assert "stopped by hand" in drawing.notes[0]
    assert 5 < len(drawing.curve) < 12
    assert drawing.value == pytest.approx(float(drawing.curve.min()), rel=0.2)


def test_a_real_network(shared: Path) -> None:
    paths = sorted((shared / "images" / "imagenet").glob("*.jpg"))[:2]
    preprocessing = Preprocessing(v2.Compose([v2.Resize((64, 64)), *TRANSFORM.transforms[1:]]))
    content, style = (see(Image.open(path).convert("RGB").resize((80, 64)), preprocessing).seen[0] for path in paths)
    layers = {"content_layers": "features.7", "style_layers": ["features.1", "features.5"]}
    drawing = stylize(
        StudiedModel(squeezenet(shared), preprocessing), content, style, StylizeOptions(steps=25, **layers)
    )  # type: ignore[arg-type]
    assert drawing.picture.shape == (3, 64, 80)
    assert drawing.value is not None
    assert drawing.value < 0.5 * float(drawing.curve[0])
