"""Running a trial: chunk by chunk, all methods and measures on the same passes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from featuremaps.errors import OptionError
from featuremaps.evidence.chunks import Chunk, Measurement, gathered
from featuremaps.evidence.examination import Examination
from featuremaps.evidence.manifest import digest_of, manifest_of
from featuremaps.evidence.masks import Mask, masks_of
from featuremaps.evidence.mosaics import mosaics_of
from featuremaps.evidence.options import TrialOptions
from featuremaps.evidence.random_labels import trained_on_random_labels
from featuremaps.evidence.registry import MEASURES
from featuremaps.evidence.storage import TrialFolder
from featuremaps.evidence.trial import Trial
from featuremaps.explain.compare import compare
from featuremaps.explain.comparison import Comparison
from featuremaps.explain.options import ExplainOptions
from featuremaps.explain.request import MethodLike, Request, request_for
from featuremaps.models.studied_model import StudiedModel
from featuremaps.pictures.seen import Seen
from featuremaps.progress import within
from featuremaps.running import Count, counting
from featuremaps.runtime.batches import batches, probe
from featuremaps.session import Session

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
    measures = options.named(masks is not None)
    objects = None if masks is None else masks_of(masks, pictures)
    shuffled = None
    if options.random_label_model is not None and options.needs("random_label_heatmap", masks is not None):
        shuffled = trained_on_random_labels(studied.model, options.random_label_model)
    with counting() as count, studied.session() as session:
        looked_at = probe(pictures, options.batch_size)
        request = request_for(studied, looked_at, methods, layers, [target], how, keep_failures=True)
        manifest = manifest_of(studied, pictures, request, measures, options, shuffled)
        folder = None if out is None else TrialFolder(out)
        if folder is not None:
            folder.begin(manifest)
        wanted = options.needs("mosaic", masks is not None)
        laid = mosaics_of(session, pictures, request, options.batch_size) if wanted else None
        examine = partial(Examination, session, mosaics=laid, random_label_model=shuffled)
        chunks, shown = _chunks(session, examine, pictures, request, measures, objects, options, folder, count)
    return _trial(chunks, manifest, shown, options.budget)


def _chunks(
    session: Session,
    examine: Callable[..., Examination],
    pictures: Sequence[Seen],
    request: Request,
    measures: Sequence[str],
    objects: Sequence[Mask] | None,
    options: TrialOptions,
    folder: TrialFolder | None,
    count: Count,
) -> tuple[list[Chunk], Comparison | None]:
    """What was made of the pictures, a chunk at a time, and the maps of the first ones."""
    chunks: list[Chunk] = []
    shown: Comparison | None = None
    counted = 0
    for batch in batches(pictures, options.batch_size, "trying explanations"):
        inside = None if objects is None else torch.stack([objects[row] for row in batch.rows])
        seen = digest_of(batch.inputs, inside)
        done = None if folder is None else folder.chunk(batch.rows, seen)
        if done is None and options.budget is not None and _with(chunks, len(batch.rows)) > options.budget:
            continue
        with batch:
            if done is None or shown is None:
                asked = request.of(batch.rows, pictures)
                comparison = compare(session.model, [pictures[row] for row in batch.rows], asked)
                shown = shown or comparison
            if done is None:
                examination = examine(batch.inputs, batch.rows, asked, comparison, options, inside)
                made = [name for name in measures if 0 in batch.rows or MEASURES[name].family != "sanity"]
                done = _chunk(examination, comparison, batch.rows, made, seen)
                done, counted = replace(done, passes=count.pictures - counted), count.pictures
                if folder is not None:
                    folder.write(done)
            chunks.append(done)
    return chunks, shown


def open_trial(path: str | Path) -> Trial:
    """A trial that was made with `out=`, or saved; without maps to show.

    Args:
        path: Its folder.

    Returns:
        The trial.

    Raises:
        OptionError: The folder holds no trial.
    """
    folder = TrialFolder(Path(path))
    manifest = folder.manifest()
    for name in manifest["measures"]:
        if name not in MEASURES:
            raise OptionError(
                f"the trial in {path} was measured by {name!r}, which is not registered here: import the module whose "
                "@fm.measure makes it, then open the trial."
            )
    return _trial(list(folder.chunks()), manifest)


def _trial(
    chunks: Sequence[Chunk], manifest: Mapping[str, Any], shown: Comparison | None = None, budget: int | None = None
) -> Trial:
    parts = gathered(chunks, manifest["measures"], manifest["pictures"])
    if shown is not None:
        shown = replace(shown, heatmaps={key: heat[:SHOWN] for key, heat in shown.items()})
    return Trial(
        **parts,
        weights=manifest["weights"],
        seed=manifest["seed"],
        budget=budget,
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
    measurements: list[Measurement] = []
    expected = len(measures) * examination.judged
    for number, (key, name, measured) in enumerate(examination.measurements(measures), 1):
        said = zip(rows, measured.values.tolist(), measured.undefined, strict=True)
        measurements += [Measurement(key, name, row, value, reason) for row, value, reason in said]
        within(number / expected)
    curves = {key: probabilities.float().numpy() for key, probabilities in examination.curves.items()}
    warnings = [notes for heat in comparison.values() for notes in heat.warnings] or [()]
    doubts = tuple(doubt for doubt in warnings[0] if all(doubt in notes for notes in warnings))
    return Chunk(tuple(rows), tuple(measurements), curves, 0, seen, doubts)
