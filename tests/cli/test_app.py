"""The command line, run as a user runs it."""

import json
import re
import subprocess
import sys
import webbrowser
from importlib import import_module
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from benchmarks.resnet20 import ResNet20
from PIL import Image

import featuremaps as fm
from featuremaps import cli, demo
from featuremaps.cli import main
from featuremaps.cli.app import COMMANDS, app, loaded, name_of
from featuremaps.explain.options import REPORT_METHODS


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["featuremaps", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for scene, name in zip(demo.pictures()[:2], ("first.png", "second.png"), strict=True):
        scene.picture.save(folder / name)
    (folder / "broken.jpg").write_bytes(b"not a picture")
    return folder


def test_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"featuremaps {fm.__version__}\n"


def test_demo_stands_for_the_bundled_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("explain", "demo", "-m", "demo", "-o", "out", monkeypatch=monkeypatch) == 0
    assert len([*(tmp_path / "out").glob("*.png")]) == len(demo.images())


def test_what_follows_from_a_doubt_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["explain", "demo", "-m", "demo", "--layer", "layer1", "-o", str(tmp_path / "out")]
    assert run(*arguments, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out
    assert said.count("Every value is negative") > 1
    assert said.count("It is shown signed.") == 1


def test_explain_writes_overlays_maps_and_report(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    monkeypatch.setattr(webbrowser, "open", lambda _: pytest.fail("nobody asked for the page"))
    arguments = ["explain", str(photos), "--model", "demo", "--method", "grad_cam", "--method", "layer_cam"]
    assert run(*arguments, "--layer", "layer3", "--target", "scissors", "-o", str(out), monkeypatch=monkeypatch) == 0
    names = sorted(path.name for path in out.iterdir())
    expected = [
        f"{p}__{m}__layer3.{s}" for p in ("first", "second") for m in ("grad_cam", "layer_cam") for s in ("npy", "png")
    ]
    assert names == sorted([*expected, "report.html"])
    heat = fm.load("demo").explain(str(photos / "first.png"), "grad_cam", layer="layer3", target="scissors")
    np.testing.assert_allclose(
        np.load(out / "first__grad_cam__layer3.npy"), heat.tensor[0].numpy(), rtol=1e-4, atol=1e-5
    )
    with Image.open(out / "first__grad_cam__layer3.png") as overlay:
        assert overlay.size == (448, 448)
    printed = capsys.readouterr()
    assert "first.png: Grad-CAM of layer3 for scissors" in printed.out
    assert "broken.jpg" in printed.err
    assert "1 left out" in printed.err
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "broken.jpg" in page
    assert "featuremaps explain" in page


def test_report(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = tmp_path / "r.html", list[str]()
    monkeypatch.setattr(webbrowser, "open", opened.append)
    arguments = ["report", str(photos / "first.png"), "-m", "demo-fixed", "-o", str(path), "--title", "Ours & theirs"]
    assert run(*arguments, "--open", monkeypatch=monkeypatch) == 0
    assert opened == [path.as_uri()]
    page = path.read_text(encoding="utf-8")
    payload = json.loads(re.search(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.S)[1])  # type: ignore[index]
    assert payload["title"] == "Ours & theirs"
    picture = payload["sections"][0]["pictures"][0]
    assert {entry["label"] for entry in picture["top"]} == {"scissors", "hammer", "neither"}
    assert {heat["method"] for heat in picture["maps"]} == set(REPORT_METHODS)
    assert [section["kind"] for section in payload["sections"]] == ["explanations", "layer_walk", "channels", "filters"]


def test_layers_and_methods(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("layers", "--model", "demo", monkeypatch=monkeypatch) == 0
    table = capsys.readouterr().out
    assert re.search(r"layer4\s+Block\s+96\s+16×16\s+8", table)
    assert run("methods", monkeypatch=monkeypatch) == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in fm.METHODS)
    assert run("methods", "score_cam", monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr().out
    assert "weighting: 'probability' | 'score' | 'softmax' = 'probability'" in shown
    assert "Wang et al. 2020" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "{photo}", "-m", "demo", "--layer", "layer9"], r"no layer.*layer9.*Did you mean|layer9"),
        (["explain", "{photo}", "-m", "demo", "--target", "scisors"], "Did you mean 'scissors'"),
        (["explain", "{photo}", "-m", "demo", "--method", "gradkam"], "Did you mean 'grad_cam'"),
        (["explain", "{photo}", "-m", "demo", "--option", "chunk=3"], "method.name=value"),
        (["explain", "missing.jpg", "-m", "demo"], "missing.jpg"),
        (["explain", "missing.jpg", "-m", "no such model, and not looked for"], "missing.jpg"),
        (["explain", "{photo}", "-m", "dmeo"], "Did you mean 'demo'"),
        (["explain", "{photo}", "-m", "torchvision:resnet51"], "Did you mean 'resnet5"),
        (["explain", "{photo}", "-m", "torchvision:resnet18", "-w", "gone.safetensors"], "gone.safetensors"),
        (["maps", "{photo}", "-m", "demo", "-l", "layer4:600"], "layer4 has channels 0 to 95, there is no 600"),
        (["maps", "{photo}", "-m", "demo", "--scaling", "0,high"], "two numbers such as 0,5"),
        (["filters", "-m", "demo", "-l", "fc"], "has no filters.*Convolutions near it"),
    ],
)
def test_errors_are_one_message(
    arguments: list[str],
    message: str,
    photos: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [part.replace("{photo}", str(photos / "first.png")) for part in arguments]
    assert run(*given, monkeypatch=monkeypatch) == 1
    printed = capsys.readouterr().err
    assert printed.startswith("featuremaps: ")
    assert re.search(message, printed), printed
    assert "Traceback" not in printed


def test_a_file_that_cannot_be_written_is_one_message(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("mine")
    assert run("explain", str(photos), "-m", "demo", "-o", str(tmp_path / "taken"), monkeypatch=monkeypatch) == 1
    assert capsys.readouterr().err.endswith(f"featuremaps: {tmp_path / 'taken'}: File exists.\n")
    assert (tmp_path / "taken").read_text() == "mine"


def test_real_weights_on_a_real_photograph(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = next(iter(sorted((shared / "images" / "imagenet").glob("28*.jpg"))))
    weights = shared / "models" / "squeezenet1_0_imagenet_fp16.safetensors"
    arguments = [
        "explain",
        str(photo),
        "--model",
        "torchvision:squeezenet1_0",
        "--weights",
        str(weights),
        "--on",
        "original",
    ]
    assert run(*arguments, "-o", str(tmp_path / "out"), monkeypatch=monkeypatch) == 0
    with (
        Image.open(tmp_path / "out" / f"{photo.stem}__grad_cam__features.png") as overlay,
        Image.open(photo) as original,
    ):
        assert overlay.size == original.size
    assert "of features for" in capsys.readouterr().out


def test_own_factory(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mymodels.py").write_text(
        "from benchmarks.resnet20 import ResNet20\n\ndef make():\n    return ResNet20()\n"
    )
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save({"state_dict": {f"module.{k}": v for k, v in ResNet20().state_dict().items()}}, "w.pth")
    classes = tmp_path / "names.txt"
    classes.write_text(
        "\n".join(["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"])
    )
    arguments = ["explain", str(photos / "first.png"), "-m", "mymodels:make", "-w", "w.pth", "--classes", str(classes)]
    assert run(*arguments, "-t", "cat", monkeypatch=monkeypatch) == 0
    assert "for cat" in capsys.readouterr().out


def test_names_with_commas_in_place_of_a_file(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["explain", str(photos / "first.png"), "-m", "demo", "--classes"]
    assert run(*command, "saw, plane", "-t", "plane", monkeypatch=monkeypatch) == 0
    assert "for plane" in capsys.readouterr().out
    assert run(*command, "names.txt", monkeypatch=monkeypatch) == 1
    assert "there is no file 'names.txt'. Give a text file with a name a line, or the names with commas" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_whole_model_needs_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3)), "whole.pt")
    assert run("layers", "-m", "whole.pt", monkeypatch=monkeypatch) == 1
    assert "--trust" in capsys.readouterr().err
    assert run("layers", "-m", "whole.pt", "--trust", monkeypatch=monkeypatch) == 0
    assert "222×222" in capsys.readouterr().out


def test_progress_is_silent_where_nobody_watches(photos: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "featuremaps", "explain", str(photos / "first.png"), "-m", "demo"]
    done = subprocess.run([*command, "-o", str(tmp_path / "o")], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_maps_of_a_layer(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["maps", str(photos), "-m", "demo", "-l", "layer3", "--top", "4", "--highlight", "layer3:1"]
    assert run(*arguments, "--scaling", "0,5", "-o", str(out), monkeypatch=monkeypatch) == 0
    kinds = [("maps", "npy"), ("maps", "png"), ("rgb", "npy"), ("rgb", "png"), ("top", "npy"), ("top", "png")]
    expected = [f"{photo}__{kind}__layer3.{suffix}" for photo in ("first", "second") for kind, suffix in kinds]
    assert sorted(path.name for path in out.iterdir()) == expected
    whole = np.load(out / "first__maps__layer3.npy")
    best = whole.mean((1, 2)).argsort()[::-1][0]
    printed = capsys.readouterr()
    assert f"first.png: layer3:{best} " in printed.out
    assert "broken.jpg" in printed.err
    assert 4 <= len(np.load(out / "first__top__layer3.npy")) <= 5


def test_maps_of_units_and_of_all_layers(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = str(photos / "first.png")
    assert run("maps", photo, "-m", "demo", "-l", "layer4:5", "-o", str(tmp_path / "u"), monkeypatch=monkeypatch) == 0
    assert sorted(p.name for p in (tmp_path / "u").iterdir()) == [f"first__maps__layer4-5.{s}" for s in ("npy", "png")]
    capsys.readouterr()
    assert run("maps", photo, "-m", "demo", "-l", "all", "-o", str(tmp_path / "w"), monkeypatch=monkeypatch) == 0
    assert sorted(p.name for p in (tmp_path / "w").iterdir()) == ["first__walk.png", "walk.csv"]
    assert re.search(r"layer4\s+Block\s+96\s+16×16\s+\d+%", capsys.readouterr().out)


def test_filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("filters", "-m", "demo", "-l", "conv1", "-o", str(tmp_path), monkeypatch=monkeypatch) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["filters__conv1.npy", "filters__conv1.png"]
    assert "conv1: 16 filters 5×5 over 3 channels" in capsys.readouterr().out


def test_pixel_methods(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    methods = ("saliency", "lrp", "occlusion", "grad_cam")
    chosen = [part for name in methods for part in ("--method", name)]
    assert run("explain", str(photos), "-m", "demo", *chosen, "-o", str(tmp_path / "o"), monkeypatch=monkeypatch) == 0
    assert np.load(tmp_path / "o" / "first__saliency__input.npy").shape == (3, 128, 128)
    assert np.load(tmp_path / "o" / "first__occlusion__input.npy").shape == (1, 128, 128)
    for name in (
        "first__lrp__input.png",
        "first__lrp__input__colours.png",
        "second__grad_cam__layer4.png",
        "report.html",
    ):
        assert (tmp_path / "o" / name).is_file(), sorted(path.name for path in (tmp_path / "o").iterdir())


def test_project(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layer = fm.load("demo").layers().last
    given = ("project", str(photos), "-m", "demo", "-u", f"{layer}:3", "-u", f"{layer}:5", "-o", str(tmp_path / "o"))
    assert run(*given, monkeypatch=monkeypatch) == 0
    told = capsys.readouterr()
    assert f"{layer}:3: strongest in " in told.out
    assert "12 files and" in told.out
    assert "broken.jpg" in told.err
    assert (tmp_path / "o" / "projections__deconvnet.png").read_bytes().startswith(b"\x89PNG")


def test_factorize(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("factorize", str(photos), "-m", "demo", "-k", "3", "-o", str(tmp_path / "o"))
    assert run(*given, monkeypatch=monkeypatch) == 0
    assert re.findall(r"concept (\d): \w+ \d+%", capsys.readouterr().out) == ["1", "2", "3"]
    assert len(list((tmp_path / "o").glob("*.npy"))) == 2


def test_every_command_is_listed_once_with_its_file_and_group() -> None:
    files = [path.stem for path in Path(cli.__file__).parent.glob("[!_]*.py")]
    declared = {}
    for file in files:
        import_module(f"featuremaps.cli.{file}")
    for info in app.registered_commands:
        declared[name_of(info)] = info.callback.__module__.rpartition(".")[2]
    assert declared == {name: listed.file for name, listed in COMMANDS.items()}
    panels = [listed.panel for listed in COMMANDS.values()]
    assert [panel for panel, _ in groupby(panels)] == list(dict.fromkeys(panels))  # each group stands together
    for name in COMMANDS:
        assert loaded(name).help
        assert {each.metavar for each in loaded(name).params if each.param_type_name == "option"} <= {"", "VALUE"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "Over a whole dataset"),
        (["--version"], "featuremaps"),
        (["--verson"], "--version"),
        (["explian"], "explain"),
        (["explain", "cat.jpg", "--metod", "lrp"], "--method"),
        (["maps", "cat.jpg", "--layr", "last"], "--layer"),
        (["survey", "photos", "--layr", "last"], "--layer"),
        (["shortcuts", "s", "--modle", "demo"], "--model"),
        (["explain", "--help"], "Pictures that run at once"),
        (["draw", "layer4:4", "--vriants", "2"], "--variants"),
        (["invert", "cat.jpg", "--optimiser", "adam"], "--optimizer"),
        (["stylize", "cat.jpg", "stars.jpg", "--style-layr", "last"], "--style-layer"),
        (["dream", "clouds.jpg", "--octave", "3"], "--octaves"),
        (["draw", "--help"], "What is optimised"),
    ],
)
def test_help_and_mistyped_options_do_not_wait_for_torch(arguments: list[str], said: str) -> None:
    code = (
        "import sys; from featuremaps.cli import main; sys.argv = ['featuremaps', *sys.argv[1:]]\n"
        "try: main()\nexcept SystemExit: pass\nprint('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert said in ran.stdout + ran.stderr
    assert ran.stdout.endswith("False\n")


def test_ctrl_c_is_answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = typer.Typer()

    @command.command()
    def long() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(import_module("featuremaps.cli.app"), "app", command)
    monkeypatch.setattr("sys.argv", ["featuremaps"])
    with pytest.raises(SystemExit, match="130"):
        main()
    assert capsys.readouterr().err.startswith("featuremaps: stopped. Surveys and trials go on")
