"""A shard's result as files: vectors by layer, predictions, and the parts that the final tables are made from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from jaxtyping import Bool, Float16, Float32
from numpy.typing import NDArray

from featuremaps.errors import SurveyError
from featuremaps.survey.storage.atomic_files import Store, Write
from featuremaps.survey.storage.integrity import AGAIN
from featuremaps.survey.storage.manifest import FinishedShard, SurveyedLayer
from featuremaps.survey.storage.pooled import RANKINGS, Best, End, Pooling, merged
from featuremaps.survey.storage.region_tables import shard_rows
from featuremaps.survey.storage.shard_result import MOST_REGIONS, TOP, LayerResult, ShardResult
from featuremaps.survey.storage.stored_rows import LabelSets

HALF_MOST = float(np.finfo(np.float16).max)
HALF_LEAST = float(np.finfo(np.float16).smallest_normal)  # below it half precision rounds more and more
LOST = 0.01  # of a channel's standard deviation: the most that rounding may move its values, in the mean square
AT_A_TIME = 2**19  # values looked at, which stay in the processor's cache
GATHERED = 2**20  # bytes
PICTURES = pa.schema(
    [
        ("picture", pa.int64()),
        ("name", pa.string()),
        ("path", pa.string()),
        ("label", pa.int32()),
        ("label_name", pa.string()),
        ("reason", pa.string()),
        ("sha256", pa.string()),
    ]
)
CANDIDATES = pa.schema(
    [
        ("by", pa.int8()),  # the position in RANKINGS
        ("channel", pa.int32()),
        ("value", pa.float32()),
        ("picture", pa.int64()),
        ("place", pa.int32()),
    ]
)
COUNTS = pa.schema(
    [
        ("layer", pa.string()),
        ("channel", pa.int32()),
        ("active", pa.int64()),
        ("zeros", pa.int64()),
        ("positions", pa.int64()),
    ]
)

Ranking = tuple[Pooling, End]


@dataclass
class BestSoFar:
    """The best candidates of all shards so far: only those of a new shard that come in among them are kept."""

    keep: int
    best: dict[tuple[str, Ranking], Best] = field(default_factory=dict)

    def admit(self, layer: str, ranking: Ranking, candidates: Best) -> Best:
        """All that now stand, the new ones among them."""
        known = self.best.get((layer, ranking))
        best_so_far = candidates if known is None else merged(known, candidates, self.keep, ranking[1])
        self.best[layer, ranking] = best_so_far
        return best_so_far


def write_shard(store: Store, result: ShardResult, best_so_far: BestSoFar) -> None:
    """Put everything of a shard on disk, and then into the manifest."""
    number, keys, manifest = result.number, result.keys, store.manifest
    files: dict[str, Write] = {}
    for layer in manifest.layers:
        of_layer = result.layers.get(layer.name)
        for pool in manifest.pools:
            values = np.zeros((0, layer.channels), np.float32) if of_layer is None else getattr(of_layer, pool)
            files[vectors_file(layer, pool, number)] = parquet(
                partial(vectors_table, keys, values, manifest.key), plain=True
            )
    if manifest.predictions:
        files[f"predictions/{number:05d}.parquet"] = parquet(partial(_predictions, result))
    parts: dict[str, list[Callable[[], pa.Table]]] = {
        "pictures": [partial(_pictures, result, manifest.classes, manifest.multi_label)],
        "counts": [partial(_counts, layer, result.layers.get(layer.name)) for layer in manifest.layers],
        "top": [
            partial(_candidates, layer, result, best_so_far, manifest.numbers(number)) for layer in manifest.layers
        ],
    }
    if result.regions is not None:
        parts["regions"] = [partial(shard_rows, result.regions)]
    files |= {part_file(part, number): parquet(*made) for part, made in parts.items()}
    written = store.write_all(files)
    store.finish_shard(FinishedShard(number, len(keys), len(result.pictures) - len(result.good), written))


def vectors_file(layer: SurveyedLayer, pool: str, shard: int) -> str:
    """Where the vectors of a layer in one shard lie."""
    return f"vectors/{layer.folder}/{pool}/{shard:05d}.parquet"


def part_file(part: str, shard: int) -> str:
    """Where one shard's part of a final table lies."""
    return f"partial/{part}/{shard:05d}.parquet"


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
    fits: Bool[np.ndarray, " channel"] = within & (moved <= LOST**2 * spread)
    return fits


def _arrow(columns: NDArray[Any]) -> list[pa.Array]:
    """Rows of numbers as arrays of Arrow, without copying."""
    kind, memory, size = pa.from_numpy_dtype(columns.dtype), pa.py_buffer(columns), columns.strides[0]
    parts = [memory.slice(at * size, size) for at in range(len(columns))]
    return [pa.Array.from_buffers(kind, columns.shape[1], [None, part]) for part in parts]


def rebuilt(store: Store) -> BestSoFar:
    """The candidates that stand after all shards on disk."""
    best_so_far = BestSoFar(store.manifest.keep)
    for shard in store.manifest.shards:
        admit_shard(store, best_so_far, shard.number)
    return best_so_far


def admit_shard(store: Store, best_so_far: BestSoFar, number: int) -> None:
    """Let the candidates of a shard on disk stand with the others."""
    with reading(store.folder / part_file("top", number)) as file:
        for group, layer in enumerate(store.manifest.layers):
            _admit_rows(best_so_far, layer, file.read_row_group(group))


def _admit_rows(best_so_far: BestSoFar, layer: SurveyedLayer, rows: pa.Table) -> None:
    """Rows as written, which may be more for one channel than for another."""
    columns = {name: torch.from_numpy(values_of(rows[name]).copy()) for name in CANDIDATES.names}
    for at, ranking in enumerate(RANKINGS):
        ranked = {name: column[columns["by"] == at] for name, column in columns.items()}
        if len(ranked["by"]):
            best_so_far.admit(layer.name, ranking, _squared(ranked, layer.channels, ranking[1]))


def _squared(rows: Mapping[str, torch.Tensor], channels: int, end: End) -> Best:
    """Candidates of every channel in as many columns as the longest needs; the worst there is fills the rest."""
    counts = torch.bincount(rows["channel"], minlength=channels)
    width = int(counts.max())
    starts = counts.cumsum(0) - counts
    column = torch.arange(len(rows["channel"]), device="cpu") - starts[rows["channel"].long()]
    at = (rows["channel"].long(), column)
    worst = -torch.inf if end == "strongest" else torch.inf
    values = torch.full((channels, width), worst, device="cpu", dtype=torch.float32).index_put(at, rows["value"])
    pictures = torch.full((channels, width), -1, dtype=torch.long, device="cpu").index_put(at, rows["picture"])
    places = torch.zeros((channels, width), dtype=torch.int32, device="cpu").index_put(at, rows["place"])
    return Best(values, pictures, places)


def _candidates(layer: SurveyedLayer, result: ShardResult, best_so_far: BestSoFar, numbers: range) -> pa.Table:
    """This shard's candidates that came in among the best so far."""
    if layer.name not in result.layers:
        return CANDIDATES.empty_table()
    parts, each = [], 1 if result.regions is None else MOST_REGIONS
    for at, ranking in enumerate(RANKINGS):
        best = best_so_far.admit(layer.name, ranking, result.layers[layer.name].best[ranking])
        fresh = (best.pictures >= numbers.start * each) & (best.pictures < numbers.stop * each)
        channel = fresh.nonzero()[:, 0].int().numpy()
        arrays = [np.full(len(channel), at, np.int8), channel]
        arrays += [tensor[fresh].numpy() for tensor in (best.values, best.pictures, best.places)]
        parts.append(pa.Table.from_arrays([pa.array(array) for array in arrays], schema=CANDIDATES))
    return pa.concat_tables(parts)


def _counts(layer: SurveyedLayer, result: LayerResult | None) -> pa.Table:
    zeros = np.zeros(layer.channels, np.int64)
    columns = {
        "layer": [layer.name] * layer.channels,
        "channel": np.arange(layer.channels, dtype=np.int32),
        "active": zeros if result is None else result.active,
        "zeros": zeros if result is None else result.zeros,
        "positions": zeros if result is None else np.full(layer.channels, result.positions, np.int64),
    }
    return pa.table(columns, schema=COUNTS)


def _pictures(result: ShardResult, classes: tuple[str, ...] | None, several: bool) -> pa.Table:
    rows: list[dict[str, Any]] = [
        {
            "picture": picture.number,
            "name": picture.name,
            "path": picture.path and str(picture.path),
            "label": picture.label,
            "label_name": None if picture.label is None else classes[picture.label] if classes else str(picture.label),
            "reason": picture.reason,
            "sha256": picture.sha256,
        }
        for picture in result.pictures
    ]
    if not several:
        return pa.Table.from_pylist(rows, schema=PICTURES)
    for row, picture in zip(rows, result.pictures, strict=True):
        row["labels"] = picture.labels
        row["label_name"] = None if picture.labels is None else _names(picture.labels, classes)
    return pa.Table.from_pylist(rows, schema=PICTURES.append(pa.field("labels", pa.list_(pa.int32()))))


def _names(labels: tuple[int, ...], classes: tuple[str, ...] | None) -> str:
    return "|".join(classes[label] if classes else str(label) for label in labels)


def _predictions(result: ShardResult) -> pa.Table:
    predicted = result.predicted
    classes = np.zeros((0, TOP), np.int32) if predicted is None else predicted.classes
    shares = np.zeros((0, TOP), np.float32) if predicted is None else predicted.probabilities
    columns: dict[str, Any] = {
        "picture": result.good,
        "predicted": classes[:, 0],
        "probability": shares[:, 0],
        "top_classes": pa.array(list(classes), pa.list_(pa.int32())),
        "top_probabilities": pa.array(list(shares), pa.list_(pa.float32())),
    }
    return pa.table(columns)


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


def values_of(column: pa.ChunkedArray) -> NDArray[Any]:
    """A column of numbers, none missing. Arrow's own `to_numpy` imports pandas, which takes longer than the rest."""
    return np.from_dlpack(column.combine_chunks())


def labels_in(table: pa.Table) -> NDArray[np.int64]:
    """The labels of a table of pictures, -1 where there is none."""
    batches = table.select(["label"]).combine_chunks().to_batches()
    found = [batch.to_tensor(null_to_nan=True).to_numpy()[:, 0] for batch in batches]
    labels: NDArray[np.int64] = np.nan_to_num(np.concatenate(found or [np.zeros(0)]), nan=-1).astype(np.int64)
    return labels


def label_sets_in(table: pa.Table, classes: int | None = None) -> LabelSets | None:
    """Which classes each picture of a table has, of so many or of all that are there; None where each has one."""
    if "labels" not in table.column_names:
        return None
    given = table["labels"].to_pylist()
    known = np.array([labels is not None for labels in given], bool)
    count = 1 + max((label for labels in given for label in labels or ()), default=-1) if classes is None else classes
    members = np.zeros((len(given), count), bool)
    for row, labels in enumerate(given):
        members[row, labels or []] = True
    return LabelSets(members, known)


def _encoded(schema: pa.Schema) -> dict[str, Any]:
    """How a table is written: only of words is a dictionary smaller and quicker."""
    words = [field.name for field in schema if pa.types.is_string(field.type)]
    return {"compression": "zstd", "use_dictionary": words}


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
        only: NDArray[Any] = batch.to_tensor(row_major=False).to_numpy().T
        return only
    columns = np.empty((batch.num_columns, batch.num_rows), np.float32)
    for kind in set(kinds):
        alike = [at for at, other in enumerate(kinds) if other == kind]
        columns[alike] = batch.select(alike).to_tensor(row_major=False).to_numpy().T
    return columns


@contextmanager
def reading(path: Path) -> Iterator[pq.ParquetFile]:
    """A file of a survey; `SurveyError` where it is gone or damaged."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield file
    except (OSError, pa.ArrowException, KeyError) as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise SurveyError(f"{path} {what}: the survey is damaged. {AGAIN}") from error
