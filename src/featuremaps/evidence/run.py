"""Running a trial: chunk by chunk, all methods and measures on the same passes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from featuremaps.evidence.curves import Order
from featuremaps.evidence.examination import Examination
from featuremaps.evidence.explainer import Key
from featuremaps.evidence.fills import Fill
from featuremaps.evidence.masks import masks_of
from featuremaps.evidence.options import TrialOptions
from featuremaps.evidence.registry import MEASURES
from featuremaps.evidence.trial import Trial
from featuremaps.explain.compare import compare
from featuremaps.explain.comparison import Comparison
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.request import MethodLike, request_for
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches
from featuremaps.runtime.studied_model import StudiedModel

SHOWN = 4
"""Of so many pictures, of the first that run together, the maps are kept to be shown."""


@dataclass(frozen=True)
class Measurement:
    """What a measure says of one picture's explanation, or why it says nothing."""

    row: Key
    measure: str
    picture: int
    value: float
    undefined: str


@dataclass(frozen=True, eq=False)
class Chunk:
    """What came of one chunk of pictures, at the places `rows`."""

    rows: tuple[int, ...]
    measurements: tuple[Measurement, ...]
    curves: dict[tuple[Key, Order, Fill], Tensor]
    passes: int
    shown: Comparison | None = None


def run_trial(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    methods: MethodLike | Sequence[MethodLike],
    layers: str | Sequence[str],
    target: object,
    masks: object,
    options: TrialOptions,
) -> Trial:
    """Every method on every layer by every measure on every picture; see `Scope.trial`."""
    how = ExplainOptions(
        seed=options.seed, precision=options.precision, batch_size=options.batch_size, of_methods=options.of_methods
    )
    request = request_for(studied, pictures[0].input[None], methods, layers, [target], how, keep_failures=True)
    names = options.named(masks is not None)
    objects = None if masks is None else masks_of(masks, pictures)
    chunks: list[Chunk] = []
    with studied.session() as session:
        for batch in batches(pictures, options.batch_size, "trying explanations"):
            if options.budget is not None and chunks and _spent(chunks, len(batch.rows)) > options.budget:
                continue
            with batch:
                inside = None if objects is None else torch.stack([objects[row] for row in batch.rows])
                asked = request.of(batch.rows, len(pictures))
                comparison = compare(studied.model, [pictures[row] for row in batch.rows], asked)
                examination = Examination(session, batch.inputs, batch.rows, asked, comparison, options, inside)
                chunks.append(_chunk(examination, comparison, batch.rows, names))
    return gathered(chunks, names, [seen.picture.name for seen in pictures], options)


def _spent(chunks: Sequence[Chunk], pictures: int) -> float:
    """How many passes there will be after as many more pictures, by what those before took."""
    passes, done = sum(chunk.passes for chunk in chunks), sum(len(chunk.rows) for chunk in chunks)
    return passes * (1 + pictures / done)


def _chunk(examination: Examination, comparison: Comparison, rows: Sequence[int], names: Sequence[str]) -> Chunk:
    measurements = [
        Measurement(key, name, row, value, reason)
        for key, name, measured in examination.measurements(names)
        for row, value, reason in zip(rows, measured.values.tolist(), measured.undefined, strict=True)
    ]
    shown = replace(comparison, heatmaps={key: heat[:SHOWN] for key, heat in comparison.items()})
    return Chunk(tuple(rows), tuple(measurements), examination.curves, examination.passes, shown)


def gathered(
    chunks: Sequence[Chunk],
    names: Sequence[str],
    pictures: Sequence[str],
    options: TrialOptions,
) -> Trial:
    """All chunks as one trial."""
    tried = sorted(row for chunk in chunks for row in chunk.rows)
    place = {row: number for number, row in enumerate(tried)}
    keys = tuple(dict.fromkeys(each.row for chunk in chunks for each in chunk.measurements))
    values = np.full((len(keys), len(names), len(tried)), np.nan)
    undefined: dict[tuple[Key, str], str] = {}
    for each in (each for chunk in chunks for each in chunk.measurements):
        values[keys.index(each.row), names.index(each.measure), place[each.picture]] = each.value
        if each.undefined:
            undefined.setdefault((each.row, each.measure), each.undefined)
    curves = {
        key: torch.cat([chunk.curves[key] for chunk in chunks if key in chunk.curves]).mean(0).numpy()
        for key in dict.fromkeys(key for chunk in chunks for key in chunk.curves)
    }
    return Trial(
        rows=keys,
        measures=tuple(names),
        values=values,
        undefined=undefined,
        pictures=tuple(pictures[row] for row in tried),
        weights=options.weights or usual_weights(names),
        curves=curves,
        passes=sum(chunk.passes for chunk in chunks),
        left_out=len(pictures) - len(tried),
        seed=options.seed,
        comparison=chunks[0].shown,
    )


def usual_weights(names: Sequence[str]) -> dict[str, float]:
    """All measures of faithfulness alike; the others are shown and do not count."""
    return {name: float(MEASURES[name].family == "faithfulness") for name in names}
