"""A shard's result as files: its vectors, its predictions, and the parts that the final tables are made from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from featuremaps.survey.storage.atomic_files import Store, Write
from featuremaps.survey.storage.manifest import FinishedShard, SurveyedLayer
from featuremaps.survey.storage.parquet_tables import parquet, reading, values_of
from featuremaps.survey.storage.pooled import RANKINGS, Best, End, Pooling, merged
from featuremaps.survey.storage.region_tables import shard_rows
from featuremaps.survey.storage.shard_result import MOST_REGIONS, TOP, LayerResult, ShardResult
from featuremaps.survey.storage.vector_files import vectors_file, vectors_table

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


def part_file(part: str, shard: int) -> str:
    """Where one shard's part of a final table lies."""
    return f"partial/{part}/{shard:05d}.parquet"


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
