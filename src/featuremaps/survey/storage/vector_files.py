"""The pooled channels of a layer in one shard, a column for each, in half precision where that keeps what they say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float16, Float32
from numpy.typing import NDArray

from featuremaps.survey.storage.manifest import SurveyedLayer
from featuremaps.survey.storage.parquet_tables import reading

HALF_MOST = float(np.finfo(np.float16).max)
HALF_LEAST = float(np.finfo(np.float16).smallest_normal)  # below it half precision rounds more and more
LOST = 0.01  # of a channel's standard deviation: the most that rounding may move its values, in the mean square
AT_A_TIME = 2**19  # values looked at, which stay in the processor's cache


def vectors_file(layer: SurveyedLayer, pool: str, shard: int) -> str:
    """Where the vectors of a layer in one shard lie."""
    return f"vectors/{layer.folder}/{pool}/{shard:05d}.parquet"


def vectors_table(numbers: NDArray[np.int64], values: NDArray[np.float32], key: str = "picture") -> pa.Table:
    """A column per channel in half precision; in full where half would overflow or lose what the channel says."""
    columns = np.ascontiguousarray(values.T)
    halves, fits = np.empty(columns.shape, np.float16), np.zeros(len(columns), bool)
    step = max(1, AT_A_TIME // max(1, len(numbers)))
    for start in range(0, len(columns), step):
        part = slice(start, start + step)
        with np.errstate(over="ignore", invalid="ignore"):
            halves[part] = columns[part]
            fits[part] = _kept_by_half(columns[part], halves[part])
    in_full = dict(zip(np.flatnonzero(~fits).tolist(), _arrow(columns[~fits]), strict=True))
    vectors = [in_full.get(channel, kept) for channel, kept in enumerate(_arrow(halves))]
    return pa.Table.from_arrays([pa.array(numbers), *vectors], [key, *map(str, range(len(vectors)))])


def _kept_by_half(
    values: Float32[np.ndarray, "channel picture"], halves: Float16[np.ndarray, "channel picture"]
) -> Bool[np.ndarray, " channel"]:
    """Which channels half precision keeps: none infinite, not all values tiny, and none moved much for their spread."""
    if not values.size:
        return np.ones(len(values), bool)
    largest = np.abs(values).max(1)
    moved = np.square(halves.astype(np.float32) - values).mean(1)
    spread = np.square(values - values.mean(1, keepdims=True)).mean(1)
    within = (largest == 0) | ((largest >= HALF_LEAST) & (largest <= HALF_MOST))
    return within & (moved <= LOST**2 * spread)


def _arrow(columns: NDArray[Any]) -> list[pa.Array]:
    """Rows of numbers as arrays of Arrow, without copying."""
    kind, memory, size = pa.from_numpy_dtype(columns.dtype), pa.py_buffer(columns), columns.strides[0]
    parts = [memory.slice(at * size, size) for at in range(len(columns))]
    return [pa.Array.from_buffers(kind, columns.shape[1], [None, part]) for part in parts]


def read_vectors(
    folder: Path, layer: SurveyedLayer, pool: str, shard: int, channels: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """The vectors of one shard as (channel, picture), of all channels or some."""
    names = list(map(str, range(layer.channels) if channels is None else channels))
    with reading(folder / vectors_file(layer, pool, shard)) as file:
        parts = [_together(batch) for batch in file.read(columns=names, use_threads=False).to_batches()]
    return np.concatenate(parts or [np.empty((len(names), 0))], axis=1).astype(np.float32)


def _together(batch: pa.RecordBatch) -> NDArray[Any]:
    """The columns, of half and of single precision, as (column, row).

    All of a kind at once: one by one, files that are read side by side would wait for each other at every column.
    """
    kinds = batch.schema.types
    if len(set(kinds)) < 2:
        return batch.to_tensor(row_major=False).to_numpy().T
    columns = np.empty((batch.num_columns, batch.num_rows), np.float32)
    for kind in set(kinds):
        alike = [at for at, other in enumerate(kinds) if other == kind]
        columns[alike] = batch.select(alike).to_tensor(row_major=False).to_numpy().T
    return columns
