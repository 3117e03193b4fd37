"""Running a trial: chunk by chunk, all methods and measures on the same passes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from featuremaps.evidence.chunks import Chunk, Measurement, gathered
from featuremaps.evidence.examination import Examination
from featuremaps.evidence.masks import masks_of
from featuremaps.evidence.options import TrialOptions
from featuremaps.evidence.registry import MEASURES
from featuremaps.evidence.storage import TrialFolder, described, digest_of
from featuremaps.evidence.trial import Trial
from featuremaps.explain.compare import compare
from featuremaps.explain.comparison import Comparison
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.request import MethodLike, Request, request_for
from featuremaps.pictures.seen import Seen
from featuremaps.runtime.batches import batches
from featuremaps.runtime.studied_model import StudiedModel
from featuremaps.survey.storage.fingerprint import model_digest, preprocessing_digest

SHOWN = 4
"""Of so many pictures the maps are kept, to be shown."""


def run_trial(
    studied: StudiedModel,
    pictures: Sequence[Seen],
    methods: MethodLike | Sequence[MethodLike],
    layers: str | Sequence[str],
    target: object,
    masks: object,
    options: TrialOptions,
    out: Path | None = None,
) -> Trial:
    """Every method on every layer by every measure on every picture; see `Scope.trial`."""
    how = ExplainOptions(seed=options.seed, batch_size=options.batch_size, of_methods=options.of_methods)
    request = request_for(studied, pictures[0].input[None], methods, layers, [target], how, keep_failures=True)
    measures = options.named(masks is not None)
    objects = None if masks is None else masks_of(masks, pictures)
    manifest = _manifest(pictures, request, measures, options)
    folder = None if out is None else TrialFolder(out)
    if folder is not None:
        reading = [studied.outputs, list(studied.classes or ()), repr(studied.layout)]
        digests = model_digest(studied.model), preprocessing_digest(studied.preprocessing)
        folder.begin(manifest | {"model": digests[0], "preprocessing": digests[1], "reading": reading})
    chunks: list[Chunk] = []
    shown: Comparison | None = None
    with studied.session() as session:
        for batch in batches(pictures, options.batch_size, "trying explanations"):
            inside = None if objects is None else torch.stack([objects[row] for row in batch.rows])
            seen = digest_of(batch.inputs, inside)
            done = None if folder is None else folder.chunk(batch.rows, seen)
            if done is None and options.budget is not None and _with(chunks, len(batch.rows)) > options.budget:
                continue
            with batch:
                if done is None or shown is None:
                    asked = request.of(batch.rows, len(pictures))
                    comparison = compare(studied.model, [pictures[row] for row in batch.rows], asked)
                    shown = shown or comparison
                if done is None:
                    examination = Examination(session, batch.inputs, batch.rows, asked, comparison, options, inside)
                    made = [name for name in measures if 0 in batch.rows or MEASURES[name].family != "sanity"]
                    done = _chunk(examination, comparison, batch.rows, made, seen)
                    if folder is not None:
                        folder.write(done)
                chunks.append(done)
    return _trial(chunks, manifest, shown)


def open_trial(path: str | Path) -> Trial:
    """A trial that was made with `out=`, or saved; without maps to show. Raises `OptionError`."""
    folder = TrialFolder(Path(path))
    return _trial(list(folder.chunks()), folder.manifest(), None)


def _trial(chunks: Sequence[Chunk], manifest: Mapping[str, Any], shown: Comparison | None) -> Trial:
    parts = gathered(chunks, manifest["measures"], manifest["pictures"])
    if shown is not None:
        shown = replace(shown, heatmaps={key: heat[:SHOWN] for key, heat in shown.items()})
    return Trial(
        **parts,
        weights=manifest["weights"],
        seed=manifest["seed"],
        chunks=tuple(chunks),
        manifest=manifest,
        comparison=shown,
    )


def _with(chunks: Sequence[Chunk], pictures: int) -> float:
    """How many passes there will be after as many more pictures, by what those before took."""
    passes, done = sum(chunk.passes for chunk in chunks), sum(len(chunk.rows) for chunk in chunks)
    return passes * (1 + pictures / done) if done else 0.0


def _chunk(
    examination: Examination, comparison: Comparison, rows: Sequence[int], measures: Sequence[str], seen: str
) -> Chunk:
    measurements = tuple(
        Measurement(key, name, row, value, reason)
        for key, name, measured in examination.measurements(measures)
        for row, value, reason in zip(rows, measured.values.tolist(), measured.undefined, strict=True)
    )
    curves = {key: probabilities.float().numpy() for key, probabilities in examination.curves.items()}
    warnings = [notes for heat in comparison.values() for notes in heat.warnings] or [()]
    doubts = tuple(doubt for doubt in warnings[0] if all(doubt in notes for notes in warnings))
    return Chunk(tuple(rows), measurements, curves, examination.passes, seen, doubts)


def _manifest(
    pictures: Sequence[Seen], request: Request, measures: Sequence[str], options: TrialOptions
) -> dict[str, Any]:
    """What is tried, and how: what must not change between two runs of one trial."""
    counted = [name for name in measures if MEASURES[name].family == "faithfulness"] or measures
    weights = options.weights or dict.fromkeys(counted, 1)
    return {
        "methods": [method.name for method in request.methods],
        "layers": list(request.layers),
        "target": [described(target) for target in request.targets.values()],
        "measures": list(measures),
        "weights": {name: float(weights.get(name, 0)) for name in measures},
        "seed": options.seed,
        "options": {
            name: {option: repr(value) for option, value in of.items()} for name, of in options.of_names.items()
        },
        "pictures": [seen.picture.name for seen in pictures],
    }
