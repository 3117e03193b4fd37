"""What the shell offers, and that neither that nor a mistyped option waits for PyTorch."""

import os
import subprocess
import sys

import pytest
import torch
import torchvision
import typer

import featuremaps as fm
from featuremaps.cli import app, completion
from featuremaps.cli.app import COMMANDS

LOADING = ("draw", "invert", "dream", "stylize")
"""Their options are those of classes that hold tensors."""
MISTYPED = """
import sys
from featuremaps.cli import main
for command in {commands!r}:
    sys.argv = ["featuremaps", command, "--mistyped"]
    try:
        main()
    except SystemExit as stopped:
        assert stopped.code == 2, command
    assert "torch" not in sys.modules, command
print("no torch")
"""
OFFERED = """
import sys
from featuremaps.cli.app import app
try:
    app(prog_name="featuremaps")
finally:
    assert "torch" not in sys.modules
"""


def test_methods_and_measures_are_those_that_are_registered() -> None:
    assert completion.methods("") == sorted(fm.METHODS)
    assert completion.measures("") == sorted(fm.MEASURES)
    assert completion.methods("grad_cam") == ["grad_cam", "grad_cam_pp"]
    assert completion.models("demo") == ["demo", "demo-leaning", "demo-fixed"]


@pytest.mark.parametrize(
    ("model", "offered"),
    [("demo", "layer4"), ("torchvision:resnet18", "layer1"), ("torchvision:squeezenet1_0", "features")],
)
def test_layers_that_are_offered_are_there(model: str, offered: str) -> None:
    if model == "demo":
        module = fm.load("demo").model
    else:
        with torch.device("meta"):
            module = torchvision.models.get_model(model.removeprefix("torchvision:"), weights=None)
    context = typer.Context(typer.main.get_command(app), info_name="explain")
    context.params["model"] = model
    names = completion.layers(context, "")
    assert offered in names
    assert set(names) - {"last", "depths", "all"} <= {name for name, _ in module.named_children()}
    assert completion.layers(context, "al") == ["all"]


def test_a_mistyped_option_is_told_without_torch() -> None:
    program = MISTYPED.format(commands=[name for name in COMMANDS if name not in LOADING])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "no torch\n"
    assert "No such option" in done.stderr


def test_the_shell_is_offered_methods_without_torch() -> None:
    asked = {"_FEATUREMAPS_COMPLETE": "complete_bash", "COMP_WORDS": "featuremaps explain --method lay"}
    environment = {**os.environ, **asked, "COMP_CWORD": "3"}
    program = [sys.executable, "-c", OFFERED]
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout.split() == ["layer_cam"]
    assert "Traceback" not in done.stderr
