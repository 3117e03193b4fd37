"""Datasets listed in a table: a CSV or Parquet file of paths and labels."""

import csv
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np

from featuremaps.errors import OptionError, SurveyError
from featuremaps.pictures.frames import LABELS, PATHS
from featuremaps.survey.datasets.columns import column, needed_column, warn_unlabelled
from featuremaps.survey.datasets.examples import Examples, cells_as_labels
from featuremaps.survey.datasets.files import Files, listed
from featuremaps.survey.datasets.items import items

WRITTEN = {"1": 1, "1.0": 1, "true": 1, "0": 0, "0.0": 0, "false": 0}


def table(
    path: Path,
    image: str | None,
    label: str | Sequence[str] | None,
    classes: Sequence[str] | None,
    several: bool = False,
) -> Files:
    """The pictures a table lists; paths are as they stand, or relative to the table's own folder.

    `image` and `label` name the columns; without them `path`, `image`, `file` … and `label`, `class`, `target` …
    are looked for. A column of whole numbers is label numbers, anything else names; an empty cell is no label. Of
    `several` labels a picture a cell names all, or each column of `label` has a 1 or 0 for the class that it is called.
    """
    asked = [label] if isinstance(label, str) else label or []
    columns = _parquet(path, image, *asked) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
    cells, labels, classes = _pairs(columns, image, label, classes, several, str(path))
    pairs = [(_home(path.parent, str(cell)), label) for cell, label in zip(cells, labels, strict=True)]
    return listed(pairs, classes, several)


def frame(
    dataset: Any,
    image: str | None,
    label: str | Sequence[str] | None,
    classes: Sequence[str] | None,
    several: bool = False,
) -> Examples:
    """The pictures of a DataFrame, whose cells are paths (from the working folder) or pictures themselves."""
    columns = {str(name): _column(dataset[name]) for name in dataset.columns}
    cells, labels, classes = _pairs(columns, image, label, classes, several, "the DataFrame")
    pairs = list(zip(cells, labels, strict=True))
    if all(isinstance(cell, str | os.PathLike) for cell in cells):
        return listed([(_home(Path(), os.fspath(cell)), label) for cell, label in pairs], classes, several)
    return items(pairs, classes, several=several)


def _column(series: Any) -> list[Any]:
    if hasattr(series, "to_list") and not hasattr(series, "notna"):
        return list(series.to_list())
    return list(series.astype(object).where(series.notna(), None))


def _pairs(
    columns: dict[str, list[Any]],
    image: str | None,
    label: str | Sequence[str] | None,
    classes: Sequence[str] | None,
    several: bool,
    where: str,
) -> tuple[list[Any], list[object], Sequence[str] | None]:
    """The cells of the column of pictures, the labels beside them, and the classes."""
    image_column = needed_column(image, PATHS, list(columns), "image", where)
    cells = _paths(columns[image_column], image_column, where)
    if not isinstance(label, str | None):
        if not several:
            raise OptionError(
                f"label={list(label)!r}: one column names a picture's label; several do with multi_label=True."
            )
        # Classes named in another order than their columns say the order, not what the columns are called.
        asked = classes if classes is not None and sorted(classes) == sorted(label) else label
        return cells, list(_indicators(columns, asked, where)), classes if classes is not None else tuple(label)
    label_column = column(label, LABELS, list(columns), "label", where)
    others = [name for name in columns if name != image_column]
    if label_column is None:
        warn_unlabelled(others, where)
        return cells, [None] * len(cells), classes
    if several and classes is None:
        _check_names(columns[label_column], label_column, where)
    return cells, columns[label_column] if several else cells_as_labels(columns[label_column]), classes


def _check_names(cells: list[Any], label_column: str, where: str) -> None:
    """`OptionError` for a column that says whether one class is there, where it should name all."""
    given = {str(cell).strip().lower() for cell in cells if cell is not None} - {""}
    if given and given <= set(WRITTEN):
        raise OptionError(
            f"{where}: column {label_column!r} has nothing but {' and '.join(sorted(given))}, and of several labels a "
            f"picture one column names them all. Where it says whether a class is there, give label=[{label_column!r}] "
            f"(--label-column '{label_column},'); where these are the names of classes, labels=[…] too."
        )


def _paths(cells: list[Any], image_column: str, where: str) -> list[Any]:
    if not cells:
        raise SurveyError(f"{where}: the table has no rows.")
    missing = [row for row, cell in enumerate(cells) if cell is None or (isinstance(cell, str) and not cell)]
    if missing:
        raise SurveyError(f"{where}: row {missing[0]} (counted from 0) has no path in column {image_column!r}.")
    return cells


def _indicators(columns: dict[str, list[Any]], asked: Sequence[str], where: str) -> Iterator[np.ndarray]:
    """Row by row a number for each of these columns; what is no number is left for whoever reads it."""
    names = [needed_column(name, (), list(columns), "label", where) for name in asked]
    given = [
        [WRITTEN.get(cell.strip().lower(), cell) if isinstance(cell, str) else cell for cell in columns[name]]
        for name in names
    ]
    for row in zip(*given, strict=True):
        yield np.array(row, dtype=object)


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
    twice = [name for name, count in Counter(names).items() if count > 1 and name]
    if twice:
        raise SurveyError(f"{path}: two columns are called {twice[0]!r}; each needs a name of its own.")
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


def _home(folder: Path, text: str) -> Path:
    """Where a file is; a table from Windows has backslashes, which may stand in a name elsewhere."""
    path = folder / Path(text).expanduser()
    if "\\" in text and os.sep == "/" and not path.exists():
        return folder / PureWindowsPath(text).as_posix()
    return path
