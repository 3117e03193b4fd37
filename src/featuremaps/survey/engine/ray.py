"""The Ray engine: the same pass on a cluster, an actor per GPU or core. The only file that uses ray.

Ray Data hands shard numbers to the actors, brings their results here and replaces actors that die. Only this process
writes to the survey's folder, one shard after the other as they come.
"""

import io
import pickle
import platform
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import torch
from torch import nn

from featuremaps.errors import SurveyError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.progress import meter
from featuremaps.session import preserved
from featuremaps.survey.datasets.examples import Examples
from featuremaps.survey.engine.compute_shard import PassPlan, compute_shard
from featuremaps.survey.engine.loader import load_alone, stream
from featuremaps.survey.engine.plan import Job
from featuremaps.survey.storage.atomic_files import Store
from featuremaps.survey.storage.shard_files import BestSoFar, rebuilt, write_shard
from featuremaps.survey.storage.shard_result import LoadedPicture, ShardResult

DEATHS = 3  # actors that one shard may take with it; Ray itself would try for ever
MOST_READERS = 16
# There is a bar of the pictures already; and a shard may take a core longer than Ray waits, half an hour.
SETTINGS = {"enable_progress_bars": False, "execution_no_progress_timeout_s": -1}


def needed() -> Any:
    """The ray library; `SurveyError` where it is not installed."""
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise SurveyError(
            f"engine='ray' needs Ray Data, which cannot be imported here ({error}): pip install featuremaps[ray]. "
            "engine='local' needs nothing more."
        ) from error
    return ray


@dataclass(frozen=True)
class Actors:
    """How many actors there are, what each of them reserves, and how many workers read pictures for it."""

    count: int
    gpu: bool
    readers: int

    @property
    def reserved(self) -> dict[str, int]:
        """As Ray takes it."""
        return {"num_gpus": 1} if self.gpu else {"num_cpus": 1}


def actors_for(resources: Mapping[str, float], shards: int, workers: int | None) -> Actors:
    """An actor for each whole GPU of the cluster, else for each core, and none without a shard to compute.

    The cores are shared out among GPUs for reading, unless `workers` says how many; beside no GPU a core reads itself.
    """
    gpus, cores = int(resources.get("GPU", 0)), int(resources.get("CPU", 0))
    if not gpus and not cores:
        raise SurveyError(f"the Ray cluster offers neither a GPU nor a core; its resources are {dict(resources)}.")
    readers = min(MOST_READERS, max(1, cores // gpus)) if gpus else 0
    return Actors(min(gpus or cores, shards), bool(gpus), readers if workers is None else workers)


def run_on_ray(job: Job) -> BestSoFar:
    """Compute the missing shards on the cluster that ray knows, or on this machine, and write each as it arrives."""
    ray, manifest = needed(), job.store.manifest
    missing = manifest.missing()
    if not missing:
        return rebuilt(job.store)
    done = manifest.pictures - sum(len(manifest.numbers(shard)) for shard in missing)
    with _cluster(ray), meter(manifest.pictures, "surveying pictures", done) as advance:
        actors = actors_for(ray.cluster_resources(), len(missing), job.workers)
        with closing(_computed(ray, job, missing, actors)) as results:
            return write_all(job.store, results, advance)


def write_all(store: Store, results: Iterable[ShardResult], advance: Callable[[LoadedPicture], object]) -> BestSoFar:
    """Write shards in whatever order; `partial/top` depends on it, what stands in the end and the tables do not."""
    best_so_far = rebuilt(store)
    for result in results:
        write_shard(store, result, best_so_far)
        for picture in result.pictures:
            advance(picture)
    return best_so_far


@contextmanager
def _cluster(ray: Any) -> Iterator[None]:
    """The user's cluster, left as it was; where there is none one is started, and stopped afterwards."""
    started = not ray.is_initialized()
    if started:
        ray.init()
    context = ray.data.DataContext.get_current()
    before = {name: getattr(context, name) for name in SETTINGS if hasattr(context, name)}
    try:
        for name in before:
            setattr(context, name, SETTINGS[name])
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        if started:
            ray.shutdown()


def _computed(ray: Any, job: Job, missing: list[int], actors: Actors) -> Generator[ShardResult, None, None]:
    """The results of the missing shards as they are ready; few are held at once."""
    ranges = [(shard, job.store.manifest.numbers(shard)) for shard in missing]
    rows = [pa.table({"shard": [shard], "start": [numbers.start], "stop": [numbers.stop]}) for shard, numbers in ranges]
    # A shard is minutes of work: none waits behind another for one actor while the next is idle.
    pool = ray.data.ActorPoolStrategy(size=actors.count, max_tasks_in_flight_per_actor=1)
    # An actor that outlives the others, and counts how often each shard was begun. It needs no import of ours.
    begun = ray.remote(num_cpus=0)(Counter).remote()
    sent = Sent(ray.put(_parcel(ray, job)), begun, actors)
    dataset = ray.data.from_arrow(rows).map_batches(
        Worker, fn_constructor_args=(sent,), compute=pool, batch_size=1, batch_format="pyarrow", **actors.reserved
    )
    try:
        with closing(iter(dataset.iter_batches(batch_size=1, batch_format="pyarrow"))) as batches:
            for batch in batches:
                yield _unpacked(batch["result"][0].as_py())
    except ray.exceptions.RayError as error:
        raise SurveyError(
            f"Ray could not go on ({str(error).strip()}). What is finished is kept: make the same call again."
        ) from error


@dataclass(frozen=True, eq=False)
class Parcel:
    """What every actor needs a copy of. Picture number `readable` can be read where the survey was called."""

    model: nn.Module
    preprocessing: Preprocessing
    examples: Examples
    plan: PassPlan
    readable: int


@dataclass(frozen=True, eq=False)
class Sent:
    """What an actor begins with: references to the parcel and to the count of what was begun."""

    parcel: Any
    begun: Any
    actors: Actors


def _parcel(ray: Any, job: Job) -> bytes:
    """In bytes; by cloudpickle, which takes functions and classes of a notebook too."""
    numbers = range(len(job.examples))
    readable = next(at for at in numbers if load_alone(job.examples, job.preprocessing, at).input is not None)
    parcel, stream = Parcel(job.model, job.preprocessing, job.examples, job.plan, readable), io.BytesIO()
    try:
        torch.save(parcel, stream, pickle_module=ray.cloudpickle, pickle_protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise SurveyError(
            f"the model, transform or dataset cannot be sent to Ray's actors ({type(error).__name__}: {error}). "
            "Open files and connections when they are first used, or take engine='local'."
        ) from error
    return stream.getvalue()


def _opened(content: bytes) -> Parcel:
    """The parcel, everything in it on the CPU, because an actor may see other devices than its sender."""
    try:
        parcel: Parcel = torch.load(io.BytesIO(content), map_location="cpu", weights_only=False)
    except Exception as error:
        raise SurveyError(
            f"the model, transform or dataset cannot be unpacked on {platform.node()} ({type(error).__name__}: "
            f"{error}). Every machine of the cluster needs the modules that define them."
        ) from error
    return parcel


class Worker:
    """What lives in an actor: it unpacks the model once, then computes one shard a call.

    An error travels as a result does, because Ray would wrap one that is raised in its own.
    """

    def __init__(self, sent: Sent) -> None:
        self._sent = sent

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The pickled result, or the error, for the shard in the one row of `batch`."""
        ((shard, start, stop),) = zip(*(batch[name].to_pylist() for name in ("shard", "start", "stop")), strict=True)
        try:
            packed = pickle.dumps(self._compute(shard, range(start, stop)), pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            packed = _packed_error(error, f"in shard {shard}, on {platform.node()}:\n{traceback.format_exc()}")
        return pa.table({"result": pa.array([packed], pa.large_binary())})

    def _compute(self, shard: int, numbers: range) -> ShardResult:
        self._sent.begun.update.remote([shard])
        times = dict(needed().get(self._sent.begun.most_common.remote()))
        if times[shard] > DEATHS:
            raise SurveyError(
                f"{DEATHS} actors died while they computed shard {shard} (pictures {numbers.start} to "
                f"{numbers.stop - 1}). Ray's own messages say of what; often memory ran out. Finished shards are kept: "
                "make the same call again with a smaller batch_size, and it goes on from there."
            )
        parcel = self._parcel
        with (
            preserved(parcel.model, parcel.plan.layout) as session,
            closing(stream(parcel.examples, parcel.preprocessing, numbers, self._sent.actors.readers)) as loaded,
        ):
            return compute_shard(session, parcel.plan, shard, loaded)

    @cached_property
    def _parcel(self) -> Parcel:
        """Unpacked at the first shard rather than when the actor begins, so that errors travel in the same way."""
        if not self._sent.actors.gpu:
            torch.set_num_threads(1)  # of which there is an actor for every core
        parcel = _opened(needed().get(self._sent.parcel))
        known = load_alone(parcel.examples, parcel.preprocessing, parcel.readable)
        if known.input is None:
            raise SurveyError(
                f"{known.path or known.name} can be read where the survey was called, but not on {platform.node()}: "
                f"{known.reason} Every machine of the cluster must see the pictures at the same place."
            )
        if self._sent.actors.gpu and torch.cuda.is_available():
            parcel.model.cuda()
        return parcel


def _packed_error(error: Exception, where: str) -> bytes:
    """The error with a note of where it came from; its text alone where it cannot travel."""
    error.add_note(where)
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)
    except Exception:
        return pickle.dumps(SurveyError(f"{type(error).__name__}: {error}\n{where}"))
    return packed


def _unpacked(packed: bytes) -> ShardResult:
    result: ShardResult | Exception = pickle.loads(packed)
    if isinstance(result, Exception):
        raise result
    return result
