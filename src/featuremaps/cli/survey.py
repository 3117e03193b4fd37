"""`featuremaps survey`, `verify`, `top`, `units`: make a survey, check it, look at what single units do in it."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import choice, lines_of, model_under_study, write_figure
from featuremaps.cli.options import Classes, Device, LayerNames, Model, OptionValues, Weights, for_model, generated
from featuremaps.cli.survey_common import (
    Folder,
    ModelOfSurvey,
    Pictures,
    SurveyFolder,
    opened,
    say,
    tell_written,
)
from featuremaps.errors import FeatureMapsError
from featuremaps.plotting.file_names import file_name
from featuremaps.survey.engine.options import SurveyOptions

MOST_TOLD = 20

LabelsFile = Annotated[
    Path | None,
    typer.Option("--labels", help="The label names in label order: a text file, one a line, or cat,dog,hen."),
]
ImageColumn = Annotated[str | None, typer.Option("--image-column", help="The column of a table that holds the paths.")]
LabelColumn = Annotated[
    str | None,
    typer.Option(
        "--label-column",
        help="The column of a table that holds the labels; of several a picture also one for each class: a,b,c.",
    ),
]


@app.command()
@for_model
@generated(SurveyOptions)
def survey(
    dataset: Annotated[
        list[str],
        typer.Argument(
            help="A folder with a folder per class, a CSV or Parquet table of paths and labels, or tar shards.",
            show_default=False,
        ),
    ],
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    layer: LayerNames = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to keep the survey in.")] = Path("survey"),
    labels: LabelsFile = None,
    image_column: ImageColumn = None,
    label_column: LabelColumn = None,
    device: Device = None,
    *,
    options: OptionValues,
    setup: OptionValues,
) -> None:
    """Run a whole dataset through a model once, and keep what every channel of some layers did in each picture.

    Stopped at any moment, the same command goes on where it was.

    **Examples**

    featuremaps survey photos/ --model torchvision:resnet50 --layer layer4 -o survey/

    featuremaps survey list.csv -m torchvision:resnet50 -l layer3 -l layer4 --label-column species --precision bfloat16

    featuremaps survey chest.csv -m mynet.py:make -l features --multi-label --label-column Edema,Effusion,Nodule
    """
    scope = model_under_study(model, weights, classes, device, setup)
    from featuremaps.survey.doubts import LEFT_OUT

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", LEFT_OUT)  # `_tell` names more of them
        surveyed = scope.survey(
            dataset[0] if len(dataset) == 1 else dataset,
            layer or "last",
            out,
            labels=lines_of("--labels", labels),
            image=image_column,
            label=_columns(label_column, options["multi_label"]),
            **options,
        )
    _tell(surveyed)


def _columns(label: str | None, several: bool) -> str | list[str] | None:
    """The column of labels, or with `several` labels a picture those that are named with commas between them."""
    return [name.strip() for name in label.split(",") if name.strip()] if several and label and "," in label else label


@app.command()
@for_model
def top(
    survey: SurveyFolder,
    units: Annotated[list[str], typer.Argument(help="Units, layer:channel; one or several.", show_default=False)],
    n: Annotated[int, typer.Option("-n", help="How many pictures.")] = 9,
    which: Annotated[str, typer.Option("--which", help="strongest, weakest, or spread between the two.")] = "strongest",
    label: Annotated[str | None, typer.Option("--label", help="Only pictures of this class.")] = None,
    model: ModelOfSurvey = None,
    weights: Weights = None,
    pictures: Pictures = None,
    out: Folder = Path("out"),
    device: Device = None,
    *,
    setup: OptionValues,
) -> None:
    """Show the real pictures that units respond to most, least, or in between.

    With the model also what the unit sees in each, where that lies, and its map over it.

    **Examples**

    featuremaps top survey/ layer4:452 -n 9

    featuremaps top survey/ layer4:452 layer4:7 --which spread --label cat --model torchvision:resnet50 -o out/
    """
    choice("--which", which, ("strongest", "weakest", "spread"))
    asked = opened(survey, model, weights, None, device, pictures, setup)
    written: list[Path] = []
    for unit in units:
        top_pictures = asked.top_pictures(unit, n, which, label=label, maps=model is not None)
        say(top_pictures)
        stem = file_name("top", top_pictures.unit, which, *filter(None, [top_pictures.label]))
        written += [*top_pictures.save(out), write_figure(out / f"{stem}.png", top_pictures.figure())]
    tell_written(written)


@app.command()
@for_model
def units(
    survey: SurveyFolder,
    units: Annotated[
        list[str] | None, typer.Argument(help="Units, layer:channel. Default: every one.", show_default=False)
    ] = None,
    n: Annotated[int, typer.Option("-n", help="How many of its strongest pictures a page shows.")] = 12,
    draw: Annotated[bool, typer.Option("--draw", help="Draw the units named, and show that beside them.")] = False,
    model: ModelOfSurvey = None,
    weights: Weights = None,
    pictures: Pictures = None,
    out: Folder = Path("units"),
    device: Device = None,
    *,
    setup: OptionValues,
) -> None:
    """Write a page for every unit of a survey: its strongest pictures, its classes, its figures, the channels like it.

    One `unit.html` and its data, to open without a server: unit.html#layer4-452 is a unit's own address. With the
    model, also where each unit looks in its pictures.

    **Examples**

    featuremaps units survey/ -o pages/

    featuremaps units survey/ layer4:452 layer4:7 --draw --model torchvision:resnet50
    """
    if draw and not (units and model):
        raise FeatureMapsError("--draw takes a while for each unit: name them, and the model, --model.")
    from featuremaps.report.unit_pages import write_unit_pages

    if model is None:
        page = write_unit_pages(opened(survey, None, weights, None, device, pictures), out, units or None, n=n)
    else:
        scope = model_under_study(model, weights, None, device, setup)
        asked = scope.open_survey(survey, pictures)
        drawings = scope.draw(units, real=asked) if draw else None
        page = scope.unit_pages(asked, out, units or None, n=n, drawings=drawings)
    typer.echo(str(page))


@app.command()
def verify(survey: SurveyFolder) -> None:
    """Read every file of a survey, and say whether each is as it was written.

    **Examples**

    featuremaps verify survey/
    """
    typer.echo(f"All {opened(survey).verify():,} files of the survey in {survey} are as they were written.")


def _tell(survey: Any) -> None:
    """How many pictures of what were surveyed and where that is kept; on standard error what was left out, and why."""
    from featuremaps.survey.analysis.class_labels import counted

    pictures, names = survey.pictures, survey.classes
    layers = ", ".join(f"{name} ({layer.channels} channels)" for name, layer in survey.layers.items())
    of = f" of {len(names)} class{'es' if len(names) != 1 else ''}" if names else ", none with a label"
    if survey.regions is not None:
        of = f" of {len(found := survey.found_counts)} class{'es' if len(found) != 1 else ''} of the model's"
    typer.echo(f"{survey.manifest.model}, {layers}: {survey.counted}{of}")
    if names and len(names) <= MOST_TOLD:
        labels = pictures.labels if pictures.sets is None else pictures.sets
        counts = counted(labels, len(names)).tolist()
        typer.echo(", ".join(f"{name} {count:,}" for name, count in zip(names, counts, strict=True)))
    if pictures.bad:
        typer.secho(f"{len(pictures.bad):,} left out:", err=True)
    for bad in pictures.bad[:MOST_TOLD]:
        typer.secho(f"  {bad.name}: {bad.reason}", err=True)
    if len(pictures.bad) > MOST_TOLD:
        typer.secho(f"  … all of them, with the reason, in {survey.path / 'pictures.parquet'}", err=True)
    typer.echo(f"Preprocessing: {survey.manifest.described.get('preprocessing', 'unknown')}")
    typer.echo(f"Survey: {survey.path}")
