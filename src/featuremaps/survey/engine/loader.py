"""Reading and preprocessing pictures ahead of the model: in order, by several workers, never more than a few batches.

Files are read by threads, which need no shared memory and nothing pickled. The code of a user's own dataset may not
bear threads, so its items are read in worker processes.
"""

import os
import random
import warnings
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from pickle import PicklingError
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from featuremaps.errors import FeatureMapsWarning, ImageError, OptionError, SurveyError
from featuremaps.pictures.preprocessing import Preprocessing
from featuremaps.session import random_state
from featuremaps.survey.datasets.examples import Examples, label_number, label_numbers
from featuremaps.survey.storage.shard_result import LoadedPicture

CHUNK = 8
AHEAD = 4  # chunks per worker, read before they are asked for


def load(examples: Examples, preprocessing: Preprocessing, number: int) -> LoadedPicture:
    """One example, read and preprocessed; never raises for the picture's sake."""
    known = examples[number]
    label = known.label
    shown = known.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if shown != known.name:  # the tables hold text alone
        return LoadedPicture(
            number, shown, None, label, None, "its name is not UTF-8, so no table can hold it; rename it."
        )
    sha256 = None
    try:
        sha256 = examples.sha256(number)
        picture = examples.read(number)
        label = label_number(picture.label, examples.classes)
        several = label_numbers(picture.labels, examples.classes)
        tensor = preprocessing(picture)
        if not bool(tensor.isfinite().all()):
            raise ImageError("the tensor holds NaN or infinite values.")
        return LoadedPicture(number, known.name, known.path, label, tensor, None, sha256, several)
    except ImageError as error:
        reason = str(error).removeprefix(f"{known.name}: ")
        return LoadedPicture(number, known.name, known.path, label, None, reason, sha256)


def load_alone(examples: Examples, preprocessing: Preprocessing, number: int) -> LoadedPicture:
    """As `load`, with this example's random numbers; the random state is afterwards as it was."""
    with random_state():
        _sow(number)
        return load(examples, preprocessing, number)


def default_workers() -> int:
    """As many as this process may use of the machine's cores, 16 at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(16, cores)


def stream(
    examples: Examples, preprocessing: Preprocessing, numbers: Sequence[int], workers: int | None
) -> Generator[LoadedPicture, None, None]:
    """The examples of these numbers, in this order; random transforms draw the same for a number each time.

    `workers` None is as many as there are cores, 0 reads in this thread.
    """
    if workers is not None and workers < 0:
        raise OptionError(f"workers is how many read pictures at once, 0 or more; got {workers}.")
    count = default_workers() if workers is None else workers
    if count == 0:
        return (load_alone(examples, preprocessing, number) for number in numbers)
    if preprocessing.random or not examples.threads:
        return _in_processes(examples, preprocessing, numbers, count)
    return _in_threads(examples, preprocessing, numbers, count)


def _in_threads(
    examples: Examples, preprocessing: Preprocessing, numbers: Sequence[int], workers: int
) -> Generator[LoadedPicture, None, None]:
    def chunk(part: Sequence[int]) -> list[LoadedPicture]:
        with torch.no_grad():
            return [load(examples, preprocessing, number) for number in part]

    chunks = (numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK))
    with _single_threaded_pool(workers) as pool:
        waiting = deque(pool.submit(chunk, part) for part in islice(chunks, workers * AHEAD))
        try:
            while waiting:
                done = waiting.popleft().result()
                waiting.extend(pool.submit(chunk, part) for part in islice(chunks, 1))
                yield from done
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _single_threaded_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads in which torch uses one core each; the setting is each thread's own, but new ones inherit the last."""
    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, "survey", initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)


def _in_processes(
    examples: Examples, preprocessing: Preprocessing, numbers: Sequence[int], workers: int
) -> Generator[LoadedPicture, None, None]:
    count = min(workers, -(-len(numbers) // CHUNK))
    read = partial(_read_together, examples, preprocessing)
    dataset: Any = numbers
    loader: DataLoader[Any] = DataLoader(
        dataset, batch_size=CHUNK, num_workers=count, prefetch_factor=AHEAD, collate_fn=read
    )
    try:
        chunks = iter(loader)
    except (AttributeError, TypeError, PicklingError) as error:  # where processes do not begin as copies
        warnings.warn(
            f"the dataset or transform cannot be sent to worker processes ({error}), so pictures are read one by one. "
            "Define its functions at the top of a module instead of lambdas.",
            FeatureMapsWarning,
            stacklevel=2,
        )
        yield from (load_alone(examples, preprocessing, number) for number in numbers)
        return
    try:
        for chunk in chunks:
            yield from chunk
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise SurveyError(
            f"a worker process that reads pictures was killed, often because memory ran out ({error}). Finished shards "
            "are kept: make the same call again, with fewer workers=…, and it goes on from there."
        ) from error


def _read_together(examples: Examples, preprocessing: Preprocessing, numbers: list[int]) -> list[LoadedPicture]:
    """Some examples, the inputs as views of one tensor: a worker process hands over one piece of shared memory."""
    chunk = []
    for number in numbers:
        _sow(number)
        chunk.append(load(examples, preprocessing, number))
    inputs = [picture.input for picture in chunk if picture.input is not None]
    if len({tensor.shape for tensor in inputs}) != 1:
        return chunk
    stacked = iter(torch.stack(inputs))
    return [picture if picture.input is None else replace(picture, input=next(stacked)) for picture in chunk]


def _sow(number: int) -> None:
    """The random numbers that this example draws, whoever reads it and whenever."""
    torch.default_generator.manual_seed(number)
    random.seed(number)
    np.random.seed(number % 2**32)
