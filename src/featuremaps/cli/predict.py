"""`featuremaps predict`: the model's own answers, in the terminal and as a table."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from featuremaps.cli.app import app
from featuremaps.cli.common import gathered, model_under_study, tell_doubts, tell_refusals
from featuremaps.cli.options import Classes, Device, Model, OptionValues, PicturePaths, Weights, for_model
from featuremaps.cli.survey_common import tell_written, write_table
from featuremaps.errors import OptionError

TABLE = Annotated[
    Path | None, typer.Option("--out", "-o", help="The file to write, a row for each answer: .csv or .json.")
]


@app.command()
@for_model
def predict(
    pictures: PicturePaths,
    model: Model,
    weights: Weights = None,
    classes: Classes = None,
    top: Annotated[
        int | None,
        typer.Option("--top", help="How many classes of each picture. Default: 5; of a detector all that it finds."),
    ] = None,
    threshold: Annotated[
        float, typer.Option("--threshold", help="The score from which on something that a detector finds counts.")
    ] = 0.5,
    out: TABLE = None,
    device: Device = None,
    *,
    setup: OptionValues,
) -> None:
    """Say what a model answers: the most probable classes of each picture, or what a detector finds in it.

    **Examples**

    featuremaps predict cat.jpg --model torchvision:resnet50 --top 3

    featuremaps predict photos/ -m mynet.py:make -w mine.pt --classes names.txt -o answers.csv
    """
    if out is not None and out.suffix.lower() not in (".csv", ".json"):
        raise OptionError(
            f"--out {str(out)!r} has no kind of table in its name: write {out.stem}.csv or {out.stem}.json."
        )
    found = gathered(pictures)
    scope = model_under_study(model, weights, classes, device, setup)
    seen_pictures = scope.see(found)
    answers = scope.predict(seen_pictures, top, threshold=threshold)
    names = [seen.picture.name for seen in seen_pictures.seen]
    for name, given in zip(names, answers, strict=True):
        typer.echo(f"{name}: {', '.join(map(repr, given)) or 'nothing'}")
        tell_doubts([f"{name}: {answer.note}" for answer in given if getattr(answer, "note", "")])
    tell_refusals(seen_pictures)
    if out is not None:
        tell_written(
            [_write(out, [row for name, given in zip(names, answers, strict=True) for row in _rows(name, given)])]
        )


def _rows(picture: str, answers: Any) -> list[dict[str, Any]]:
    """A row for each answer of a picture, best first; a box in four columns, in pixels of the model's input."""
    from featuremaps.results.answer import Answer

    rows = []
    for place, answer in enumerate(answers, 1):
        row = {"picture": picture, "place": place, "label": answer.label, "index": answer.index, "score": answer.score}
        if isinstance(answer, Answer):
            row |= {"probability": answer.probability} | ({} if answer.covers is None else {"covers": answer.covers})
        else:
            row |= dict(zip(("left", "top", "right", "bottom"), answer.box, strict=True)) | {"note": answer.note}
        rows.append(row)
    return rows


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows as CSV or JSON, by the file's name."""
    if path.suffix.lower() == ".csv":
        return write_table(path, rows, list(rows[0]) if rows else ["picture", "place", "label", "index", "score"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
