"""A shard's result as files: vectors by layer, predictions, and the parts that the final tables are made from."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from featuremaps.errors import SurveyError
from featuremaps.survey.computing import TOP, LayerResult, ShardResult
from featuremaps.survey.manifest import FinishedShard, SurveyedLayer
from featuremaps.survey.statistics import RANKINGS, Best, By, End, merged
from featuremaps.survey.store import Store

HALF_MOST = float(np.finfo(np.float16).max)
PICTURES = pa.schema(
    [
        ("picture", pa.int64()),
        ("name", pa.string()),
        ("path", pa.string()),
        ("label", pa.int32()),
        ("label_name", pa.string()),
        ("reason", pa.string()),
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
        ("positive", pa.int64()),
        ("positions", pa.int64()),
    ]
)

Ranking = tuple[By, End]


@dataclass
class Standing:
    """The best candidates of all shards so far: only those of a new shard that come in among them are kept."""

    keep: int
    best: dict[tuple[str, Ranking], Best] = field(default_factory=dict)

    def admit(self, layer: str, ranking: Ranking, candidates: Best) -> Best:
        """All that now stand, the new ones among them."""
        known = self.best.get((layer, ranking))
        standing = candidates if known is None else merged(known, candidates, self.keep, ranking[1])
        self.best[layer, ranking] = standing
        return standing


def write_shard(store: Store, result: ShardResult, standing: Standing) -> None:
    """Put everything of a shard on disk, and then into the manifest."""
    number, files = result.number, {}
    good = result.good
    for layer in store.manifest.layers:
        own = result.layers.get(layer.name)
        for pool in store.manifest.pools:
            values = np.zeros((0, layer.channels), np.float32) if own is None else getattr(own, pool)
            name = vectors_file(layer, pool, number)
            files[name] = store.write(name, parquet(vectors_table(good, values), plain=True))
    if store.manifest.predictions:
        name = f"predictions/{number:05d}.parquet"
        files[name] = store.write(name, parquet(_predictions(result)))
    numbers = store.manifest.numbers(number)
    parts = {
        "pictures": [_pictures(result, store.manifest.classes)],
        "counts": [_counts(layer, result.layers.get(layer.name)) for layer in store.manifest.layers],
        "top": [_candidates(layer, result, standing, numbers) for layer in store.manifest.layers],
    }
    for part, tables in parts.items():
        name = part_file(part, number)
        files[name] = store.write(name, parquet(*tables))
    store.finish_shard(FinishedShard(number, len(good), len(result.pictures) - len(good), files))


def vectors_file(layer: SurveyedLayer, pool: str, shard: int) -> str:
    """Where the vectors of a layer in one shard lie."""
    return f"vectors/{layer.folder}/{pool}/{shard:05d}.parquet"


def part_file(part: str, shard: int) -> str:
    """Where one shard's part of a final table lies."""
    return f"partial/{part}/{shard:05d}.parquet"


def vectors_table(numbers: NDArray[np.int64], values: NDArray[np.float32]) -> pa.Table:
    """A column per channel in half precision; in full where half would overflow."""
    fits = not values.size or float(np.abs(values).max()) <= HALF_MOST
    columns = np.ascontiguousarray(values.T, dtype=np.float16 if fits else np.float32)
    names = ["picture", *map(str, range(len(columns)))]
    return pa.Table.from_arrays([pa.array(numbers), *map(pa.array, columns)], names)


def rebuilt(store: Store) -> Standing:
    """The candidates that stand after all shards on disk."""
    standing = Standing(store.manifest.keep)
    for shard in store.manifest.shards:
        admit_shard(store, standing, shard.number)
    return standing


def admit_shard(store: Store, standing: Standing, number: int) -> None:
    """Let the candidates of a shard on disk stand with the others."""
    with reading(store.folder / part_file("top", number)) as file:
        for group, layer in enumerate(store.manifest.layers):
            _admit_rows(standing, layer, file.read_row_group(group))


def _admit_rows(standing: Standing, layer: SurveyedLayer, rows: pa.Table) -> None:
    """Rows as written, which may be more for one channel than for another."""
    columns = {name: torch.from_numpy(rows[name].to_numpy().copy()) for name in CANDIDATES.names}
    for at, ranking in enumerate(RANKINGS):
        own = {name: column[columns["by"] == at] for name, column in columns.items()}
        if len(own["by"]):
            standing.admit(layer.name, ranking, _squared(own, layer.channels, ranking[1]))


def _squared(rows: Mapping[str, torch.Tensor], channels: int, end: End) -> Best:
    """Candidates of every channel in as many columns as the longest needs; the worst there is fills the rest."""
    counts = torch.bincount(rows["channel"], minlength=channels)
    width = int(counts.max())
    starts = counts.cumsum(0) - counts
    column = torch.arange(len(rows["channel"])) - starts[rows["channel"].long()]
    at = (rows["channel"].long(), column)
    worst = -torch.inf if end == "strongest" else torch.inf
    values = torch.full((channels, width), worst).index_put(at, rows["value"])
    pictures = torch.full((channels, width), -1, dtype=torch.long).index_put(at, rows["picture"])
    places = torch.zeros((channels, width), dtype=torch.int32).index_put(at, rows["place"])
    return Best(values, pictures, places)


def _candidates(layer: SurveyedLayer, result: ShardResult, standing: Standing, numbers: range) -> pa.Table:
    """This shard's candidates that came in among the best so far."""
    own = result.layers.get(layer.name)
    parts = [CANDIDATES.empty_table()]
    for at, ranking in enumerate(RANKINGS):
        if own is None:
            continue
        found = standing.admit(layer.name, ranking, own.best[ranking])
        fresh = (found.pictures >= numbers.start) & (found.pictures < numbers.stop)
        channel = fresh.nonzero()[:, 0].int().numpy()
        arrays = [np.full(len(channel), at, np.int8), channel]
        arrays += [tensor[fresh].numpy() for tensor in (found.values, found.pictures, found.places)]
        parts.append(pa.Table.from_arrays([pa.array(array) for array in arrays], schema=CANDIDATES))
    return pa.concat_tables(parts)


def _counts(layer: SurveyedLayer, own: LayerResult | None) -> pa.Table:
    zeros = np.zeros(layer.channels, np.int64)
    columns = {
        "layer": [layer.name] * layer.channels,
        "channel": np.arange(layer.channels, dtype=np.int32),
        "active": zeros if own is None else own.active,
        "positive": zeros if own is None else own.positive,
        "positions": zeros if own is None else np.full(layer.channels, own.positions, np.int64),
    }
    return pa.table(columns, schema=COUNTS)


def _pictures(result: ShardResult, classes: tuple[str, ...] | None) -> pa.Table:
    rows = result.pictures
    labels = [one.label for one in rows]
    names = [None if label is None else classes[label] if classes else str(label) for label in labels]
    columns = {
        "picture": [one.number for one in rows],
        "name": [one.name for one in rows],
        "path": [None if one.path is None else str(one.path) for one in rows],
        "label": labels,
        "label_name": names,
        "reason": [one.reason for one in rows],
    }
    return pa.table(columns, schema=PICTURES)


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


def parquet(*tables: pa.Table, plain: bool = False) -> Any:
    """A way to write tables as row groups; `plain` for columns of numbers that neither repeat nor compress."""
    options: dict[str, Any] = {"compression": "none", "use_dictionary": False, "write_statistics": False}
    options = options if plain else encoded(tables[0].schema)

    def write(stream: Any) -> None:
        with pq.ParquetWriter(stream, tables[0].schema, **options) as writer:
            for table in tables:
                writer.write_table(table, row_group_size=max(1, table.num_rows))

    return write


def labels_in(table: pa.Table) -> NDArray[np.int64]:
    """The labels of a table of pictures, -1 where there is none. Arrow's own way to fill them would import pandas."""
    found: NDArray[np.int64] = np.nan_to_num(table["label"].to_numpy(), nan=-1).astype(np.int64)
    return found


def encoded(schema: pa.Schema) -> dict[str, Any]:
    """How a table is written whose values repeat, all but its measured ones: a dictionary of those is for nothing."""
    repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
    return {"compression": "zstd", "use_dictionary": repeating}


def read_vectors(
    folder: Path, layer: SurveyedLayer, pool: str, shard: int, channels: Sequence[int] | None = None
) -> NDArray[np.float32]:
    """The vectors of one shard as (channel, picture), of all channels or some."""
    names = list(map(str, range(layer.channels) if channels is None else channels))
    with reading(folder / vectors_file(layer, pool, shard)) as file:
        table = file.read(columns=names)
    found = np.empty((len(names), table.num_rows), np.float32)
    for at, name in enumerate(names):
        found[at] = table[name].to_numpy()
    return found


@contextmanager
def reading(path: Path) -> Iterator[pq.ParquetFile]:
    """A file of a survey; `SurveyError` where it is gone or damaged."""
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            yield file
    except (OSError, pa.ArrowException, KeyError) as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
        raise SurveyError(
            f"{path} {what}: the survey is damaged. Delete what is left of it there and make the same survey again: "
            "only what is missing is computed."
        ) from error
