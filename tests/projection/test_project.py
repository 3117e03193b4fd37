"""Units sent back to the pixels, beside explicit passes up and down, and their receptive fields beside what they see."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

import featuremaps as fm
from featuremaps.errors import LayerNotFoundError, LayoutError, OptionError
from method_samples import Little, noise, squeezenet, unchecked
from snapshots import snapshot


def stack() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 5, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.LazyLinear(2)),
    ).eval()


def down_and_up(
    model: nn.Sequential, picture: Tensor, channel: int, rule: str
) -> tuple[float, tuple[int, int], Tensor]:
    """From the strongest place of a channel of layer 4 back, operation by operation."""
    with torch.no_grad():
        first = model[0](picture[None])
        pooled, switches = F.max_pool2d(first.relu(), 2, return_indices=True)
        second = model[3](pooled)
        maps = second.relu()[0, channel]
        row, column = divmod(int(maps.argmax()), maps.shape[1])
        signal = torch.zeros_like(second)
        signal[0, channel, row, column] = maps[row, column]
        signal = rectified(signal, second, rule)
        signal = F.conv_transpose2d(signal, model[3].weight, padding=1)
        signal = F.max_unpool2d(signal, switches, 2, output_size=first.shape[2:])
        signal = rectified(signal, first, rule)
        return float(maps[row, column]), (row, column), F.conv_transpose2d(signal, model[0].weight, padding=1)[0]


def rectified(signal: Tensor, x: Tensor, rule: str) -> Tensor:
    if rule == "deconvnet":
        return signal.clamp_min(0)
    return (signal.clamp_min(0) if rule == "guided" else signal) * (x > 0)


@pytest.mark.parametrize("rule", ["deconvnet", "guided", "gradient"])
def test_equals_the_explicit_way_down_and_up(rule: str) -> None:
    model, pictures = stack(), noise(3, (12, 12))
    model(pictures)
    found = fm.Scope(model).project(pictures, ["4:1", "4:3"], rule=rule)  # type: ignore[arg-type]
    for row, channel in zip(found.units, (1, 3), strict=True):
        expected = [down_and_up(model, picture, channel, rule) for picture in pictures]
        order = sorted(range(3), key=lambda i: -expected[i][0])
        assert [one.seen.picture.name for one in row] == [f"picture {i}" for i in order]
        for one, i in zip(row, order, strict=True):
            assert one.value == pytest.approx(expected[i][0], rel=1e-5)
            assert one.place == expected[i][1]
            torch.testing.assert_close(one.signal, expected[i][2], rtol=1e-4, atol=1e-5)


def test_the_box_is_what_the_unit_sees_clipped_at_the_border() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 1, 3, stride=2, padding=1)).eval()
    with torch.no_grad():
        for conv in (model[0], model[2]):
            conv.weight.fill_(1.0)
            conv.bias.fill_(1.0)  # every ReLU passes
    for bright in ((0, 0), (10, 10), (19, 3)):
        picture = torch.zeros(1, 1, 20, 20)
        picture[0, 0, bright[0], bright[1]] = 100
        (one,) = fm.Scope(model).project(picture, "2:0", rule="gradient").units[0]
        sees = one.signal[0].nonzero()
        left, top, right, bottom = one.box
        assert (top, left) == tuple(sees.amin(0).tolist())
        assert (bottom - 1, right - 1) == tuple(sees.amax(0).tolist())
        assert one.crop.shape == (1, bottom - top, right - left)
        assert top <= bright[0] < bottom
        assert left <= bright[1] < right


def test_the_patch_is_cut_from_the_original() -> None:
    """A red square in a large picture: what the unit saw is where the square is."""
    image = Image.new("RGB", (400, 300))
    image.paste((255, 0, 0), (250, 100, 290, 140))
    model = nn.Sequential(nn.Conv2d(3, 1, 9, stride=4, bias=False), nn.ReLU()).eval()
    with torch.no_grad():
        model[0].weight.zero_()
        model[0].weight[0, 0] = 1.0
    transform = v2.Compose([v2.Resize(150), v2.CenterCrop(120), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    (one,) = fm.Scope(model, transform).project(image, "1:0", rule="guided").units[0]
    assert one.original_box is not None
    left, top, right, bottom = one.original_box
    assert left < 290
    assert right > 250
    assert top < 140
    assert bottom > 100
    assert (right - left, bottom - top) == (18, 18)
    assert np.asarray(one.patch)[..., 0].mean() > 200


def test_the_strongest_of_many_pictures_in_small_batches(shared: Path, tmp_path: Path) -> None:
    folder = shared / "images" / "imagenet"
    transform = v2.Compose([v2.Resize(96), v2.CenterCrop(96), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    scope = fm.Scope(squeezenet(shared), transform)
    paths = sorted(folder.glob("*.jpg"))[:12]
    found = scope.project(paths, "features.7:5", most=4, batch_size=5)
    maps = scope.record(paths, "features.7", gradients=False).activations["features.7"]
    strongest = maps[:, 5].flatten(1).amax(1).topk(4)
    assert [one.value for one in found.units[0]] == pytest.approx(strongest.values.tolist(), rel=1e-4)
    assert [one.seen.picture.name for one in found.units[0]] == [paths[i].name for i in strongest.indices.tolist()]
    assert found["features.7:5"] == found[0]
    assert len(found.save(tmp_path)) == 12
    assert found._repr_png_().startswith(b"\x89PNG")
    assert repr(found) == "<Projections of features.7:5 by deconvnet, 4 pictures each>"
    with pytest.raises(KeyError, match="no projections of 'features.7:6'; there are features.7:5"):
        found["features.7:6"]


def test_pictures_of_different_sizes() -> None:
    pictures = [Image.new("RGB", (24, 20), "red"), Image.new("RGB", (16, 30), "blue")]
    found = fm.Scope(Little()).project(pictures, "features.conv2:2", rule="gradient")
    assert sorted(tuple(one.signal.shape) for one in found.units[0]) == [(3, 20, 24), (3, 30, 16)]


def test_a_silent_unit_is_said() -> None:
    model = Little()
    with torch.no_grad():
        model.features.conv3.bias[2] = -1e6
    found = fm.Scope(model).project(noise(1), "features:2")
    assert found.warnings == ("features:2 in picture 0: the unit is silent in this picture: its highest value is 0.",)


def test_the_model_comes_back() -> None:
    model, pictures = Little().train(), noise(2)
    before = snapshot(model, pictures)
    fm.Scope(model).project(pictures, "features.conv2:1")
    assert before.differences(snapshot(model, pictures)) == []
    with pytest.raises(LayerNotFoundError):
        fm.Scope(model).project(pictures, "features.conv2:99")
    assert before.differences(snapshot(model, pictures)) == []


def test_what_cannot_be_projected() -> None:
    scope, pictures = fm.Scope(Little()), noise(1)
    with pytest.raises(
        LayerNotFoundError, match=r"features has channels 0 to 7, there is no 99 \('features:99' was asked for\)"
    ):
        scope.project(pictures, "features:99")
    with pytest.raises(
        LayerNotFoundError, match=r"'features' is a layer, and a unit is one channel of it: 'features:0'"
    ):
        scope.project(pictures, "features")
    with pytest.raises(LayerNotFoundError, match="Did you mean 'features"):
        scope.project(pictures, "feature:1")
    with pytest.raises((LayoutError, LayerNotFoundError), match="head"):
        scope.project(pictures, "head:1")
    with unchecked(), pytest.raises(OptionError, match="rule='deconv' is not known; .* Did you mean 'deconvnet'"):
        scope.project(pictures, "features:1", rule="deconv")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="no unit was given to project: give one"):
        scope.project(pictures, [])
    with pytest.raises(OptionError, match="1 or more; got 0"):
        scope.project(pictures, "features:1", most=0)
