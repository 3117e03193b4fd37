"""Anything a user passes as a dataset, made into `Examples`; one source a file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from featuremaps.errors import OptionError, SurveyError
from featuremaps.pictures.coco import is_coco
from featuremaps.pictures.frames import is_frame
from featuremaps.survey.datasets.examples import Examples
from featuremaps.survey.datasets.files import annotated, folder, listed, matching
from featuremaps.survey.datasets.hugging_face import hugging_face, is_hugging_face
from featuremaps.survey.datasets.items import items
from featuremaps.survey.datasets.loader import behind
from featuremaps.survey.datasets.tables import frame, table
from featuremaps.survey.datasets.tars import tars

TABLES = (".csv", ".tsv", ".parquet", ".pq")
_WAYS = (
    "Pass an image folder, a list of paths or of (path, label), a CSV or Parquet file, COCO's annotations (JSON), a "
    "DataFrame, a torch Dataset or DataLoader, arrays or tensors (pictures, labels), WebDataset tar files "
    "('train-{000..099}.tar'), or a Hugging Face dataset."
)


def examples_of(
    dataset: Any,
    *,
    image: str | None = None,
    label: str | Sequence[str] | None = None,
    classes: Sequence[str] | None = None,
    several: bool = False,
) -> Examples:
    """The dataset as an ordered list of examples; raises `SurveyError` where it holds nothing.

    `image` and `label` name the columns of a table or a Hugging Face dataset, or keys of dicts (items, JSON in shards);
    `classes` names the labels in order, where the dataset does not or in another order. With `several` a picture may
    have several labels, and `label` several columns of a table.
    """
    if isinstance(dataset, str | os.PathLike):
        return _of_path(os.fspath(dataset), image, label, classes, several)
    if isinstance(dataset, DataLoader):
        dataset = behind(dataset)
    if is_frame(dataset):
        return frame(dataset, image, label, classes, several)
    if not isinstance(label, str | None):
        raise OptionError("several columns of labels are understood of a table: a CSV or Parquet file or a DataFrame.")
    if is_hugging_face(dataset):
        return hugging_face(dataset, image, label, classes, several)
    if _arrays(dataset):
        return items(list(zip(*dataset, strict=True)), classes, image, label, several)
    if isinstance(dataset, list | tuple):
        return _of_list(list(dataset), image, label, classes, several)
    if isinstance(dataset, Examples):
        return dataset
    if isinstance(dataset, bytes | dict) or (not hasattr(dataset, "__getitem__") and not hasattr(dataset, "__iter__")):
        raise SurveyError(f"a {type(dataset).__name__} is not a dataset. {_WAYS}")
    return items(dataset, classes, image, label, several)


def _of_path(
    text: str,
    image: str | None,
    label: str | Sequence[str] | None,
    classes: Sequence[str] | None,
    several: bool,
) -> Examples:
    path = Path(text).expanduser()
    if path.suffix.lower() in TABLES and path.is_file():
        return table(path, image, label, classes, several)
    if ".tar" in path.suffixes and image is None and isinstance(label, str | None) and not several:
        return tars([text], classes, label)
    if several and (path.is_dir() or ".tar" in path.suffixes):
        raise OptionError(
            f"multi_label=True: {text} says one label of each picture. Several stand in a table of paths and labels "
            "(CSV, Parquet, DataFrame), a list of (path, labels), or a Dataset."
        )
    if image is not None or label is not None:
        raise OptionError(f"image= and label= name columns of a table, and {text} is none.")
    if path.is_dir():
        return folder(path, classes)
    if is_coco(path):
        return annotated(path, classes, several)
    if any(sign in text for sign in "*?["):
        return matching(str(path))
    if path.exists():
        raise SurveyError(f"{text} is a single file, not a dataset. {_WAYS}")
    raise SurveyError(f"{text} does not exist. {_WAYS}")


def _of_list(
    given: list[Any], image: str | None, label: str | None, classes: Sequence[str] | None, several: bool
) -> Examples:
    if not given:
        raise SurveyError(f"the list is empty. {_WAYS}")
    if all(_is_path(item) and ".tar" in Path(item).suffixes for item in given) and image is None and not several:
        return tars([os.fspath(item) for item in given], classes, label)
    pairs = all(isinstance(item, tuple | list) and len(item) == 2 and _is_path(item[0]) for item in given)
    if not pairs and not all(map(_is_path, given)):
        return items(given, classes, image, label, several)
    if image is not None or label is not None:
        raise OptionError("image= and label= name columns or keys, and a list of paths has none.")
    return listed([(item[0], item[1]) if pairs else (item, None) for item in given], classes, several)


def _arrays(dataset: object) -> bool:
    """Whether this is (pictures, labels), each an array or tensor with a row for every picture."""
    if not isinstance(dataset, list | tuple) or len(dataset) != 2:
        return False
    pictures, labels = dataset
    if not all(isinstance(part, Tensor | np.ndarray) and part.ndim for part in dataset):
        return False
    rows = labels.ndim == 1 or (labels.ndim == 2 and pictures.ndim > 3)
    return bool(pictures.ndim > 2 and rows and len(pictures) == len(labels))


def _is_path(item: object) -> bool:
    return isinstance(item, str | os.PathLike)
