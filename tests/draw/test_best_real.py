"""The best real picture for every objective."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

import featuremaps as fm
from featuremaps.draw.best_real import best_real
from featuremaps.errors import ImageError, ModelError
from featuremaps.pictures.load import Picture
from featuremaps.pictures.seen import Seen
from method_samples import IMAGENET, Little, squeezenet


def means(batch: Tensor) -> Tensor:
    return batch.mean((2, 3))


def grey(*levels: int, sizes: tuple[int, ...] = (8,)) -> tuple[Seen, ...]:
    """Pictures whose red has these levels, whose green the opposite; in turn of these sizes."""
    images = [
        Picture(f"p{i}.png", kept=Image.new("RGB", (sizes[i % len(sizes)],) * 2, (level, 255 - level, 0)))
        for i, level in enumerate(levels)
    ]
    return fm.Scope(Little()).see(images).seen


@pytest.mark.parametrize("batch_size", [1, 2, 100])
@pytest.mark.parametrize("sizes", [(8,), (8, 12, 16)])
def test_each_objective_has_its_best_picture(batch_size: int, sizes: tuple[int, ...]) -> None:
    pictures = grey(30, 200, 10, 90, 200, sizes=sizes)
    red, green, blue = best_real(means, pictures, batch_size=batch_size)
    assert (red.name, green.name, blue.name) == ("p1.png", "p2.png", "p0.png")
    assert red.value == pytest.approx(200 / 255)
    assert green.value == pytest.approx(245 / 255)
    assert red.seen is pictures[1]
    assert {one.count for one in (red, green, blue)} == {5}
    low = best_real(means, pictures, batch_size=batch_size, goal="minimised")
    assert [one.name for one in low] == ["p2.png", "p1.png", "p0.png"]


def test_no_graph_is_kept() -> None:
    weight = torch.ones(3, requires_grad=True)

    def values(batch: Tensor) -> Tensor:
        found = means(batch) * weight
        assert not found.requires_grad
        return found

    assert len(best_real(values, grey(1, 2))) == 3


def test_bad_input_is_one_message() -> None:
    with pytest.raises(ImageError, match="there are none"):
        best_real(means, ())
    with pytest.raises(ModelError, match=r"p1\.png: the objective is not finite on this real picture"):
        best_real(lambda batch: means(batch).where(means(batch) < 0.9, float("nan")), grey(50, 250, 60))


def test_channels_of_a_real_model_over_real_photographs(shared: Path) -> None:
    convert = v2.Compose(
        [v2.Resize(64), v2.CenterCrop(64), v2.ToImage(), v2.ToDtype(torch.float32, True), v2.Normalize(**IMAGENET)]
    )
    layers = squeezenet(shared).features[:6]
    paths = sorted((shared / "images" / "imagenet").glob("*.jpg"))[:12]
    pictures = fm.Scope(layers, convert).see(paths).seen
    found = best_real(lambda batch: layers(batch)[:, [3, 90]].mean((2, 3)), pictures, batch_size=5)
    for channel, real in zip((3, 90), found, strict=True):
        with torch.no_grad():
            single = [float(layers(one.input[None])[0, channel].mean()) for one in pictures]
        assert real.value == pytest.approx(max(single), rel=1e-4)
        assert real.name == paths[single.index(max(single))].name
