"""The table of regions that a survey counts: their rows of a shard, those of all, and the names of their classes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Int
from numpy.typing import NDArray

from featuremaps.options import Each
from featuremaps.outputs.found_regions import ELSEWHERE
from featuremaps.outputs.outputs import class_label
from featuremaps.survey.storage.manifest import Manifest
from featuremaps.survey.storage.shard_result import SurveyedRegion
from featuremaps.survey.storage.stored_rows import PictureTable

EDGES = ("left", "top", "right", "bottom")
REGIONS = pa.schema(
    [
        ("region", pa.int64()),
        ("picture", pa.int64()),
        ("index", pa.int32()),
        ("label", pa.int32()),
        ("label_name", pa.string()),
        ("model_label", pa.int32()),
        ("score", pa.float32()),
        ("share", pa.float64()),
        *((edge, pa.float64()) for edge in EDGES),
    ]
)
NAME_OF_REST = "elsewhere"


@dataclass(frozen=True, eq=False)
class RegionTable:
    """The regions that a survey counts, a row each, in order.

    `keys` are what other tables call them, `pictures` the dataset's numbers of their pictures, `index` their place in
    it. `scores` are NaN but for boxes. `boxes` (left, top, right, bottom) hold each, in pixels of the model's input,
    and `shares` are how much of the picture each covers.
    """

    keys: Int[np.ndarray, " region"]
    pictures: Int[np.ndarray, " region"]
    index: Int[np.ndarray, " region"]
    labels: Int[np.ndarray, " region"]
    scores: Float[np.ndarray, " region"]
    shares: Float[np.ndarray, " region"]
    boxes: Float[np.ndarray, "region 4"]

    def __len__(self) -> int:
        return len(self.keys)


def shard_rows(regions: Sequence[SurveyedRegion]) -> pa.Table:
    """The regions of a shard. Which of the survey's classes each is of is known only when all were found."""
    rows = [
        {
            "region": region.key,
            "picture": region.picture,
            "index": region.index,
            "model_label": None if region.found.label == ELSEWHERE else region.found.label,
            "score": region.found.score,
            "share": region.found.share,
            **dict(zip(EDGES, region.found.box, strict=True)),
        }
        for region in regions
    ]
    return pa.Table.from_pylist(rows, schema=REGIONS)


def found_labels(tables: Sequence[pa.Table]) -> tuple[int, ...]:
    """The model's numbers of the classes that were found, in order, and last −1 where anything lies elsewhere."""
    every = {label for table in tables for label in pc.unique(table["model_label"]).to_pylist()}
    known = tuple(sorted(label for label in every if label is not None))
    return (*known, ELSEWHERE) if None in every else known


def region_classes(manifest: Manifest) -> tuple[str, ...]:
    """The names of the classes that a survey counts regions of; one that others have too has its number with it.

    "elsewhere" is what lies in no region alone.
    """
    labels = manifest.region_labels
    names = [class_label(label, manifest.model_classes) if label != ELSEWHERE else NAME_OF_REST for label in labels]
    while twice := _shared(names, labels):
        names = [f"{name} ({label})" if label in twice else name for name, label in zip(names, labels, strict=True)]
    return tuple(names)


def _shared(names: Sequence[str], labels: Sequence[int]) -> set[int]:
    """The model's labels whose names others have too."""
    times = Counter([*names, NAME_OF_REST] if ELSEWHERE not in labels else names)
    return {label for name, label in zip(names, labels, strict=True) if label != ELSEWHERE and times[name] > 1}


def labelled(table: pa.Table, manifest: Manifest) -> pa.Table:
    """The rows of a shard with the number and name of the survey's class of each."""
    numbers = class_numbers(table, manifest.region_labels)
    names = region_classes(manifest)
    columns: dict[str, Any] = {
        "label": pa.array(numbers, pa.int32()),
        "label_name": [names[number] for number in numbers.tolist()],
    }
    return pa.table({name: columns.get(name, table[name]) for name in REGIONS.names}, schema=REGIONS)


def class_numbers(table: pa.Table, labels: Sequence[int]) -> NDArray[np.int64]:
    """The number of the survey's class of each row, whose classes are these labels of the model."""
    places = {label: place for place, label in enumerate(labels)}
    given = pc.fill_null(table["model_label"], ELSEWHERE).to_pylist()
    return np.array([places[label] for label in given], np.int64)


def regions_in(table: pa.Table) -> RegionTable:
    """The table of regions as arrays."""

    def column(name: str, kind: Any) -> Any:
        filled = pc.fill_null(table[name], float("nan")) if name == "score" else table[name]
        return np.array(filled.to_pylist(), kind)

    boxes = np.stack([column(edge, np.float64) for edge in EDGES], 1)
    keys, pictures, index, labels = (column(name, np.int64) for name in ("region", "picture", "index", "label"))
    scores, shares = (column(name, np.float64) for name in ("score", "share"))
    return RegionTable(keys, pictures, index, labels, scores, shares, boxes)


def shown_names(regions: RegionTable, files: Mapping[int, str], classes: Sequence[str], each: Each) -> Iterator[str]:
    """What each region is called: its picture's name, and the box's number in it, counted from 0, or its class."""
    columns = (regions.pictures.tolist(), regions.index.tolist(), regions.labels.tolist())
    for picture, index, label in zip(*columns, strict=True):
        name = classes[label]
        yield f"{files[picture]}, {name if each == 'region' or name == NAME_OF_REST else f'box {index}'}"


def regions_as_rows(pictures: PictureTable, regions: RegionTable, names: Sequence[str]) -> PictureTable:
    """A row for each region, called so, with what is known of its picture."""
    of = np.searchsorted(pictures.numbers, regions.pictures).tolist()
    return PictureTable(
        tuple(names),
        tuple(pictures.paths[row] for row in of),
        regions.labels,
        regions.pictures,
        tuple(pictures.sha256[row] for row in of),
        pictures.bad,
        tuple(pictures.files[row] for row in of),
        regions.keys,
    )
