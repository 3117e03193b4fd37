"""Settings as plain JSON, and their way into a PNG and back."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from featuremaps.draw.png_metadata import plain, read_png, write_png
from featuremaps.errors import ImageError, OptionError


@dataclass(frozen=True)
class Brush:
    width: int = 3
    colours: tuple[float, ...] = (0.5, 1.0)
    found: int = field(default=7, init=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2.5, None), "x", True), [1, [2.5, None], "x", True]),
        (torch.tensor([[1.0, 2.0]]), [[1.0, 2.0]]),
        (np.float32(0.5), 0.5),
        (torch.tensor(3), 3),
        (float("nan"), "nan"),
        (torch.tensor([float("inf")]), ["inf"]),
        (Path("a") / "b", str(Path("a") / "b")),
        (torch.bfloat16, "torch.bfloat16"),
        (torch.Size([3, 4]), [3, 4]),
        ({4: Brush()}, {"4": {"kind": "Brush", "width": 3, "colours": [0.5, 1.0]}}),
    ],
)
def test_values_become_plain_json_that_reads_back_the_same(value: object, expected: object) -> None:
    found = plain(value)
    assert found == expected
    assert json.loads(json.dumps(found, allow_nan=False)) == expected


def test_what_cannot_be_kept_is_named() -> None:
    with pytest.raises(OptionError, match=r"settings\.jitter\[1\] is a function, which cannot be written"):
        plain({"jitter": [1, seed_of]})
    with pytest.raises(OptionError, match="settings is a type"):
        plain(Brush)


def seed_of() -> int:
    return 0


def test_any_text_survives_the_file(tmp_path: Path) -> None:
    told = {"name": "猫 of naïve.jpg", "settings": {"note": "a\nb\0c", "long": "x" * 100_000}}
    write_png(Image.new("L", (2, 2)), tmp_path / "p.png", told)
    found = read_png(tmp_path / "p.png")
    assert found.pop("made_with").startswith("featuremaps ")
    assert found == told


def test_pictures_without_settings_say_so(tmp_path: Path) -> None:
    plain_png = tmp_path / "other.png"
    Image.new("RGB", (2, 2)).save(plain_png)
    with pytest.raises(ImageError, match=r"other\.png: no settings are kept in this file.*Drawing\.save"):
        read_png(plain_png)
    Image.new("RGB", (2, 2)).save(tmp_path / "photo.jpg")
    with pytest.raises(ImageError, match="no settings are kept"):
        read_png(tmp_path / "photo.jpg")
    with pytest.raises(ImageError, match=r"gone\.png: the picture cannot be read"):
        read_png(tmp_path / "gone.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG, not")
    with pytest.raises(ImageError, match=r"broken\.png: the picture cannot be read"):
        read_png(tmp_path / "broken.png")
