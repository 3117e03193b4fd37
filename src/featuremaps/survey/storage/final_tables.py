"""The final tables, from the shards on disk: a block of channels at a time, so that memory does not grow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from featuremaps.survey.storage.atomic_files import Store, Write
from featuremaps.survey.storage.integrity import AT_ONCE
from featuremaps.survey.storage.manifest import SurveyedLayer, WrittenFile
from featuremaps.survey.storage.parquet_tables import parquet, reading, values_of, writing
from featuremaps.survey.storage.pooled import (
    QUANTILES,
    RANKINGS,
    Best,
    ClassSums,
    class_sums,
    rows_and_columns,
    summary,
)
from featuremaps.survey.storage.region_tables import class_numbers, found_labels, labelled
from featuremaps.survey.storage.shard_files import BestSoFar, Ranking, part_file
from featuremaps.survey.storage.stored_rows import label_sets_in, labels_in
from featuremaps.survey.storage.vector_files import read_vectors

BLOCK = 2**24  # values of one pool held at a time
ROWS = 2**15  # of a row group, small enough that one unit is found without reading much
MEASURES = ("mean", "std", "min", "max", *(f"q{round(share * 100):02d}" for share in QUANTILES))
CHANNELS = pa.schema(
    [
        ("layer", pa.string()),
        ("channel", pa.int32()),
        ("active", pa.float64()),
        ("sparsity", pa.float64()),
        *((name, pa.float64()) for name in MEASURES),
        *((f"peak_{name}", pa.float64()) for name in MEASURES),
    ]
)
TOP_TABLE = pa.schema(
    [
        ("layer", pa.string()),
        ("by", pa.string()),
        ("end", pa.string()),
        ("channel", pa.int32()),
        ("rank", pa.int32()),
        ("value", pa.float32()),
        ("picture", pa.int64()),
        ("y", pa.int32()),
        ("x", pa.int32()),
    ]
)
CLASSES = pa.schema(
    [
        ("layer", pa.string()),
        ("channel", pa.int32()),
        ("label", pa.int32()),
        ("count", pa.int64()),
        ("sum", pa.float64()),
        ("sum_of_squares", pa.float64()),
        ("max", pa.float32()),
    ]
)


@dataclass(frozen=True, eq=False)
class _Labels:
    """Each label of a counted picture or region, with its row among those that count; and how many classes there are.

    A row has several labels, one or none.
    """

    rows: NDArray[np.int64]
    labels: NDArray[np.int64]
    classes: int


def finish(store: Store, best_so_far: BestSoFar) -> None:
    """Write the tables of a survey whose shards are all on disk, and mark it complete."""
    shards = [shard.number for shard in store.manifest.shards]
    classes, labels = _of_pictures(store, shards)
    facts: dict[str, Any] = {"classes": classes}
    files: dict[str, Write] = {}
    if store.manifest.each != "picture":
        tables = [_part(store, "regions", number) for number in shards]
        regions, labels = _of_regions(tables)
        counts = np.bincount(labels.labels, minlength=len(regions))
        facts |= {"region_labels": regions, "region_counts": tuple(counts.tolist())}
        manifest = replace(store.manifest, region_labels=regions)
        files["regions.parquet"] = parquet(*(partial(labelled, table, manifest) for table in tables), rows=ROWS)
    by_class: dict[str, WrittenFile] = {}
    files |= {
        "pictures.parquet": parquet(*(partial(_pictures, store, number) for number in shards), rows=ROWS),
        "top.parquet": parquet(*_tops(store, best_so_far), rows=ROWS),
        "channels.parquet": partial(_write_channels_and_classes, store, labels, by_class),
    }
    written = store.write_all(files)
    store.finish(tables=written | by_class, **facts)


def _of_pictures(store: Store, shards: Sequence[int]) -> tuple[tuple[str, ...] | None, _Labels]:
    """The names of the pictures' classes, which are numbers where there are labels without names; and their labels."""
    of_shards = [_labelled(_pictures(store, number)) for number in shards]
    before = np.cumsum([0, *(count for _, _, count in of_shards)])
    rows = np.concatenate([start + rows for start, (rows, _, _) in zip(before.tolist(), of_shards, strict=False)])
    labels = np.concatenate([labels for _, labels, _ in of_shards])
    known = int(labels.max(initial=-1)) + 1
    classes = store.manifest.classes
    if classes is None and known:
        classes = tuple(map(str, range(known)))
    return classes, _Labels(rows, labels, len(classes or ()))


def _of_regions(tables: Sequence[pa.Table]) -> tuple[tuple[int, ...], _Labels]:
    """The model's numbers of the classes that regions are of, and the one label of each region."""
    classes = found_labels(tables)
    labels = np.concatenate([class_numbers(table, classes) for table in tables])
    return classes, _Labels(np.arange(len(labels)), labels, len(classes))


def _tops(store: Store, best_so_far: BestSoFar) -> list[Callable[[], pa.Table]]:
    """What makes the parts of the table of strongest and weakest pictures."""
    return [
        partial(_top, layer.name, ranking, best_so_far.best[layer.name, ranking], store.manifest.key)
        for layer in store.manifest.layers
        for ranking in RANKINGS
    ]


def _write_channels_and_classes(
    store: Store, labels: _Labels, by_class: dict[str, WrittenFile], channels: BinaryIO
) -> None:
    """Write the table of channels, and that of classes beside it: what is read of the vectors once serves both.

    What was written of the second is put into `by_class`.
    """

    def write_classes(classes: BinaryIO) -> None:
        with writing(channels, CHANNELS) as channel_rows, writing(classes, CLASSES) as class_rows:
            for of_channels, of_classes in _of_vectors(store, labels):
                channel_rows.write_table(of_channels, row_group_size=ROWS)
                class_rows.write_table(of_classes, row_group_size=ROWS)

    by_class["classes.parquet"] = store.write("classes.parquet", write_classes)


def _pictures(store: Store, shard: int) -> pa.Table:
    return _part(store, "pictures", shard)


def _part(store: Store, part: str, shard: int) -> pa.Table:
    with reading(store.folder / part_file(part, shard)) as file:
        return file.read()


def _labelled(table: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Every label with the row of the good picture that has it, and how many of these there are."""
    good = table.filter(pc.is_null(table["reason"]))
    sets = label_sets_in(good)
    if sets is not None:
        return *sets.pairs, len(good)
    labels = labels_in(good)
    rows = np.flatnonzero(labels >= 0)
    return rows, labels[rows], len(good)


def _top(layer: str, ranking: Ranking, best: Best, key: str) -> pa.Table:
    channels, ranks = best.values.shape
    y, x = rows_and_columns(best.places.flatten().numpy())
    columns: dict[str, Any] = {
        "layer": pa.repeat(layer, channels * ranks),
        "by": pa.repeat(ranking[0], channels * ranks),
        "end": pa.repeat(ranking[1], channels * ranks),
        "channel": np.repeat(np.arange(channels, dtype=np.int32), ranks),
        "rank": np.tile(np.arange(ranks, dtype=np.int32), channels),
        "value": best.values.flatten().numpy(),
        "picture": best.pictures.flatten().numpy(),
        "y": y,
        "x": x,
    }
    return pa.table(columns, schema=TOP_TABLE).rename_columns(
        [key if name == "picture" else name for name in TOP_TABLE.names]
    )


def blocks(store: Store, layer: SurveyedLayer, width: int) -> Iterator[tuple[range, dict[str, NDArray[np.float32]]]]:
    """The layer's vectors over all pictures, some channels at a time, (channel, picture) for each pool."""
    pools, shards = store.manifest.pools, [shard.number for shard in store.manifest.shards]
    with ThreadPoolExecutor(AT_ONCE, "reading") as threads:
        for start in range(0, layer.channels, width):
            channels = range(start, min(start + width, layer.channels))
            read = {
                pool: threads.map(partial(read_vectors, store.folder, layer, pool, channels=channels), shards)
                for pool in pools
            }
            yield channels, {pool: np.concatenate(list(parts), axis=1) for pool, parts in read.items()}


def _of_vectors(store: Store, labels: _Labels) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The rows of some channels at a time, of the table of channels and of that of classes."""
    good = sum(shard.rows for shard in store.manifest.shards)
    for at, layer in enumerate(store.manifest.layers):
        counts = _counts(store, at)
        for channels, pools in blocks(store, layer, max(1, BLOCK // max(1, good, labels.classes))):
            of_classes = CLASSES.empty_table()
            if labels.classes:
                sums = class_sums(labels.rows, labels.labels, pools["mean"], pools["max"], labels.classes)
                of_classes = _class_rows(layer, channels, sums)
            yield _channel_rows(layer, channels, good, counts, pools), of_classes


def _channel_rows(
    layer: SurveyedLayer,
    channels: range,
    good: int,
    counts: Sequence[NDArray[np.int64]],
    pools: Mapping[str, NDArray[np.float32]],
) -> pa.Table:
    active, zeros, positions = (count[channels.start : channels.stop] for count in counts)
    columns: dict[str, Any] = {
        "layer": pa.repeat(layer.name, len(channels)),
        "channel": np.array(channels, np.int32),
        "active": active / good,
        "sparsity": zeros / positions,
        **summary(pools["mean"]),
        **{f"peak_{name}": values for name, values in summary(pools["max"]).items()},
    }
    return pa.table(columns, schema=CHANNELS)


def _counts(store: Store, at: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Active pictures, positions that are 0 and all positions of each channel of the layer number `at`."""
    parts = []
    for shard in store.manifest.shards:
        with reading(store.folder / part_file("counts", shard.number)) as file:
            table = file.read_row_group(at)
        parts.append([values_of(table[name]) for name in ("active", "zeros", "positions")])
    active, zeros, positions = np.sum(parts, axis=0)
    return active, zeros, positions


def _class_rows(layer: SurveyedLayer, channels: range, sums: ClassSums) -> pa.Table:
    classes, width = sums.sums.shape
    highest = sums.highest.T.flatten()
    columns: dict[str, Any] = {
        "layer": pa.repeat(layer.name, classes * width),
        "channel": np.repeat(np.array(channels, np.int32), classes),
        "label": np.tile(np.arange(classes, dtype=np.int32), width),
        "count": np.tile(sums.counts.astype(np.int64), width),
        "sum": sums.sums.T.flatten(),
        "sum_of_squares": sums.squares.T.flatten(),
        "max": pa.array(highest, mask=np.isinf(highest)),
    }
    return pa.table(columns, schema=CLASSES)
