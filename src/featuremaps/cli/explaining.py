"""`featuremaps explain` and `featuremaps report`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli.app import app
from featuremaps.cli.options import (
    Classes,
    Device,
    LayerNames,
    MaybeModel,
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


SomePictures = Annotated[
    list[str] | None, typer.Argument(help="Pictures, folders or patterns; none with --survey.", show_default=False)
]
Drawn = Annotated[
    list[str] | None,
    typer.Option("--draw", help="A unit, layer:channel, whose best pictures and drawing to show; several."),
]
SurveyOfReport = Annotated[
    Path | None, typer.Option("--survey", help="The folder of a survey to report on, with or without pictures.")
]
Carry = Annotated[
    list[str] | None,
    typer.Option("--carry", help="Another survey of the same model, NAME=FOLDER, to try detectors on; several."),
]


@app.command()
def report(
    pictures: SomePictures = None,
    model: MaybeModel = None,
    weights: Weights = None,
    classes: Classes = None,
    method: Methods = list(REPORT_METHODS),  # noqa: B006
    layer: LayerNames = None,
    target: Targets = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HTML file to write.")] = Path("report.html"),
    title: Annotated[str, typer.Option("--title", help="The report's title.")] = "",
    draw: Drawn = None,
    survey: SurveyOfReport = None,
    carry: Carry = None,
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

    featuremaps report --survey survey/ --carry x-rays=survey-xray/ -m torchvision:resnet50
    """
    opened, targets = _surveys(survey, carry)
    if not pictures:
        typer.echo(str(_survey_report(opened, targets, model, weights, classes, device, layer, title, out)))
        return
    if model is None:
        raise FeatureMapsError("pictures are explained with a model: say which, --model torchvision:resnet50, say.")
    if targets:
        raise FeatureMapsError("--carry belongs to a report of a survey alone; leave out the pictures.")
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
        survey=opened,
        command=command_line(),
        smooth=smooth or (),
        seed=seed,
        precision=precision,
        options=_settings(option),
    )
    tell_refusals(sighting)
    typer.echo(str(path))


def _surveys(survey: Path | None, carry: list[str] | None) -> tuple[Any, dict[str, Any]]:
    """The survey and those that its detectors are carried to, by name."""
    from featuremaps.survey.survey import open_survey

    targets = {}
    for text in carry or []:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise FeatureMapsError(f"--carry {text!r} is not understood; write NAME=FOLDER, x-rays=survey-xray/, say.")
        targets[name] = open_survey(folder)
    if targets and survey is None:
        raise FeatureMapsError("--carry tries what was found in one survey on another: give the first, --survey.")
    return None if survey is None else open_survey(survey), targets


def _survey_report(
    survey: Any,
    targets: dict[str, Any],
    model: str | None,
    weights: Path | None,
    classes: Path | None,
    device: str | None,
    layer: list[str] | None,
    title: str,
    out: Path,
) -> Path:
    """A report of a survey alone; with a model, pictures show where each channel fires."""
    if survey is None:
        raise FeatureMapsError("there is nothing to report: give pictures and --model, or --survey, or both.")
    if layer and len(layer) > 1:
        raise FeatureMapsError(f"a survey is reported one layer at a time; {len(layer)} were given.")
    from featuremaps.report.survey_report import write_survey_report

    own: dict[str, Any] = {
        "targets": targets,
        "layer": layer[0] if layer else None,
        "title": title,
        "command": command_line(),
    }
    if model is None:
        return write_survey_report(survey, out, **own)
    written: Path = model_under_study(model, weights, classes, device).report_survey(survey, out, **own)
    return written


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
