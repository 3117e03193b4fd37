"""Tables as Parquet files: written piece by piece into an open file, and read; `SurveyError` for a damaged one."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from featuremaps.errors import SurveyError
from featuremaps.survey.storage.atomic_files import Write
from featuremaps.survey.storage.integrity import AGAIN

GATHERED = 2**20  # bytes


def parquet(*makers: Callable[[], pa.Table], rows: int | None = None, plain: bool = False) -> Write:
    """A way to write tables, each made when it is its turn, in groups of `rows`, or a group each.

    `plain` is for columns of numbers that neither repeat nor compress.
    """
    options = {"compression": "none", "use_dictionary": False, "write_statistics": False} if plain else None

    def write(stream: BinaryIO) -> None:
        tables = (make() for make in makers)
        first = next(tables)
        with writing(stream, first.schema, options) as writer:
            for table in chain([first], tables):
                writer.write_table(table, row_group_size=rows or max(1, table.num_rows))

    return write


@contextmanager
def writing(
    stream: BinaryIO, schema: pa.Schema, options: Mapping[str, Any] | None = None
) -> Iterator[pq.ParquetWriter]:
    """A writer onto an open file, which stays open unless it fails.

    Its many small pieces are gathered first: each that reached Python's file would make all other threads wait.
    """
    gathered = pa.BufferedOutputStream(pa.PythonFile(stream, "w"), GATHERED)
    try:
        with pq.ParquetWriter(gathered, schema, **(_encoded(schema) if options is None else options)) as writer:
            yield writer
        gathered.detach()
    except BaseException:
        with suppress(OSError):  # as before: what could not be written cannot be now
            gathered.close()
        raise


def _encoded(schema: pa.Schema) -> dict[str, Any]:
    """How a table is written: only of words is a dictionary smaller and quicker."""
    words = [field.name for field in schema if pa.types.is_string(field.type)]
    return {"compression": "zstd", "use_dictionary": words}


@contextmanager
def reading(path: Path) -> Iterator[pq.ParquetFile]:
    """A file of a survey; `SurveyError` where it is gone or damaged."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield file
    except (OSError, pa.ArrowException, KeyError) as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise SurveyError(f"{path} {what}: the survey is damaged. {AGAIN}") from error


def values_of(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column of numbers, none missing. Arrow's own `to_numpy` imports pandas, which takes longer than the rest."""
    return np.from_dlpack(column.combine_chunks())
