"""DeepDream: what is wanted grows, the picture's size is kept, and what cannot be dreamt."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from featuremaps.draw.dream import DreamOptions, Octaves, dream, strength
from featuremaps.draw.model_view import Responses
from featuremaps.errors import LayerNotFoundError, LayoutError, ModelError, OptionError
from featuremaps.layers.addresses import parse
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.pictures.seen import Seen, see
from method_samples import IMAGENET, Little, noise, squeezenet, unchecked
from snapshots import snapshot

TRANSFORM = v2.Compose([v2.Resize((16, 16)), v2.ToImage(), v2.ToDtype(torch.float32, True), v2.Normalize(**IMAGENET)])
FEW = Octaves(count=3, steps=5)


def picture(height: int = 30, width: int = 41) -> Seen:
    values = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    smooth = nn.functional.interpolate(values, (height, width), mode="bicubic").clamp(0, 1)[0]
    image = Image.fromarray((smooth * 255).byte().permute(1, 2, 0).numpy())
    return see(image, Preprocessing(TRANSFORM)).seen[0]


def studied(model: nn.Module | None = None) -> StudiedModel:
    return StudiedModel(model or Little(), Preprocessing(TRANSFORM))


def test_strength_beside_a_plain_loop() -> None:
    maps = noise(2, (4, 5))
    found = strength(Responses({"a": maps}), [parse("a"), parse("a:1")])
    for row in range(2):
        squares = sum(float(value) ** 2 for value in maps[row].flatten()) / 60
        mean = sum(float(value) for value in maps[row, 1].flatten()) / 20
        assert float(found[row]) == pytest.approx(squares + mean, rel=1e-5)


@pytest.mark.parametrize("layers", ["features", "features:3", ["features.conv2", "features:1"]])
def test_what_is_wanted_grows_at_the_pictures_own_size(layers: str | list[str]) -> None:
    seen = picture()
    drawing = dream(studied(), seen, layers, DreamOptions(octaves=FEW))
    assert drawing.picture.shape == (3, 30, 41)
    assert len(drawing.curve) == 15
    still = dream(studied(), seen, layers, DreamOptions(octaves=Octaves(count=1, steps=1, rate=1e-6)))
    assert drawing.value is not None
    assert still.value is not None
    assert drawing.value > still.value
    real = v2.functional.to_image(seen.picture.image) / 255
    assert float((still.picture - real).abs().max()) < 1.5 / 255
    assert 0.005 < float((drawing.picture - real).abs().mean()) < 0.2


def test_sizes_of_octaves() -> None:
    assert Octaves(count=3, scale=2.0).sizes(40, 61) == ((10, 15), (20, 30), (40, 61))
    assert Octaves(count=1).sizes(40, 61) == ((40, 61),)


def test_detail_of_one_octave_is_carried_to_the_next() -> None:
    """Steps that change nothing in the last octave leave what the smaller ones added."""
    drawing = dream(studied(), picture(), "features", DreamOptions(octaves=Octaves(count=2, steps=10, rate=0.05)))
    small = dream(studied(), picture(), "features", DreamOptions(octaves=Octaves(count=1, steps=10, rate=0.05)))
    real = v2.functional.to_image(picture().picture.image) / 255
    assert float((drawing.picture - real).abs().mean()) > 1.2 * float((small.picture - real).abs().mean())


def test_frames_of_every_octave() -> None:
    drawing = dream(studied(), picture(), "features", DreamOptions(octaves=Octaves(count=3, steps=4, frames=6)))
    sizes = [tuple(frame.shape[1:]) for frame in drawing.frames]
    assert sizes == [size for size in Octaves(count=3).sizes(30, 41) for _ in range(2)]


def test_a_seed_repeats_and_the_model_comes_back() -> None:
    model, seen = Little().train(), picture()
    before = snapshot(model, seen.input)
    one, two, other = (
        dream(studied(model), seen, "features", DreamOptions(octaves=FEW, seed=seed)).picture for seed in (1, 1, 2)
    )
    assert before.differences(snapshot(model, seen.input)) == []
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_an_interrupt_in_an_early_octave_keeps_the_size() -> None:
    model, calls = Little(), 0

    def interrupt(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 11:  # the first is a look at the model
            raise KeyboardInterrupt

    model.features.conv1.register_forward_hook(interrupt)
    drawing = dream(studied(model), picture(), "features.conv2", DreamOptions(octaves=FEW))
    assert drawing.picture.shape == (3, 30, 41)
    assert 5 <= len(drawing.curve) < 10
    assert "stopped by hand" in drawing.notes[0]


def test_what_cannot_be_dreamt() -> None:
    with pytest.raises(LayerNotFoundError, match="channels 0 to 7, there is no 8"):
        dream(studied(), picture(), "features:8", DreamOptions())
    with pytest.raises(LayerNotFoundError, match="Did you mean 'features"):
        dream(studied(), picture(), "feature", DreamOptions())
    with pytest.raises(LayoutError, match="head"):
        dream(studied(), picture(), "head", DreamOptions())
    with pytest.raises(OptionError, match="no layer was given"):
        dream(studied(), picture(), [], DreamOptions())
    with pytest.raises(OptionError, match="octaves: count is 1 or more; got 0"):
        Octaves(count=0)
    deep = nn.Sequential(*[nn.Sequential(nn.Conv2d(3, 3, 3), nn.MaxPool2d(2)) for _ in range(2)]).eval()
    with unchecked(), pytest.raises(OptionError, match="octaves is a whole number, or .*Octaves; got 2.5"):
        dream(studied(), picture(), "features", DreamOptions(octaves=2.5))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="cannot run on pictures of 2×3: .*Give fewer octaves"):
        dream(studied(deep), picture(), "1", DreamOptions(octaves=Octaves(count=5, scale=2.0)))


def test_a_real_network(shared: Path) -> None:
    path = shared / "images" / "imagenet" / "200_Tibetan_terrier.jpg"
    preprocessing = Preprocessing(v2.Compose([v2.Resize((64, 64)), *TRANSFORM.transforms[1:]]))
    seen = see(Image.open(path).convert("RGB").resize((120, 90)), preprocessing).seen[0]
    drawing = dream(
        StudiedModel(squeezenet(shared), preprocessing),
        seen,
        "features.7",
        DreamOptions(octaves=Octaves(count=2, steps=5)),
    )
    assert drawing.picture.shape == (3, 90, 120)
    assert float(drawing.curve[4]) > float(drawing.curve[0])
    assert float(drawing.curve[-1]) > float(drawing.curve[5])
