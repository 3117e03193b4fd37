"""Making a survey: one streaming pass over a dataset, shard by shard, that goes on where it was stopped."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from featuremaps.anatomy import Anatomy
from featuremaps.errors import OptionError, SurveyError
from featuremaps.needs import Precision
from featuremaps.progress import meter
from featuremaps.state import preserved
from featuremaps.survey.computing import compute_shard
from featuremaps.survey.datasets import examples_of
from featuremaps.survey.finishing import finish
from featuremaps.survey.loading import stream
from featuremaps.survey.preparing import Job, Options, prepared
from featuremaps.survey.shards import Standing, admit_shard, write_shard
from featuremaps.survey.store import alone_in
from featuremaps.survey.survey import Survey, open_survey
from featuremaps.view import Preprocessing


def run_survey(
    anatomy: Anatomy,
    preprocessing: Preprocessing,
    dataset: Any,
    layers: str | Sequence[str] = "last",
    out: str | Path = "survey",
    *,
    classes: Sequence[str] | None = None,
    model_name: str = "",
    image: str | None = None,
    label: str | None = None,
    labels: Sequence[str] | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    precision: Precision = "float32",
    predictions: bool | None = None,
    shard: int | None = None,
    keep: int = 100,
    resume: bool = True,
    engine: str = "local",
) -> Survey:
    """Survey `layers` over a dataset into the folder `out`; called again after a stop, it goes on.

    `classes` names the model's outputs, `labels` the dataset's labels in order; `image` and `label` name columns.
    `predictions` None keeps the model's own answers where the deepest layer is its last map, so that they cost
    nothing. `keep` is how many strongest and weakest pictures of each channel are kept, `shard` how many pictures
    are computed between two writes. `engine` "ray" computes shards on a Ray cluster. Raises `SurveyError` where `out`
    holds another survey, or any and not `resume`, or is being written by another process.
    """
    run = engine_named(engine)
    options = Options(batch_size, workers, precision, predictions, shard, keep, resume)
    examples = examples_of(dataset, image=image, label=label, classes=labels)
    names = None if classes is None else tuple(classes)
    with alone_in(Path(out)):
        job = prepared(anatomy, preprocessing, examples, layers, Path(out), options, model_name, names)
        if not job.store.manifest.complete:
            complete(job, run(job))
    return open_survey(out, dataset=examples, anatomy=anatomy)


def engine_named(name: str) -> Callable[[Job], Standing]:
    """What writes the missing shards of a job, "local" in this process or on "ray", and gives what then stands."""
    if name == "ray":
        from featuremaps.survey.ray import needed, run_on_ray

        needed()
        return run_on_ray
    if name != "local":
        raise OptionError(f"engine is 'local' or 'ray'; got {name!r}.")
    return run_here


def run_here(job: Job) -> Standing:
    """The local engine: the missing shards one after the other in this process, pictures read ahead across them.

    Each is written while the next is computed. What a shard adds to the best pictures depends on the shards before it
    alone, so that one made again is the same.
    """
    store, standing = job.store, Standing(job.store.manifest.keep)
    missing = store.manifest.missing()
    numbers = [number for one in missing for number in store.manifest.numbers(one)]
    done = store.manifest.pictures - len(numbers)
    with (
        preserved(job.model) as session,
        meter(store.manifest.pictures, "surveying pictures", done) as advance,
        closing(stream(job.examples, job.preprocessing, numbers, job.workers)) as loaded,
        ThreadPoolExecutor(1, "writing") as writer,
    ):
        before: Future[None] = writer.submit(lambda: None)
        for shard in range(store.manifest.count):
            if shard in missing:
                own = map(advance, islice(loaded, len(store.manifest.numbers(shard))))
                write = partial(write_shard, store, compute_shard(session, job.plan, shard, own), standing)
            else:
                write = partial(admit_shard, store, standing, shard)
            before.result()  # where it failed, nothing is written after it
            before = writer.submit(write)
        before.result()
    return standing


def complete(job: Job, standing: Standing) -> None:
    """The final tables of a survey whose shards are all there; `SurveyError` where no picture could be read."""
    manifest = job.store.manifest
    if not any(shard.rows for shard in manifest.shards):
        raise SurveyError(f"none of the {manifest.pictures} pictures could be surveyed; partial/pictures says why.")
    finish(job.store, standing)
