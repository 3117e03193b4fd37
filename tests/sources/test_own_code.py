"""Models from the user's own files: found, refused in one sentence, and the path and folder as they were."""

import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from featuremaps import load
from featuremaps.errors import FeatureMapsWarning, SourceError
from featuremaps.sources.checkpoint import read_weights

CODE = "import torch.nn as nn\ndef make():\n    return nn.Conv2d(3, {channels}, 1)\n"
FILES = {
    "netfile.py": CODE.format(channels=2),
    "sub/netfile.py": CODE.format(channels=5),
    "json.py": CODE.format(channels=7),
    "fails_at_once.py": "1 / 0\n",
    "no_python.py": "def (\n",
    "leaves.py": "raise SystemExit(3)\n",
    "moves.py": "import os, sys\nos.chdir('/')\nsys.path.clear()\n" + CODE.format(channels=3),
    "fails_late.py": "def make():\n    raise ValueError('no luck')\ndef needs(size):\n    pass\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, code in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "channels"),
    [
        ("netfile:make", 2),
        ("netfile.py:make", 2),
        ("./netfile.py:make", 2),
        ("sub/netfile.py:make", 5),
        ("json.py:make", 7),
        ("moves:make", 3),
    ],
)
def test_a_factory_is_found(spec: str, channels: int, folder: Path) -> None:
    path = list(sys.path)
    assert load(spec).model.out_channels == channels
    assert load(str(folder / "netfile.py") + ":make").model.out_channels == 2
    assert (sys.path, Path.cwd()) == (path, Path(os.path.realpath(folder)))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fails_at_once:make", r"ZeroDivisionError: division by zero \(.*fails_at_once\.py, line 1\)"),
        ("no_python.py:make", "SyntaxError: invalid syntax"),
        ("leaves:make", "SystemExit: 3"),
        ("fails_late:make", r"fails_late:make\(\) could not be made: ValueError: no luck \(.*fails_late\.py, line 2\)"),
        ("fails_late.py:needs", "missing 1 required positional argument: 'size'.*without arguments"),
        ("nowhere.py:make", "there is no file '.*nowhere.py'"),
        ("netfile.py:maek", "has no 'maek'. Did you mean 'make'"),
        ("netfile.py", "Which function in it makes the model. Give 'netfile.py:function'"),
    ],
)
def test_a_factory_that_fails_is_one_sentence(spec: str, message: str, folder: Path) -> None:
    path = list(sys.path)
    with pytest.raises(SourceError, match=message):
        load(spec)
    assert (sys.path, Path.cwd()) == (path, Path(os.path.realpath(folder)))


def test_a_class_without_weights_is_said_to_have_random_ones(folder: Path) -> None:
    (folder / "own.py").write_text("from torch import nn\nclass Net(nn.ReLU):\n    pass\nmake = Net\n")
    with pytest.warns(FeatureMapsWarning, match=r"own\.py:Net is a class, and no weights were given.*they are random"):
        load("own.py:Net")
    torch.save(load("netfile.py:make").model.state_dict(), "w.pt")  # a function may load its own, and is not warned of
    load("netfile.py:make", weights="w.pt")


def test_files_that_hold_more_or_less_than_weights(folder: Path) -> None:
    model = nn.Conv2d(3, 2, 1)
    torch.save(model, "whole.pt")
    torch.save(model, "old.pt", _use_new_zipfile_serialization=False)
    torch.export.save(torch.export.export(model, (torch.rand(1, 3, 4, 4),)), "program.pt2")
    itself: dict[str, object] = {"epoch": 3}
    itself["model"] = {"state_dict": itself}
    torch.save(itself, "itself.pt")
    (folder / "text.pt").write_text("hello")
    (folder / "empty.pt").touch()
    for name, message in {
        "whole.pt": r"a whole model.*model = torch\.load\('whole\.pt', weights_only=False\); torch\.save\(model\.state",
        "old.pt": r"'old\.pt' cannot be read: it is a pickle of more than tensors, such as a whole model",
        "program.pt2": r"an exported program.*torch\.export\.load\('program\.pt2'\)",
        "itself.pt": "holds no state dict",
        "text.pt": "it is no file of weights",
        "empty.pt": "it is empty",
    }.items():
        with pytest.raises(SourceError, match=message):
            read_weights(Path(name))
