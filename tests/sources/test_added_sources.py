"""A user's package adds a source, by the decorator alone or by an entry point; a broken one is told of and left out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import nn

import featuremaps as fm
from featuremaps.errors import FeatureMapsWarning, SourceError
from featuremaps.registry import Registry
from featuremaps.sources import SOURCES

CODE = '''import torch.nn as nn
import featuremaps as fm


@fm.source("shelf")
def load(name, weights, classes=None):
    """Models from our shelf."""
    return fm.Loaded(nn.Conv2d(3, int(name), 1), classes=classes or ["left", "right"])
'''


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(SOURCES)
    yield tmp_path
    for name in set(SOURCES) - before:
        SOURCES.remove(name)


def installed(folder: Path, name: str, code: str) -> None:
    """A package as an installer leaves it: a module, and metadata with an entry point."""
    (folder / f"{name}.py").write_text(code)
    data = folder / f"{name}-1.0.dist-info"
    data.mkdir()
    (data / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (data / "entry_points.txt").write_text(f"[featuremaps.sources]\n{name} = {name}\n")


def test_an_entry_point_is_found_as_ours_are(packages: Path) -> None:
    installed(packages, "our_shelf", CODE)
    installed(packages, "broken_shelf", "1 / 0\n")
    walked: Registry[object] = Registry("source", "featuremaps.sources", SourceError)
    with pytest.warns(FeatureMapsWarning, match="source 'broken_shelf' of broken_shelf could not be loaded.*Zero"):
        assert list(walked) == []  # the decorator registers in the library's own
    scope = fm.load("shelf:2")
    assert (scope.model.out_channels, scope.classes) == (2, ("left", "right"))
    assert fm.load("shelf:2", classes=["a", "b"]).classes == ("a", "b")
    with pytest.raises(SourceError, match="no source 'shelff'. Did you mean 'shelf'"):
        fm.load("shelff:2")


def test_the_decorator_alone_and_what_it_refuses(packages: Path) -> None:
    @fm.source("mine")
    def mine(name: str, weights: Path | None) -> fm.Loaded:
        """My models."""
        return fm.Loaded(nn.Conv2d(3, 4, 1))

    assert fm.load("mine:any").model.out_channels == 4
    with pytest.raises(SourceError, match="a source named 'timm' is registered already, by featuremaps"):
        fm.source("timm")(mine)
    with pytest.raises(SourceError, match="'silent' needs a docstring"):
        fm.source("silent")(lambda name, weights: fm.Loaded(nn.ReLU()))

    @fm.source("wrong")
    def wrong(name: str, weights: Path | None) -> nn.Module:
        """Not what a source gives."""
        return nn.ReLU()

    with pytest.raises(SourceError, match="source 'wrong' gave a ReLU, and a source gives featuremaps.Loaded"):
        fm.load("wrong:any")
