"""Tables of pandas and polars, neither of which is imported to know one: which column holds pictures, which labels."""

from collections.abc import Iterator
from typing import Any

from featuremaps.errors import ImageError
from featuremaps.pictures.labels import LABEL_KEYS

PATHS = ("path", "image", "file", "img", "picture", "filename", "file_name", "image_path", "filepath")
LABELS = tuple(key for key in LABEL_KEYS if key != "y")
"""What columns of pictures and of labels are called; beside a column of paths y may be a coordinate."""
SHOWN = 8
"""How many columns an error names."""


def is_column(given: object) -> bool:
    """Whether this is one column, a Series."""
    return _is_theirs(given) and not hasattr(given, "columns") and hasattr(given, "to_list")


def is_frame(given: object) -> bool:
    """Whether this is a DataFrame."""
    return _is_theirs(given) and hasattr(given, "columns")


def rows_of(frame: Any) -> Iterator[tuple[Any, Any]]:
    """The picture and the label of each row, None where no column has labels; `ImageError` without a picture."""
    lowered = {str(name).lower().strip(): name for name in reversed(list(frame.columns))}
    pictures = next((lowered[name] for name in PATHS if name in lowered), None)
    labels = next((lowered[name] for name in LABELS if name in lowered), None)
    if pictures is None:
        raise ImageError(
            f"none of the DataFrame's columns ({_listed(list(frame.columns))}) is called {', '.join(PATHS[:3])}; "
            "pass the one that holds the pictures, frame['…']. Columns that are pixels are made arrays: "
            "frame[…].to_numpy().reshape(-1, height, width, channels)."
        )
    cells = frame[pictures].to_list()
    return zip(cells, [None] * len(cells) if labels is None else frame[labels].to_list(), strict=True)


def _listed(columns: list[Any]) -> str:
    """The first names of columns, and how many there are more."""
    more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
    return ", ".join(map(str, columns[:SHOWN])) + more


def _is_theirs(given: object) -> bool:
    return type(given).__module__.partition(".")[0] in ("pandas", "polars")
