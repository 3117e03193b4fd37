"""`featuremaps attention`: a figure a picture and the raw maps a layer, from the token or pixel asked for."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from survey_commands import run

MODEL = ("-m", "attention_samples:tiny_vit")


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.png"
    Image.effect_noise((24, 16), 60).convert("RGB").save(path)
    return str(path)


def test_files_and_what_is_printed(photo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run("attention", photo, *MODEL, "--query", "3,20", "-o", str(out)) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "photo__attention.png",
        "photo__attention__attention-0.npy",
        "photo__attention__attention-1.npy",
    ]
    assert np.load(out / "photo__attention__attention-0.npy").shape == (2, 4, 6)
    printed = capsys.readouterr().out
    assert "<AttentionMaps from pixel (3, 20): 1 picture, 2 layers, 2 heads of 4×6>" in printed
    assert printed.endswith(f"3 files in {out}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--query", "1,2,3"], "--query '1,2,3' is not understood; write class, mean, a token's number such as 3"),
        (["--query", "99,0"], r"query \(99, 0\) is a pixel"),
        (["-l", "conv9"], "there is no attention in 'conv9'"),
        (["-m", "demo"], "has no softmax attention"),
    ],
)
def test_errors_are_one_message(
    arguments: list[str],
    message: str,
    photo: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = () if "-m" in arguments else MODEL
    assert run("attention", photo, *model, *arguments) == 1
    assert re.search(message, capsys.readouterr().err)
