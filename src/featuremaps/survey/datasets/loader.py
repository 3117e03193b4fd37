"""A torch DataLoader, item by item: those that its sampler draws from, as its `collate_fn` makes them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    default_collate,
)

from featuremaps.errors import SurveyError


@dataclass(frozen=True, eq=False)
class Collated:
    """Items of a dataset as a `collate_fn` makes them of a batch of one."""

    dataset: Any
    collate: Callable[[list[Any]], Any]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> Any:
        return _only(self.collate([self.dataset[number]]))


def behind(loader: DataLoader[Any]) -> Any:
    """What the loader goes through, as a dataset; its shuffling, batches and workers are no matter to a survey.

    Raises `SurveyError` where which items it gives is not known before it is run.
    """
    dataset: Any = loader.dataset
    if isinstance(dataset, IterableDataset):
        return dataset
    batches: Any = loader.batch_sampler
    sampler: Any = loader.sampler if batches is None else batches.sampler if type(batches) is BatchSampler else batches
    if isinstance(sampler, SubsetRandomSampler):
        dataset = Subset(dataset, sorted(int(number) for number in sampler.indices))
    elif isinstance(sampler, SequentialSampler) and len(sampler) < len(dataset):
        dataset = Subset(dataset, range(len(sampler)))
    elif not _draws_all(sampler, dataset):
        raise SurveyError(
            f"this DataLoader draws its items by a {type(sampler).__name__}, so which ones it gives is not known "
            "before it is run, and a survey of it could not go on after a stop. Pass its dataset, or a part of that: "
            "torch.utils.data.Subset(dataset, numbers)."
        )
    collate: Any = loader.collate_fn
    unbatched = loader.batch_size is None and loader.batch_sampler is None
    return dataset if unbatched or collate is default_collate else Collated(dataset, collate)


def _draws_all(sampler: object, dataset: Any) -> bool:
    """Whether each item comes once."""
    if isinstance(sampler, RandomSampler):
        return not sampler.replacement and len(sampler) == len(dataset)
    return isinstance(sampler, SequentialSampler)


def _only(batch: Any) -> Any:
    """The one item of a batch; what is not one for each picture, such as the epoch, stays as it is."""
    if isinstance(batch, Mapping):
        return {name: _only(values) for name, values in batch.items()}
    if isinstance(batch, str | bytes):
        return batch
    if isinstance(batch, Sequence) and len(batch) > 1:
        return tuple(map(_only, batch))
    try:
        return batch[0] if len(batch) == 1 else batch
    except TypeError:  # a number
        return batch
