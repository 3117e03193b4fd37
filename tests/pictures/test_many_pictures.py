"""Many pictures in files: only the first are kept, the rest is read when it is needed, with the same result."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import featuremaps as fm
from featuremaps.errors import ImageError
from featuremaps.pictures import load, seen


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(8):
        pixels = rng.integers(0, 256, (20, 20 + 4 * (number % 2), 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"p{number}.png")
    return tmp_path


def keep(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for module in (load, seen):
        monkeypatch.setattr(module, "KEPT", size)


def scope(transform: Any = None) -> fm.Scope:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4))
    return fm.Scope(model, transform=transform or fm.preprocess(size=16))


def test_what_is_not_kept_gives_the_same(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = scope().compare(folder, ["grad_cam", "saliency"], "0", [1, None])
    overlays = [image.tobytes() for image in expected["grad_cam", "0", 1].overlay(on="original")]
    keep(monkeypatch, 3000)
    given = scope().compare(folder, ["grad_cam", "saliency"], "0", [1, None])
    for key, heat in given.items():
        torch.testing.assert_close(heat.tensor, expected[key].tensor)

        assert [part.kept is not None for part in heat.pictures] == [False] * 8
    heat = given["grad_cam", "0", 1]
    assert [image.tobytes() for image in heat.overlay(on="original")] == overlays
    assert len(heat.save(tmp_path / "out")) == 16


def test_a_few_are_read_and_transformed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    decoded = load.decoded
    monkeypatch.setattr(load, "decoded", lambda path: read.append(path) or decoded(path))
    heat = scope().explain(folder, layer="0")
    heat.overlay(on="original")
    assert len(read) == 8
    keep(monkeypatch, 0)
    read.clear()
    heat = scope().explain(folder, layer="0")
    assert len(read) == 3 * 8 + 1  # looked at, transformed, and once more for the model, the first for its layers too
    (folder / "p3.png").unlink()
    with pytest.raises(ImageError, match=r"p3\.png"):
        heat.overlay()


def test_chance_is_drawn_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The input of a random transform is kept: it could not be made again."""
    from torchvision.transforms import v2

    cropped = v2.Compose([v2.RandomCrop(12), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    keep(monkeypatch, 3000)
    heat = scope(cropped).explain(folder, layer="0")
    assert all(part.kept is not None for part in heat.pictures)


def test_arrays_and_tensors_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no file to read them from."""
    keep(monkeypatch, 0)
    arrays = [np.zeros((20, 20, 3), np.uint8)] * 3
    assert all(part.picture.kept is not None for part in scope().explain(arrays, layer="0").pictures)
    heat = scope().explain(torch.rand(3, 3, 16, 16), layer="0")
    assert all(part.input.shape == (3, 16, 16) for part in heat.pictures)
