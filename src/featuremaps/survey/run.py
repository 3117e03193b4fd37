"""Making a survey: one streaming pass over a dataset, shard by shard, that goes on where it was stopped."""

import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from featuremaps.errors import FeatureMapsWarning, SurveyError
from featuremaps.models.studied_model import StudiedModel
from featuremaps.outputs.found_regions import ELSEWHERE
from featuremaps.progress import meter
from featuremaps.session import preserved
from featuremaps.survey.datasets import examples_of
from featuremaps.survey.datasets.items import Items, named_by_model, with_axes
from featuremaps.survey.doubts import tell_of_doubts
from featuremaps.survey.engine.compute_shard import compute_shard
from featuremaps.survey.engine.loader import stream
from featuremaps.survey.engine.options import SurveyOptions
from featuremaps.survey.engine.plan import Job, prepared
from featuremaps.survey.storage.atomic_files import alone_in
from featuremaps.survey.storage.final_tables import finish
from featuremaps.survey.storage.shard_files import BestSoFar, admit_shard, write_shard
from featuremaps.survey.survey import Survey, open_survey


def run_survey(
    studied: StudiedModel,
    dataset: Any,
    layers: str | Sequence[str],
    out: str | Path,
    options: SurveyOptions,
    *,
    image: str | None = None,
    label: str | Sequence[str] | None = None,
    labels: Sequence[str] | None = None,
) -> Survey:
    """Survey `layers` over a dataset into the folder `out`; called again after a stop, it goes on.

    `labels` names the dataset's labels in order; `image` and `label` name columns. Raises `SurveyError` where `out`
    holds another survey, or any and not `options.resume`, or is being written by another process.
    """
    run = engine_named(options.engine)
    several = options.multi_label
    examples = examples_of(dataset, image=image, label=label, classes=labels, several=several)
    form = studied.preprocessing.form
    examples = named_by_model(examples, studied.classes)
    examples = with_axes(examples, form.axes)
    if isinstance(examples, Items) and form.bands is not None:
        examples = replace(examples, prepare=studied.preprocessing.with_bands)
    with alone_in(Path(out)):
        job = prepared(studied, examples, layers, Path(out), options)
        new = not job.store.manifest.complete
        if new:
            complete(job, run(job))
    survey = replace(open_survey(out, dataset=examples), studied=studied)  # `prepared` saw that it is of this model
    if new:
        tell_of_doubts(survey, examples.classes is None, job.outputs)
    return survey


def engine_named(name: str) -> Callable[[Job], BestSoFar]:
    """What writes the missing shards of a job, "local" in this process or on "ray", and gives what then stands."""
    if name == "ray":
        from featuremaps.survey.engine.ray import needed, run_on_ray

        needed()
        return run_on_ray
    return run_here


def run_here(job: Job) -> BestSoFar:
    """The local engine: the missing shards one after the other in this process, pictures read ahead across them.

    Each is written while the next is computed. What a shard adds to the best pictures depends on the shards before it
    alone, so that one made again is the same.
    """
    store, best_so_far = job.store, BestSoFar(job.store.manifest.keep)
    missing = store.manifest.missing()
    numbers = [number for shard in missing for number in store.manifest.numbers(shard)]
    done = store.manifest.pictures - len(numbers)
    with (
        preserved(job.model, job.plan.layout) as session,
        meter(store.manifest.pictures, "surveying pictures", done) as advance,
        closing(stream(job.examples, job.preprocessing, numbers, job.workers)) as loaded,
        ThreadPoolExecutor(1, "writing") as writer,
    ):
        before: Future[None] = writer.submit(lambda: None)
        for shard in range(store.manifest.count):
            if shard in missing:
                pictures = map(advance, islice(loaded, len(store.manifest.numbers(shard))))
                write = partial(write_shard, store, compute_shard(session, job.plan, shard, pictures), best_so_far)
            else:
                write = partial(admit_shard, store, best_so_far, shard)
            before.result()  # where it failed, nothing is written after it
            before = writer.submit(write)
        before.result()
    return best_so_far


def complete(job: Job, best_so_far: BestSoFar) -> None:
    """The final tables of a survey whose shards are all there; `SurveyError` where no picture could be read."""
    manifest = job.store.manifest
    if not any(shard.rows for shard in manifest.shards):
        raise SurveyError(f"none of the {manifest.pictures} pictures could be surveyed; partial/pictures says why.")
    finish(job.store, best_so_far)
    manifest = job.store.manifest
    if manifest.each == "box" and not {*manifest.region_labels} - {ELSEWHERE}:
        warnings.warn(
            f"nothing was found in any picture with a score of {manifest.threshold:g} or more, so all of them counts "
            "as elsewhere. scope.predict(pictures) shows the surest thing in each; give a lower threshold=, and "
            "another out= or resume=False (--fresh).",
            FeatureMapsWarning,
            stacklevel=4,
        )
