"""`featuremaps detect` and `compare`: detectors made of a few channels, and models beside each other."""

from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import choice, write_figure
from featuremaps.cli.options import Device, OptionValues, Weights, for_model
from featuremaps.cli.survey_common import (
    ByOption,
    Folder,
    LayerOption,
    ModelOfSurvey,
    SurveyFolder,
    named,
    numbers,
    opened,
    pooled,
    say,
    tell_written,
    write_table,
)
from featuremaps.errors import FeatureMapsError, did_you_mean
from featuremaps.plotting.file_names import file_name, unique_names

THRESHOLDS = "youden, false-alarm=0.05, recall=0.95, or a score such as 12.5"

PredictedName = Annotated[
    str | None, typer.Option("--predicted", help="The model's output that means the class, if called otherwise.")
]


@app.command()
@for_model
def detect(
    survey: SurveyFolder,
    label: Annotated[str, typer.Option("--label", help="The class to detect.", show_default=False)],
    test: Annotated[
        list[Path] | None,
        typer.Option("--test", help="A survey of other pictures to try it on; several times for several."),
    ] = None,
    rule: Annotated[str, typer.Option("--rule", help="sum, single or logistic.")] = "sum",
    threshold: Annotated[str, typer.Option("--threshold", help=f"How it is chosen: {THRESHOLDS}.")] = "youden",
    channels: Annotated[
        str | None, typer.Option("--channels", help="The channels, as 3,17. Default: those that separate best.")
    ] = None,
    most: Annotated[int, typer.Option("--most", help="At most how many channels, where none are given.")] = 25,
    layer: LayerOption = None,
    by: ByOption = "mean",
    predicted: PredictedName = None,
    model: ModelOfSurvey = None,
    weights: Weights = None,
    out: Folder = Path("out"),
    device: Device = None,
    *,
    setup: OptionValues,
) -> None:
    """Detect a class by its channels alone: the threshold is chosen on one survey and tried on others.

    Where the surveys kept the model's own answers, it is compared with them. With the model the detector is saved,
    to run on new pictures.

    **Examples**

    featuremaps detect survey/ --label cat --test xray_survey/ --threshold false-alarm=0.05

    featuremaps detect survey/ --label cat --rule logistic --model torchvision:resnet50 -o out/
    """
    from featuremaps.survey.storage.fingerprint import check_carried

    chosen = None if channels is None else numbers("--channels", channels, "3,17")
    how, known = _threshold(threshold), choice("--rule", rule, ("sum", "single", "logistic"))
    surveys = [opened(survey, model, weights, None, device, setup=setup), *map(opened, test or ())]
    detector = surveys[0].detector(label, chosen, rule=known, threshold=how, layer=layer, by=pooled(by), most=most)
    say(detector)
    names = unique_names([file_name(tested.path.name) for tested in surveys])
    written: list[Path] = []
    for place, (name, tested) in enumerate(zip(names, surveys, strict=True)):
        check_carried(surveys[0].manifest, tested.manifest, name)
        detection = detector.test(tested)
        typer.echo(f"{detection}{'' if place else ' (These pictures chose it.)'}")
        written += detection.save(out / name)
    written += _against(detector, dict(zip(names, surveys, strict=True)), predicted, out)
    if model is not None:
        written += sorted(detector.save(out / "detector").glob("detector.*"))
    typer.echo(f"{len(written)} files in {out}")


@app.command("compare-models")
def compare(
    surveys: Annotated[
        list[str],
        typer.Argument(help="Surveys of the same pictures with different models, as name=folder.", show_default=False),
    ],
    target: Annotated[
        list[str] | None,
        typer.Option("--target", help="A model's survey of other pictures to try it on, as name=folder; one each."),
    ] = None,
    label: Annotated[str | None, typer.Option("--label", help="One class only. Default: every class.")] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option("--layer", "-l", help="A surveyed layer for all models, or name=layer for one; several."),
    ] = None,
    match: Annotated[bool, typer.Option("--match", help="Also match the channels of each two models.")] = False,
    by: ByOption = "mean",
    out: Folder = Path("out"),
) -> None:
    """Compare models on the same pictures: which separates a class better, and do thresholds hold elsewhere?

    **Examples**

    featuremaps compare-models first=survey_a/ second=survey_b/ -o out/

    featuremaps compare-models a=photos_a/ b=photos_b/ --target a=xrays_a/ --target b=xrays_b/ --label cat
    """
    from featuremaps.survey.analysis.model_comparison import compare_models

    folders = named("a survey", surveys, "a name and the survey's folder, such as first=survey/")
    targets = named("--target", target, "a model's name and a survey's folder, such as first=xrays/")
    for name in targets:
        _check_model(name, folders, "--target")
    pairs: dict[str, Any] = {name: opened(Path(path)) for name, path in folders.items()}
    pairs |= {name: (pairs[name], opened(Path(path))) for name, path in targets.items()}
    comparison = compare_models(pairs, label, _layers(layer, folders), pooling=pooled(by))
    say(comparison)
    written = comparison.save(out)
    for first, second in zip(comparison.models, comparison.models[1:], strict=False) if match else ():
        matches = comparison.match(first, second)
        say(matches)
        written.append(write_figure(out / f"{file_name('matches', first, second)}.png", matches.figure()))
    tell_written(written)


def _threshold(text: str) -> Any:
    """`"youden"`, `"false-alarm=0.05"` as `{"false_alarm": 0.05}`, or a score."""
    if text == "youden":
        return text
    name, equals, value = (part.strip() for part in text.partition("="))
    try:
        if not equals:
            return float(text)
        if name in ("false-alarm", "false_alarm", "recall"):
            return {name.replace("-", "_"): float(value)}
    except ValueError:
        pass
    raise FeatureMapsError(f"--threshold {text!r} is not understood; write {THRESHOLDS}.")


def _against(detector: Any, surveys: dict[str, Any], predicted: str | None, out: Path) -> list[Path]:
    """The detector beside the model's own answers, where these are known; told and written."""
    label = detector.origin.label
    known = all(tested.manifest.predictions and label in (tested.model_classes or ()) for tested in surveys.values())
    if not known and predicted is None:
        return []
    against = detector.against_model(surveys, predicted=predicted)
    say(against)
    rows = against.table()
    return [
        write_figure(out / "against_model.png", against.figure()),
        write_table(out / "against_model.csv", rows, list(rows[0])),
    ]


def _layers(texts: list[str] | None, models: dict[str, str]) -> str | dict[str, str] | None:
    """`["layer4"]` as the layer of all, `["a=layer4", "b=features"]` as one for each model named."""
    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    layers = named("--layer", texts, "one layer for all models, or a model's name and its layer, such as first=layer4")
    for name in layers:
        _check_model(name, models, "--layer")
    return layers


def _check_model(name: str, models: dict[str, str], option: str) -> None:
    if name not in models:
        raise FeatureMapsError(
            f"{option}: there is no model {name!r} among {', '.join(models)}.{did_you_mean(name, models)}"
        )
