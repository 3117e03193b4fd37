"""`featuremaps explain` and `featuremaps report`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli.app import app
from featuremaps.cli.options import (
    Classes,
    Device,
    LayerNames,
    Methods,
    Model,
    PicturePaths,
    PrecisionName,
    Seed,
    Settings,
    Smooth,
    Targets,
    Weights,
)
from featuremaps.cli.steps import command_line, gathered, model_under_study, tell_refusals
from featuremaps.errors import FeatureMapsError
from featuremaps.scope import REPORT_METHODS


@app.command()
def explain(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    method: Methods = ["grad_cam"],  # noqa: B006
    layer: LayerNames = None,
    target: Targets = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")] = Path("out"),
    on: Annotated[
        str, typer.Option("--on", help="Draw on what the model saw ('seen') or the whole 'original'.")
    ] = "seen",
    colormap: Annotated[str | None, typer.Option("--colormap", help="Any matplotlib colour map.")] = None,
    scaling: Annotated[
        str | None, typer.Option("--scaling", help="max, minmax or signed. Default: as each method is usually shown.")
    ] = None,
    smooth: Smooth = None,
    option: Settings = None,
    seed: Seed = 0,
    precision: PrecisionName = "float32",
    device: Device = None,
) -> None:
    """Explain pictures: overlays (PNG), raw maps (.npy) and a self-contained report.html.

    **Examples**

    featuremaps explain cat.jpg --model torchvision:resnet50 --method grad_cam --target tabby

    featuremaps explain photos/ -m torchvision:resnet50 -w my.safetensors --method layer_cam -l layer3 -l layer4

    featuremaps explain cat.jpg -m torchvision:resnet50 --method integrated_gradients --method lrp --method occlusion
    """
    scope = model_under_study(model, weights, classes, device)
    sighting = scope.see(gathered(pictures))
    settings: dict[str, Any] = {"seed": seed, "precision": precision, "options": _settings(option)}
    comparison = scope.compare(sighting, method, layer or "last", target or None, smooth=smooth or (), **settings)
    written = comparison.save(out, on=on, colormap=colormap, scaling=scaling)
    report = scope.write_report(comparison, sighting, out / "report.html", command=command_line(), **settings)
    _tell(comparison)
    tell_refusals(sighting)
    typer.echo(f"{len(written)} files and {report}")


@app.command()
def report(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    method: Methods = list(REPORT_METHODS),  # noqa: B006
    layer: LayerNames = None,
    target: Targets = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")] = Path("report.html"),
    title: Annotated[str, typer.Option("--title", help="The report's title.")] = "",
    draw: Annotated[
        list[str] | None,
        typer.Option("--draw", help="A unit, layer:channel, whose best pictures and drawing to show; several."),
    ] = None,
    smooth: Smooth = None,
    option: Settings = None,
    seed: Seed = 0,
    precision: PrecisionName = "float32",
    device: Device = None,
) -> None:
    """Write one HTML file that shows several methods on several layers side by side.

    **Examples**

    featuremaps report photos/ --model torchvision:resnet50 -o report.html

    featuremaps report cat.jpg -m timm:resnet50 --method grad_cam --method score_cam -t "Egyptian cat" -t tabby
    """
    scope = model_under_study(model, weights, classes, device)
    sighting = scope.see(gathered(pictures))
    path = scope.report(
        sighting,
        out,
        methods=method,
        layers=layer or None,
        targets=target or None,
        title=title,
        draw=draw or (),
        command=command_line(),
        smooth=smooth or (),
        seed=seed,
        precision=precision,
        options=_settings(option),
    )
    tell_refusals(sighting)
    typer.echo(str(path))


def _tell(comparison: Any) -> None:
    for heat in comparison.values():
        for seen, label, notes in zip(heat.pictures, heat.targets, heat.warnings, strict=True):
            doubt = f"  — {notes[0]}" if notes else ""
            typer.echo(f"{seen.picture.name}: {heat.method} of {heat.layer} for {label or 'any class'}{doubt}")


def _settings(options: list[str] | None) -> dict[str, dict[str, object]]:
    """`["score_cam.chunk=16"]` as `{"score_cam": {"chunk": "16"}}`."""
    found: dict[str, dict[str, object]] = {}
    for text in options or []:
        address, equals, value = text.partition("=")
        method, dot, name = address.partition(".")
        if not (equals and dot):
            raise FeatureMapsError(
                f"--option {text!r} is not understood; write method.name=value, e.g. score_cam.chunk=16."
            )
        found.setdefault(method, {})[name] = value
    return found
