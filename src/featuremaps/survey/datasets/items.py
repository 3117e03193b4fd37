"""Datasets in memory or in a user's own code: a torch Dataset, a DataLoader's dataset, a list of pictures, a tensor."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import ConcatDataset, IterableDataset, Subset, TensorDataset

from featuremaps.errors import ImageError, SurveyError, did_you_mean
from featuremaps.pictures.annotations import annotated
from featuremaps.pictures.label_sets import label_set
from featuremaps.pictures.labels import LABEL_KEYS, PICTURE_KEYS, parts_of, understood
from featuremaps.pictures.load import Picture, picture_of
from featuremaps.pictures.signals import KINDS, input_of
from featuremaps.session import random_state, warnings_ignored
from featuremaps.survey.datasets.columns import warn_unlabelled
from featuremaps.survey.datasets.examples import MIXED, Example, Examples, digest, label_numbers
from featuremaps.survey.datasets.loader import Collated


@dataclass(frozen=True, eq=False)
class Items:
    """Anything with a length and items: an image, (image, label), or a dict of both.

    Annotations of boxes are no label; the classes of all that they name are the labels of a picture with `several`.

    `image` and `label` are the keys of a dict, where they were asked for; `prepare` is given every item. A
    floating-point tensor is taken as already preprocessed. With `several` a picture may have several labels.
    """

    dataset: Any
    classes: tuple[str, ...] | None
    image: str | None = None
    label: str | None = None
    prepare: Callable[[Any], Any] | None = None
    threads: bool = False
    several: bool = False

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, number: int) -> Example:
        return Example(number, f"picture {number}")

    def read(self, number: int) -> Picture:
        """The item's picture and label; whatever the dataset raises is the reason."""
        try:
            item = self.dataset[number]
        except Exception as error:
            # Addresses in memory differ from run to run, and the tables of two runs must not.
            said = re.sub(r" at 0x[0-9a-fA-F]+", "", str(error))
            raise ImageError(f"dataset[{number}] raised {type(error).__name__}: {said}") from error
        if number == 0 and isinstance(item, Mapping) and self.label is None and not set(item) & set(LABEL_KEYS):
            others = [key for key in item if key not in (self.image, *PICTURE_KEYS)]
            warn_unlabelled(others, f"the {type(self.dataset).__name__}")
        item = item if self.image is None and self.label is None else self._chosen(item)
        content, label = parts_of(item)
        things = annotated(label)
        if things is None and not self.several:
            return self._picture(item)
        picture = self._picture({**item, "label": None} if isinstance(item, Mapping) else content)
        if not self.several:
            return picture
        labels = label_numbers(label_set(label if things is None else things, self.classes), self.classes)
        return replace(picture, labels=labels)

    def _picture(self, item: Any) -> Picture:
        prepared = item if self.prepare is None else self.prepare(item)
        return prepared if isinstance(prepared, Picture) else picture_of(prepared)

    def _chosen(self, item: Any) -> dict[str, Any]:
        """The item's picture and label under the names that were asked for."""
        if not isinstance(item, Mapping):
            raise ImageError(f"image= and label= name keys of a dict, and the item is a {type(item).__name__}.")
        image = self.image or next((key for key in PICTURE_KEYS if key in item), "image")
        gone = [key for key in (image, self.label) if key is not None and key not in item]
        if gone:
            raise ImageError(f"the item has no {gone[0]!r}.{did_you_mean(gone[0], item)} It has {', '.join(item)}.")
        # Under its own name, which says how it is read.
        picture = image if image in PICTURE_KEYS else PICTURE_KEYS[0]
        label = self.label or next((key for key in LABEL_KEYS if key in item), None)
        return {picture: item[image], "label": item[label] if label else None}

    def sha256(self, number: int) -> None:
        """None: an item is no file."""

    def identity(self) -> str:
        """What can be told without reading every item: the kind, the length, the targets or the values themselves."""
        chosen = [] if self.image is None and self.label is None else [self.image, self.label]
        return digest([*_told(self.dataset), *chosen])


def _told(dataset: Any) -> list[object]:
    if isinstance(dataset, Tensor):
        return [tuple(dataset.shape), _value(dataset)]
    if isinstance(dataset, list | tuple):
        items = (item if isinstance(item, list | tuple) else [item] for item in dataset)
        return [len(dataset), *(_value(part) for parts in items for part in parts)]
    told: list[object] = [type(dataset).__qualname__, len(dataset)]
    if isinstance(dataset, Subset):
        return [*told, *dataset.indices, *_told(dataset.dataset)]
    if isinstance(dataset, ConcatDataset | TensorDataset):
        parts = dataset.datasets if isinstance(dataset, ConcatDataset) else dataset.tensors
        return [*told, *(word for part in parts for word in _told(part))]
    if isinstance(dataset, Collated):
        return [*told, getattr(dataset.collate, "__qualname__", ""), *_told(dataset.dataset)]
    targets = getattr(dataset, "targets", None)
    known = targets.tolist() if isinstance(targets, Tensor) else targets if isinstance(targets, list) else ()
    return [*told, *known, getattr(dataset, "_fingerprint", "")]


def _value(part: object) -> str:
    """Of what is in memory its value; of anything else its kind."""
    if isinstance(part, Tensor):
        part = part.detach().cpu().float().numpy()
    if isinstance(part, set | frozenset):
        return " ".join(sorted(map(_value, part)))
    if isinstance(part, list | tuple):
        return f"[{' '.join(map(_value, part))}]"
    if isinstance(part, Mapping):
        return f"{{{' '.join(f'{key}: {_value(value)}' for key, value in part.items())}}}"
    if isinstance(part, np.ndarray) and not part.dtype.hasobject:
        return hashlib.sha256(part.tobytes()).hexdigest()
    return repr(part) if part is None or isinstance(part, int | float | str) else type(part).__name__


def with_axes(examples: Examples, axes: int) -> Examples:
    """The same for a model of signals or volumes, whose inputs have another number of axes than pictures."""
    if axes == 3:
        return examples
    if not isinstance(examples, Items):
        raise SurveyError(
            f"the model takes {KINDS[axes]}, and this dataset is made of picture files. Pass a list, "
            "tensor or Dataset of them, with (tensor, label) as its items."
        )
    return replace(examples, prepare=partial(input_of, axes=axes))


def items(
    dataset: Any,
    classes: Sequence[str] | None,
    image: str | None = None,
    label: str | None = None,
    several: bool = False,
) -> Items:
    """A map-style dataset or sequence; torchvision's `dataset.classes` names the labels unless `classes` does.

    `image` and `label` name keys, where its items are dicts. Of `several` labels a picture the classes must be known.
    """
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise SurveyError(
            f"a {type(dataset).__name__} has no items that can be asked for by number, so a survey of it could not go "
            "on after a stop. Pass a map-style Dataset (with __len__ and __getitem__); for WebDataset pass the paths "
            "of its tar files, 'train-{000..099}.tar'."
        )
    if len(dataset) == 0:
        raise SurveyError(f"the {type(dataset).__name__} has no items.")
    own = _classes(dataset)
    names = classes if classes is not None else own if isinstance(own, list | tuple) else _in_memory(dataset, label)
    if several and names is None:
        raise SurveyError(
            "where a picture may have several labels, the classes are named in order: labels=[…] (labels=scope.classes "
            "where they are those of the model)."
        )
    return Items(dataset, None if names is None else tuple(map(str, names)), image, label, several=several)


def named_by_model(examples: Examples, classes: Sequence[str] | None) -> Examples:
    """The same with the model's classes as the names of its labels, where it has none and its first label is one."""
    if not isinstance(examples, Items) or examples.classes is not None or not classes:
        return examples
    first = None
    with suppress(ImageError), random_state(), warnings_ignored():  # all is said where all are read
        first = examples.read(0).label
    return replace(examples, classes=tuple(classes)) if isinstance(first, str) and first in classes else examples


def _in_memory(dataset: Any, key: str | None) -> list[str] | None:
    """The labels of a list of (picture, label) or of dicts in alphabetical order, where all of them are texts.

    `SurveyError` where some are texts and some numbers.
    """
    if not isinstance(dataset, list):
        return None
    keys = LABEL_KEYS if key is None else (key,)
    given = [
        next((item[name] for name in keys if name in item), None)
        if isinstance(item, Mapping)
        else (item[1] if isinstance(item, tuple | list) and len(item) > 1 else None)
        for item in dataset
    ]
    labels = [label for label in map(understood, given) if label is not None]
    texts = [label for label in labels if isinstance(label, str)]
    if len(texts) not in (0, len(labels)):
        raise SurveyError(MIXED)
    return sorted(set(texts)) or None


def _classes(dataset: Any) -> Any:
    """The names of the labels, which a part of a dataset leaves with the whole."""
    own = getattr(dataset, "classes", None)
    whole = dataset.dataset if isinstance(dataset, Subset | Collated) else None
    return own if own is not None or whole is None else _classes(whole)
