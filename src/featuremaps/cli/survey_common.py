"""What commands about surveys do alike: open them, read `name=value`, tell and write what was found."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import typer

from featuremaps.cli.common import choice, model_under_study
from featuremaps.errors import FeatureMapsError

SurveyFolder = Annotated[Path, typer.Argument(help="The folder of a survey.", show_default=False)]
Folder = Annotated[Path, typer.Option("--out", "-o", help="The folder to write to.")]
LayerOption = Annotated[
    str | None, typer.Option("--layer", "-l", help="A surveyed layer; needed where there are several.")
]
ByOption = Annotated[str, typer.Option("--by", help="A channel's mean or max activation in a picture.")]
ModelOfSurvey = Annotated[
    str | None, typer.Option("--model", "-m", help="The model that was surveyed, as for `featuremaps survey`.")
]
Pictures = Annotated[
    str | None,
    typer.Option("--pictures", help="The dataset, where its pictures have moved or lie in tar files."),
]

Names = Annotated[
    list[str] | None,
    typer.Option("--name", help="An output of the model that means a label, as label=output; several."),
]


def opened(
    folder: Path,
    model: str | None = None,
    weights: Path | None = None,
    classes: Path | None = None,
    device: str | None = None,
    pictures: str | None = None,
    setup: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """The survey in a folder, with the model it was made of where one is named."""
    from featuremaps.survey.survey import open_survey

    folder = folder if folder.name else folder.resolve()
    if model is None:
        if weights is not None:
            raise FeatureMapsError("--weights are those of a model; name it too: --model torchvision:resnet50, say.")
        return open_survey(folder, pictures)
    return model_under_study(model, weights, classes, device, setup).open_survey(folder, pictures)


def named(option: str, texts: Iterable[str] | None, example: str) -> dict[str, str]:
    """`["cat=3,17"]` as `{"cat": "3,17"}`; `example` shows how it is written where it was not."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise FeatureMapsError(f"{option} {text!r} is not understood; write {example}.")
        if name in found:
            raise FeatureMapsError(f"{option}: {name!r} is given twice, as {found[name]!r} and {value!r}.")
        found[name] = value
    return found


def numbers(option: str, text: str, example: str) -> list[int]:
    """`"3,17"` as `[3, 17]`."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise FeatureMapsError(f"{option} {text!r} is not understood; write channel numbers, such as {example}.")
    return [int(part) for part in parts]


def pooled(by: str) -> Any:
    """What `--by` names."""
    return choice("--by", by, ("mean", "max"))


def say(found: object) -> None:
    """What an answer says of itself, printed."""
    typer.echo(repr(found).removeprefix("<").removesuffix(">"))


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Path:
    """Rows as CSV; a list in a cell is written with semicolons."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(columns)
        for row in rows:
            cells = (row[name] for name in columns)
            out.writerow([";".join(map(str, cell)) if isinstance(cell, list | tuple) else cell for cell in cells])
    return path


def tell_written(written: Sequence[Path]) -> None:
    """Where the answer is, a line for each folder: its files, or how many where there are more than three."""
    for folder in dict.fromkeys(path.parent for path in written):
        inside = [str(path) for path in written if path.parent == folder]
        typer.echo(f"{len(inside)} files in {folder}" if len(inside) > 3 else " ".join(inside))
