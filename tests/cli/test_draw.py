"""`draw`, `invert`, `stylize` and `dream` as a user types them, with a stand-in for the model."""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import featuremaps as fm
from drawing_samples import compared, drawn
from featuremaps import demo
from featuremaps.cli import draw as commands
from featuremaps.cli import main
from featuremaps.draw.drawing import Drawing, Drawings
from featuremaps.pictures.load import Pictures

FRAMES = tuple(torch.full((3, 24, 24), level, dtype=torch.uint8) for level in (0, 100, 200))


class StandIn:
    """A scope that remembers what it was asked for, where that is not the default, and returns drawings of noise."""

    def __init__(self) -> None:
        self.asked: tuple[Any, ...] = ()
        self.options: dict[str, Any] = {}

    def _asked(self, verb: Any, *given: Any, **options: Any) -> None:
        usual = inspect.signature(verb).parameters
        self.asked = given
        self.options = {name: value for name, value in options.items() if value != usual[name].default}

    def draw(self, units: list[str] | None, **options: Any) -> Drawings:
        self._asked(fm.Scope.draw, units, **options)
        make = compared if "real" in options else drawn
        kept = FRAMES if options.get("frames") else ()
        notes = ((), ("the gradient was redirected",))
        names = units or [f"{options['layer']}:{channel}" for channel in range(options["top"])]
        return Drawings(tuple(make(name, frames=kept, notes=notes[i % 2]) for i, name in enumerate(names)))

    def invert(self, picture: str, layers: object, **options: Any) -> Drawings:
        self._asked(fm.Scope.invert, picture, layers, **options)
        return Drawings(tuple(drawn(f"{layer} of cat.jpg", value=0.08, goal="minimised") for layer in layers))

    def stylize(self, content: str, style: str, **options: Any) -> Drawing:
        self._asked(fm.Scope.stylize, content, style, **options)
        return drawn("cat.jpg as starry.jpg", value=None)

    def dream(self, picture: str, layer: str, **options: Any) -> Drawing:
        self._asked(fm.Scope.dream, picture, layer, **options)
        return drawn(f"{layer} in cat.jpg", frames=FRAMES)


@pytest.fixture
def scope(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn()
    monkeypatch.setattr(commands, "model_under_study", lambda *_: stand_in)
    return stand_in


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["featuremaps", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_draw_writes_pictures_and_a_sheet_and_says_a_line_of_each(
    scope: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    units = ["layer4:452", "layer4:7"]
    given = ["draw", *units, "-m", "demo", "--canvas", "maco", "--size", "160x224", "--steps", "64", "--seed", "3"]
    assert run(*given, "-o", str(tmp_path / "o"), monkeypatch=monkeypatch) == 0
    assert scope.asked == (units,)
    assert scope.options == {"canvas": "maco", "size": (160, 224), "steps": 64, "seed": 3}
    names = sorted(path.name for path in (tmp_path / "o").iterdir())
    assert names == ["drawings__draw.png", "layer4-452.png", "layer4-7.png"]
    assert Drawing.settings_of(tmp_path / "o" / "layer4-7.png")["canvas"] == "fourier"
    printed = capsys.readouterr()
    assert printed.out.splitlines()[:2] == ["layer4:452: 12.3", "layer4:7: 12.3"]
    assert re.search(r"2 files and .*drawings__draw\.png", printed.out)
    assert "layer4:7: the gradient was redirected" in printed.err
    assert "layer4:452" not in printed.err


def test_draw_a_layer_compared_with_real_pictures(
    scope: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    demo.pictures()[0].picture.save(photos / "first.png")
    (photos / "broken.jpg").write_bytes(b"not a picture")
    given = ["draw", "--layer", "layer4", "--top", "3", "-m", "demo", "--real", str(photos), "--size", "96"]
    assert run(*given, "--animation", "--numbers", "-o", str(tmp_path / "o"), monkeypatch=monkeypatch) == 0
    assert scope.asked == (None,)
    real = scope.options.pop("real")
    assert isinstance(real, Pictures)
    assert [picture.name for picture in real] == ["first.png"]
    assert scope.options == {"layer": "layer4", "top": 3, "size": 96, "frames": 24}
    ends = (".png", ".npy", "__curve.npy", ".webp")
    expected = [f"layer4-{channel}{end}" for channel in range(3) for end in ends]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == sorted([*expected, "drawings__draw.png"])
    printed = capsys.readouterr()
    assert "layer4:2: 12.3, 4.1 times the best of 100 pictures (cat.jpg)" in printed.out
    assert "12 files and" in printed.out
    assert "broken.jpg" in printed.err


def test_invert(
    scope: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["invert", "cat.jpg", "-m", "demo", "-l", "layer1", "-l", "layer3", "--steps", "9", "-o", str(tmp_path)]
    assert run(*given, monkeypatch=monkeypatch) == 0
    assert scope.asked == ("cat.jpg", ["layer1", "layer3"])
    assert scope.options == {"steps": 9}
    assert "layer3 of cat.jpg: 0.08 (lower is better)" in capsys.readouterr().out
    assert (tmp_path / "layer1 of cat.jpg.png").is_file()


def test_stylize(
    scope: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["stylize", "cat.jpg", "starry.jpg", "-m", "demo", "--content-layer", "layer3", "--alpha", "0"]
    more = ["--style-layer", "layer1", "--style-layer", "layer2", "--beta", "1e3", "--optimizer", "lbfgs"]
    assert run(*given, *more, "-o", str(tmp_path), monkeypatch=monkeypatch) == 0
    assert scope.asked == ("cat.jpg", "starry.jpg")
    assert scope.options == {
        "content_layers": ["layer3"],
        "style_layers": ["layer1", "layer2"],
        "alpha": 0.0,
        "beta": 1000.0,
        "optimizer": "lbfgs",
    }
    assert capsys.readouterr().out.splitlines()[0] == "cat.jpg as starry.jpg"
    assert "1 file and" in (run(*given, "-o", str(tmp_path), monkeypatch=monkeypatch), capsys.readouterr().out)[1]


def test_dream(scope: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["dream", "cat.jpg", "-m", "demo", "-l", "layer3", "--octaves", "3", "--animation", "-o", str(tmp_path)]
    assert run(*given, monkeypatch=monkeypatch) == 0
    assert scope.asked == ("cat.jpg", "layer3")
    assert scope.options == {"octaves": 3, "frames": 24}
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["drawings__dream.png", "layer3 in cat.jpg.png", "layer3 in cat.jpg.webp"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["draw", "-m", "demo"], "nothing to draw was given; name units, such as layer4:452"),
        (["draw", "a:1", "-m", "demo", "--size", "big"], "--size 'big' is not understood; write 224"),
        (["draw", "a:1", "-m", "demo", "--size", "0"], "--size '0' is not understood"),
        (["draw", "a:1", "-m", "demo", "--size", "3x4x5"], "--size '3x4x5' is not understood"),
        (
            ["draw", "a:1", "-m", "demo", "--steps", "0"],
            "--steps is how often the picture is changed, 1 or more; got 0",
        ),
        (["draw", "a:1", "-m", "demo", "--canvas", "furier"], "there is no canvas 'furier'"),
        (
            ["draw", "a:1", "-m", "demo", "--precision", "bfloat"],
            "--precision 'bfloat' is not known; choose auto, float32",
        ),
        (["invert", "a.jpg", "-m", "demo", "--rate", "0"], "--rate is the size of a step, above 0; got 0.0"),
        (["stylize", "a.jpg", "b.jpg", "-m", "demo", "--optimizer", "adma"], "Did you mean 'adam'?"),
        (["stylize", "a.jpg", "b.jpg", "-m", "demo", "--beta", "-1"], "--beta is a weight, 0 or more; got -1.0"),
        (["dream", "a.jpg", "-m", "demo", "--octaves", "0"], "--octaves is 1 or more; got 0"),
        (["draw", "a:1", "-m", "demo", "--real", "nowhere/"], "nowhere"),
    ],
)
def test_errors_are_one_message(
    arguments: list[str],
    message: str,
    scope: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*arguments, monkeypatch=monkeypatch) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("featuremaps: ")
    assert message in printed
    assert not scope.asked


@pytest.mark.parametrize("command", ["draw", "invert", "stylize", "dream"])
def test_help_has_an_example(command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command, "--help", monkeypatch=monkeypatch) == 0
    assert f"featuremaps {command} " in capsys.readouterr().out
