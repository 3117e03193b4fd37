"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="demo, demo-fixed, torchvision:NAME, timm:NAME, hf:REPO, keras:FILE.keras or package.module:factory, "
        "which returns the module, (module, transform) or (module, transform, classes).",
        show_default=True,
    ),
]
MaybeModel = Annotated[
    str | None, typer.Option("--model", "-m", help="As for `explain`; not needed for a survey without maps.")
]
Weights = Annotated[
    Path | None, typer.Option("--weights", "-w", help="A state dict: .safetensors, or a PyTorch file (read safely).")
]
Classes = Annotated[
    Path | None, typer.Option("--classes", help="A text file with one class name per line, in the model's order.")
]
Device = Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1, mps …")]
PicturePaths = Annotated[list[str], typer.Argument(help="Pictures, folders or patterns.", show_default=False)]
Methods = Annotated[
    list[str], typer.Option("--method", help="A method; give it several times for several. See `featuremaps methods`.")
]
LayerNames = Annotated[
    list[str] | None,
    typer.Option("--layer", "-l", help="A layer, a pattern, 'last' or 'all'; several times for several."),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", "-t", help="A class name or index; several times for several. Default: the top prediction."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--option", help="An option of a method, as method.name=value, e.g. score_cam.chunk=16."),
]
Seed = Annotated[int, typer.Option("--seed", help="The seed of everything random.")]
PrecisionName = Annotated[
    str, typer.Option("--precision", help="Of the extra passes some methods make: float32, bfloat16 or float16.")
]
Smooth = Annotated[
    list[str] | None, typer.Option("--smooth", help="augment (flips and brightness) or eigen; several times for both.")
]
