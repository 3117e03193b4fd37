"""`featuremaps explain` and `featuremaps report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import command_line, gathered, model_under_study, show_page, tell_refusals
from featuremaps.cli.options import (
    Classes,
    Device,
    Folder,
    LayerNames,
    MaybeModel,
    MethodOptions,
    Methods,
    Model,
    Open,
    OptionValues,
    PicturePaths,
    Targets,
    Weights,
    for_model,
    generated,
    settings_of,
)
from featuremaps.cli.survey_common import named
from featuremaps.errors import FeatureMapsError
from featuremaps.explain.options import REPORT_METHODS, ExplainOptions

if TYPE_CHECKING:
    from featuremaps.evidence.trial import Trial

TrialOfBest = Annotated[
    Path | None,
    typer.Option("--trial", help="The folder of a trial, of which --method best or --layer best came first."),
]


@app.command()
@for_model
@generated(ExplainOptions)
def explain(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    method: Methods = ["grad_cam"],  # noqa: B006
    layer: LayerNames = None,
    target: Targets = None,
    out: Folder = Path("out"),
    on: Annotated[
        str, typer.Option("--on", help="Draw on what the model saw ('seen') or the whole 'original'.")
    ] = "seen",
    colormap: Annotated[str | None, typer.Option("--colormap", help="Any matplotlib colour map.")] = None,
    scaling: Annotated[
        str | None, typer.Option("--scaling", help="max, minmax or signed. Default: as each method is usually shown.")
    ] = None,
    trial: TrialOfBest = None,
    option: MethodOptions = None,
    device: Device = None,
    show: Open = False,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Explain pictures: overlays (PNG), raw maps (.npy) and a self-contained report.html.

    **Examples**

    featuremaps explain cat.jpg --model torchvision:resnet50 --method grad_cam --target tabby

    featuremaps explain photos/ -m torchvision:resnet50 -w my.safetensors --method layer_cam -l layer3 -l layer4

    featuremaps explain cat.jpg -m torchvision:resnet50 --method integrated_gradients --method lrp --method occlusion

    featuremaps explain street.jpg -m torchvision:fasterrcnn_resnet50_fpn --threshold 0.7 --target person

    featuremaps explain cat.jpg -m torchvision:resnet50 --method best --trial trial/
    """
    settings = settings_of(option)
    tried = _tried(trial, method, layer)
    found = gathered(pictures)
    scope = model_under_study(model, weights, classes, device, setup)
    if tried is not None:
        tried.check_model(scope.model)
        method, layer, settings = _best(tried, method, layer, settings)
    seen_pictures = scope.see(found)
    comparison = scope.compare(seen_pictures, method, layer or "last", target or None, options=settings, **options)
    written = comparison.save(out, on=on, colormap=colormap, scaling=scaling)
    report = scope.write_report(comparison, seen_pictures, out / "report.html", command=command_line())
    _tell(comparison)
    tell_refusals(seen_pictures)
    typer.echo(f"{len(written)} files and {report}")
    show_page(report, show)


def _tried(folder: Path | None, method: list[str], layer: list[str] | None) -> "Trial | None":
    """The trial that "best" is taken from, where that is asked for."""
    layers = layer or ["last"]
    if folder is None and "best" not in (*method, *layers):
        return None
    if folder is None:
        raise FeatureMapsError("'best' is what came first in a trial: give its folder, --trial trial/.")
    if "best" not in (*method, *layers) or len(method) > 1 or len(layers) > 1:
        raise FeatureMapsError("--trial says which explanation is best: ask for it, --method best, and for no other.")
    from featuremaps.evidence.run import open_trial

    return open_trial(folder)


def _best(
    tried: "Trial", method: list[str], layer: list[str] | None, settings: dict[str, dict[str, object]]
) -> tuple[list[str], list[str], dict[str, dict[str, object]]]:
    """The method and layer that came first in a trial, of those that are named, with the method's options there."""
    chosen, where = tried.choose(method[0], (layer or ["last"])[0])
    return [chosen], [where], {chosen: {**tried.options_of(chosen), **settings.get(chosen, {})}}


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
TrialOfReport = Annotated[
    Path | None, typer.Option("--trial", help="The folder of a trial: which explanation to believe is shown.")
]
Carry = Annotated[
    list[str] | None,
    typer.Option("--carry", help="Another survey of the same model, NAME=FOLDER, to try detectors on; several."),
]


@app.command()
@for_model
@generated(ExplainOptions)
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
    trial: TrialOfReport = None,
    option: MethodOptions = None,
    device: Device = None,
    show: Open = False,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Write one HTML file that shows several methods on several layers side by side.

    **Examples**

    featuremaps report photos/ --model torchvision:resnet50 -o report.html

    featuremaps report cat.jpg -m timm:resnet50 --method grad_cam --method score_cam -t "Egyptian cat" -t tabby

    featuremaps report --survey survey/ --carry x-rays=survey-xray/ -m torchvision:resnet50
    """
    settings, opened = settings_of(option), _opened(survey, carry, trial)
    if not pictures:
        options = {"title": title, "command": command_line(), "path": out, **opened}
        path = _survey_report(model, weights, classes, device, layer, options, setup)
        typer.echo(str(path))
        show_page(path, show)
        return
    if model is None:
        raise FeatureMapsError("pictures are explained with a model: say which, --model torchvision:resnet50, say.")
    found = gathered(pictures)
    scope = model_under_study(model, weights, classes, device, setup)
    seen_pictures = scope.see(found)
    path = scope.report(
        seen_pictures,
        out,
        methods=method,
        layers=layer or None,
        targets=target or None,
        title=title,
        draw=draw or (),
        command=command_line(),
        options=settings,
        **options,
        **opened,
    )
    tell_refusals(seen_pictures)
    typer.echo(str(path))
    show_page(path, show)


def _opened(survey: Path | None, carry: list[str] | None, trial: Path | None) -> dict[str, Any]:
    """The trial, the survey, and those that its detectors are carried to, by name, as far as they are given."""
    if trial is not None:
        from featuremaps.evidence.run import open_trial

        return {"trial": open_trial(trial), **_opened(survey, carry, None)}
    if survey is None:
        if carry:
            raise FeatureMapsError("--carry tries what was found in one survey on another: give the first, --survey.")
        return {}
    from featuremaps.survey.survey import open_survey

    folders = named("--carry", carry, "NAME=FOLDER, x-rays=survey-xray/, say")
    return {"survey": open_survey(survey), "carry_to": {name: open_survey(path) for name, path in folders.items()}}


def _survey_report(
    model: str | None,
    weights: Path | None,
    classes: Path | None,
    device: str | None,
    layer: list[str] | None,
    options: dict[str, Any],
    setup: OptionValues,
) -> Path:
    """A report of a survey alone; with a model, pictures show where each channel fires."""
    if "trial" in options:
        raise FeatureMapsError("--trial is shown beside explained pictures: give some, and --model.")
    if "survey" not in options:
        raise FeatureMapsError("there is nothing to report: give pictures and --model, or --survey, or both.")
    if layer and len(layer) > 1:
        raise FeatureMapsError(f"a survey is reported one layer at a time; {len(layer)} were given.")
    from featuremaps.report.survey_report import write_survey_report

    layered = options | {"layer": layer[0] if layer else None}
    if model is None:
        return write_survey_report(**layered)
    return model_under_study(model, weights, classes, device, setup).report_survey(**layered)


def _tell(comparison: Any) -> None:
    """A line a map, with its doubt; what follows from a doubt is said once, below the first map that has it."""
    from featuremaps.plotting.method_names import method_name

    told: set[str] = set()
    for heat in comparison.values():
        for seen, caption, notes in zip(heat.pictures, heat.captions, heat.warnings, strict=True):
            typer.echo(f"{seen.picture.name}: {method_name(heat.method)} of {heat.layer} for {caption}")
            if notes:
                doubt, stop, advice = notes[0].partition(". ")
                typer.echo(f"    {doubt}." if advice in told and stop else f"    {notes[0]}")
                told.add(advice)
