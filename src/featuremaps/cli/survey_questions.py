"""`featuremaps specialists`, `sums` and `confusion`: what a survey says of its classes and their channels."""

from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import write_figure
from featuremaps.cli.survey_common import (
    ByOption,
    Folder,
    LayerOption,
    Names,
    Pictures,
    SurveyFolder,
    named,
    numbers,
    opened,
    pooled,
    say,
    tell_written,
    write_table,
)
from featuremaps.errors import FeatureMapsError, ImageError, did_you_mean
from featuremaps.plotting.file_names import file_name

PerImage = Annotated[int, typer.Option("--per-image", help="How many channels of a picture count as strong.")]
PerClass = Annotated[int, typer.Option("--per-class", help="How many channels of a class are listed.")]


@app.command()
def specialists(
    survey: SurveyFolder,
    layer: LayerOption = None,
    per_image: PerImage = 25,
    per_class: PerClass = 25,
    shared: Annotated[bool, typer.Option("--shared", help="Keep channels that other classes list too.")] = False,
    separation: Annotated[
        bool,
        typer.Option("--separation", help="Instead rank channels by how well they separate a class: no cut-offs."),
    ] = False,
    by: ByOption = "mean",
    out: Folder = Path("out"),
) -> None:
    """List the channels of each class: those most often among the strongest of its pictures, and of no other class.

    **Examples**

    featuremaps specialists survey/ --per-image 25 --per-class 25

    featuremaps specialists survey/ --layer layer4 --separation -o out/
    """
    asked = opened(survey)
    if separation:
        found = asked.separation(layer, by=pooled(by))
        stem = file_name("separation", found.layer)
    else:
        found = asked.specialists(layer, per_image=per_image, per_class=per_class, unique=not shared, by=pooled(by))
        stem = file_name("specialists", found.layer)
    say(found)
    table = found.table()
    written = [
        write_figure(out / f"{stem}.png", found.figure()),
        write_table(out / f"{stem}.csv", table.to_pylist(), table.column_names),
    ]
    tell_written(written)


@app.command()
def sums(
    survey: SurveyFolder,
    layer: LayerOption = None,
    channels: Annotated[
        list[str] | None,
        typer.Option("--channels", help="A class's channels, as cat=3,17; several. Default: those that separate it."),
    ] = None,
    specialists: Annotated[
        bool, typer.Option("--specialists", help="Take each class's specialists, as the `specialists` command does.")
    ] = False,
    per_image: PerImage = 25,
    per_class: PerClass = 25,
    by: ByOption = "mean",
    out: Folder = Path("out"),
) -> None:
    """Add up the channels of each class in every picture: are they the class's own?

    **Examples**

    featuremaps sums survey/ -o out/

    featuremaps sums survey/ --specialists --per-image 5 --per-class 5

    featuremaps sums survey/ --layer layer4 --channels cat=3,17 --channels dog=8
    """
    from featuremaps.survey.charts.page import save_page

    example = "cat=3,17"
    groups = named("--channels", channels, f"a class and its channels, such as {example}")
    chosen = {name: numbers("--channels", text, example) for name, text in groups.items()}
    if chosen and specialists:
        raise FeatureMapsError("--channels and --specialists both say which channels to add up: give one of them.")
    asked = opened(survey)
    if specialists:
        chosen = asked.specialists(layer, per_image=per_image, per_class=per_class, by=pooled(by)).channels
    found = asked.sums(chosen or None, layer, by=pooled(by))
    say(found)
    for name in (name for name in found.groups if name not in found.classes):
        near = did_you_mean(name, found.classes)
        typer.secho(f"{name!r} is no class of the survey, so its sums are not measured.{near}", err=True, fg="yellow")
    stem = file_name("sums", found.layer)
    written = [
        write_figure(out / f"{stem}.png", found.figure()),
        write_figure(out / f"{file_name('distributions', found.layer)}.png", found.distributions()),
        write_table(out / f"{stem}.csv", _sum_rows(asked, found), ["picture", "label", *found.groups]),
    ]
    charts = found.charts(asked.pictures.names)
    if charts:
        written.append(save_page(charts, out / f"{stem}.html", f"Sums of channels of {found.layer}"))
    tell_written(written)


@app.command()
def confusion(
    survey: SurveyFolder,
    layer: Annotated[
        str | None,
        typer.Option("--layer", "-l", help="The layer whose channels tell who was louder. Default: the deepest."),
    ] = None,
    name: Names = None,
    most: Annotated[int, typer.Option("--most", help="How many mistakes to show, the most certain first.")] = 12,
    by: ByOption = "mean",
    pictures: Pictures = None,
    out: Folder = Path("out"),
) -> None:
    """Compare the model's own answers with the labels, and show its mistakes: whose channels were louder there?

    **Examples**

    featuremaps confusion survey/ -o out/

    featuremaps confusion survey/ --name cat="Egyptian cat" --name dog=beagle
    """
    names = named("--name", name, "a label and the model's output for it, such as cat=tabby")
    asked = opened(survey, pictures=pictures)
    matrix = asked.confusion(names=names)
    say(matrix)
    wrong = asked.mistakes(asked.sums(layer=layer or list(asked.layers)[-1], by=pooled(by)), names=names)
    say(wrong)
    columns = ["picture", "truth", "predicted", "probability", "louder", "loudest"]
    written = [
        write_figure(out / "confusion.png", matrix.figure()),
        write_table(out / "mistakes.csv", [_mistake_row(one) for one in wrong], columns),
    ]
    if len(wrong):
        try:
            written.append(write_figure(out / "mistakes.png", wrong.figure(most=most)))
        except ImageError as error:
            typer.secho(f"the mistakes cannot be shown: {error}", err=True, fg="yellow")
    tell_written(written)


def _sum_rows(survey: Any, found: Any) -> list[dict[str, Any]]:
    """A row for each picture: its name, its label, and the sum of each group."""
    labels = [found.classes[number] if number >= 0 else "" for number in found.labels.tolist()]
    values = found.values.tolist()
    return [
        {"picture": picture, "label": label, **dict(zip(found.groups, row, strict=True))}
        for picture, label, row in zip(survey.pictures.names, labels, values, strict=True)
    ]


def _mistake_row(one: Any) -> dict[str, Any]:
    row = {key: getattr(one, key) for key in ("truth", "predicted", "probability", "louder", "loudest")}
    return {"picture": one.name, **row}
