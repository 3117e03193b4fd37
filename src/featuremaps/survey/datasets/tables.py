"""Datasets listed in a table: a CSV or Parquet file of paths and labels."""

import csv
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featuremaps.errors import FeatureMapsWarning, OptionError, SurveyError, did_you_mean
from featuremaps.pictures.load import Label
from featuremaps.survey.datasets.files import Files, listed

PATHS = ("path", "image", "file", "filename", "file_name", "image_path", "filepath")
WHOLE = re.compile(r"(?:0|-?[1-9][0-9]*)(?:\.0+)?")
"""Not 007 or 1_0, which are names."""
LABELS = ("label", "class", "target", "category", "label_name", "class_name")


def table(path: Path, image: str | None, label: str | None, classes: Sequence[str] | None) -> Files:
    """The pictures a table lists; paths are as they stand, or relative to the table's own folder.

    `image` and `label` name the columns; without them `path`, `image`, `file` … and `label`, `class`, `target` …
    are looked for. A column of whole numbers is label numbers, anything else names; an empty cell is no label.
    """
    columns = _parquet(path, image, label) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
    image_column = needed_column(image, PATHS, list(columns), "image", str(path))
    label_column = column(label, LABELS, list(columns), "label", str(path))
    others = [name for name in columns if name != image_column]
    if label_column is None and others:
        warnings.warn(
            f"{path}: none of its columns ({', '.join(others)}) is called label, class or target, so its pictures have "
            "no labels. Say which one names them: label='…' (--label-column).",
            FeatureMapsWarning,
            stacklevel=2,
        )
    cells = columns[image_column]
    if not cells:
        raise SurveyError(f"{path}: the table has no rows.")
    labels = [None] * len(cells) if label_column is None else _labels(columns[label_column])
    missing = [row for row, cell in enumerate(cells) if cell in (None, "")]
    if missing:
        raise SurveyError(f"{path}: row {missing[0]} (counted from 0) has no path in column {image_column!r}.")
    homes = [_home(path.parent, str(cell)) for cell in cells]
    return listed(list(zip(homes, labels, strict=True)), classes)


def needed_column(asked: str | None, usual: Sequence[str], columns: Sequence[str], what: str, where: str) -> str:
    """The column's own name: as asked for, or the first of the usual ones; `OptionError` where there is none."""
    found = column(asked, usual, columns, what, where)
    if found is None:
        raise OptionError(
            f"{where}: none of its columns ({', '.join(columns)}) is called {', '.join(usual[:3])}; say which one "
            f"holds the pictures with {what}='…'."
        )
    return found


def column(asked: str | None, usual: Sequence[str], columns: Sequence[str], what: str, where: str) -> str | None:
    """The column's own name: as asked for, or the first of the usual ones; None where there is none of these."""
    if asked is None:
        lowered = {name.lower().strip(): name for name in reversed(columns)}
        return next((lowered[name.lower()] for name in usual if name.lower() in lowered), None)
    if asked not in columns:
        raise OptionError(
            f"{where} has no column {asked!r} ({what}=…).{did_you_mean(asked, columns)} It has {', '.join(columns)}."
        )
    return asked


def _csv(path: Path) -> dict[str, list[Any]]:
    try:
        return _csv_columns(path)
    except UnicodeDecodeError as error:
        raise SurveyError(
            f"{path} is not written in UTF-8 (at byte {error.start}: {error.object[error.start : error.end]!r}). Save "
            "it as UTF-8, or as a Parquet file."
        ) from error


def _csv_columns(path: Path) -> dict[str, list[Any]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        start = stream.read(65536)
        stream.seek(0)
        delimiter = "\t" if path.suffix.lower() == ".tsv" or start.count("\t") > start.count(",") else ","
        rows = csv.reader(stream, delimiter=";" if start.count(";") > start.count(delimiter) else delimiter)
        names = next(rows, [])
        cells = [row for row in rows if row]
    for number, row in enumerate(cells, 2):
        if len(row) != len(names):
            raise SurveyError(f"{path}: line {number} has {len(row)} cells, and the first line names {len(names)}.")
    return {name: [row[i] for row in cells] for i, name in enumerate(names)}


def _parquet(path: Path, *asked: str | None) -> dict[str, list[Any]]:
    """The columns that may be meant; others are named only, because they may be large."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
        names: list[str] = schema.names
        wanted = [name for name in names if name.lower() in {*PATHS, *LABELS} or name in asked]
        held = [name for name in wanted if pa.types.is_nested(schema.field(name).type)]
        if held:
            raise SurveyError(
                f"{path}: column {held[0]!r} holds more than a path or a label ({schema.field(held[0]).type}). Read it "
                "as a Hugging Face dataset, datasets.Dataset.from_parquet(path), and survey that."
            )
        columns: dict[str, list[Any]] = {name: [] for name in names}
        columns.update(pq.read_table(path, columns=wanted).to_pydict())
    except pa.ArrowException as error:
        raise SurveyError(f"{path} cannot be read as a Parquet file: {str(error).splitlines()[0]}") from error
    return columns


def _labels(cells: Sequence[Any]) -> list[Label]:
    """Whole numbers if all cells are (pandas writes 1.0 where one is missing), else names as they stand."""
    given = [None if cell is None or cell != cell or str(cell).strip() == "" else str(cell).strip() for cell in cells]
    if all(cell is None or WHOLE.fullmatch(cell) for cell in given):
        return [None if cell is None else int(cell.partition(".")[0]) for cell in given]
    return list(given)


def _home(folder: Path, text: str) -> Path:
    path = Path(text).expanduser()
    return path if path.is_absolute() else folder / path
